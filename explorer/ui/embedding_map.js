// The second half of the component: lasso, zoom, legend, keyboard. What draws is in embedding_canvas.js.
// Text is set through textContent only: class names come from people's data.

const maps = new WeakMap()
const views = new Map() // name of a map to where its viewer left it
const CLICK = 4 // css pixels a pointer may wander in a click
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }

function element(tag, className, parent, text = "") {
  const node = document.createElement(tag)
  node.className = className
  node.textContent = text
  parent.append(node)
  return node
}

// -- picking ----------------------------------------------------------------------------------------

function inside(x, y, polygon) {
  let within = false
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [[xi, yi], [xj, yj]] = [polygon[i], polygon[j]]
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) within = !within
  }
  return within
}

function pick(map, isMeant) {
  const [left, top] = projector(map)
  const picked = new Uint8Array(map.data.count)
  for (let i = 0; i < picked.length; i++) if (isBroughtOut(map, i) && isMeant(left(i), top(i))) picked[i] = 1
  if (!picked.includes(1)) return say(map, "No image there.")
  show(map, picked)
  send(map, picked)
}

function pickLasso(map, polygon) {
  const [xs, ys] = [polygon.map(([x]) => x), polygon.map(([, y]) => y)]
  const [west, east, north, south] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
  pick(map, (x, y) => x >= west && x <= east && y >= north && y <= south && inside(x, y, polygon))
}

function pickView(map) {
  pick(map, (x, y) => x >= 0 && y >= 0 && x <= map.width && y <= map.height)
}

function show(map, picked) {
  map.picked = picked
  const [number, all] = [picked?.reduce((sum, one) => sum + one, 0), counted(map.data.count)]
  say(map, picked ? `${counted(number)} of ${all} images picked. Escape lets go of them.` : `${all} images.`)
  soon(map)
}

// Eight points to a byte.
function send(map, picked) {
  const bits = new Uint8Array(Math.ceil(picked.length / 8))
  picked.forEach((one, i) => { bits[i >> 3] |= one << (i & 7) })
  const text = Array.from({ length: Math.ceil(bits.length / 8192) }, (_, i) => String.fromCharCode(...bits.subarray(8192 * i, 8192 * (i + 1))))
  map.send("picked", { name: map.data.name, bits: btoa(text.join("")) })
}

function letGo(map) {
  map.lasso = null
  if (map.picked) {
    show(map, null)
    send(map, new Uint8Array(map.data.count))
  }
  drawAbove(map)
}

const say = (map, words) => { map.status.textContent = words }

// What Python holds as picked, told by embedding_picked.js: from here, from another tab, or nothing any more.
function takeTold(map) {
  const told = window.explorerPicked
  if (!map.data || told?.name !== map.data.name) return
  const bits = told.bits && bytes(told.bits)
  show(map, bits ? Uint8Array.from({ length: map.data.count }, (_, i) => (bits[i >> 3] >> (i & 7)) & 1) : null)
}

// -- hands ------------------------------------------------------------------------------------------

function press(map, event) {
  if (event.button !== 0) return
  map.above.setPointerCapture(event.pointerId)
  const at = [event.offsetX, event.offsetY]
  map.drag = { start: at, last: at, moves: event.shiftKey || map.moving, clicks: true }
  map.lasso = map.drag.moves ? null : [at]
  look(map, -1)
}

function move(map, event) {
  const { drag } = map
  const [x, y] = [event.offsetX, event.offsetY]
  if (!drag) {
    const found = nearest(map, x, y)
    if (found !== map.at) look(map, found)
    return
  }
  if (Math.hypot(x - drag.start[0], y - drag.start[1]) > CLICK) drag.clicks = false
  if (drag.clicks || Math.hypot(x - drag.last[0], y - drag.last[1]) < 3) return
  if (drag.moves) pan(map, x - drag.last[0], y - drag.last[1])
  else map.lasso?.push([x, y])
  drag.last = [x, y]
  drawAbove(map)
}

function release(map, event) {
  const { drag, lasso } = map
  map.drag = map.lasso = null
  if (!drag || event.type === "pointercancel") return drawAbove(map)
  if (drag.clicks) {
    const found = nearest(map, event.offsetX, event.offsetY)
    if (found >= 0) map.send("clicked", { name: map.data.name, point: found })
  } else if (lasso) {
    pickLasso(map, lasso)
  }
  drawAbove(map)
}

function turn(map, event) {
  if (event.deltaY > 0 && map.view.zoom === 1) return // the whole map is in sight: the page scrolls on
  event.preventDefault()
  zoomAt(map, Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY)
}

function type(map, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const acts = {
    "+": () => zoomAt(map, 1.5), "=": () => zoomAt(map, 1.5), "-": () => zoomAt(map, 1 / 1.5), 0: () => zoomAt(map, 0),
    Enter: () => pickView(map), Escape: () => letGo(map),
  }
  const act = ARROWS[event.key] ? () => pan(map, -60 * ARROWS[event.key][0], 60 * ARROWS[event.key][1]) : acts[event.key]
  if (!act) return
  event.preventDefault()
  act()
}

// -- legend -----------------------------------------------------------------------------------------

function entry(map, meaning, words, swatch, colour) {
  const button = element("button", "entry", map.legend)
  button.setAttribute("aria-pressed", String(map.only === meaning))
  element("span", `swatch ${swatch}`, button).style.setProperty("--ink", colour)
  element("span", "", button, words)
  button.onclick = () => {
    map.only = map.only === meaning ? null : meaning
    writeLegend(map)
    look(map, -1)
  }
}

function writeLegend(map) {
  const { data } = map
  map.legend.textContent = ""
  if (data.wrong) entry(map, "wrong", `wrong label (${counted(data.wrong)})`, "cross", data.colours.memorized)
  if (data.by === "score") {
    const scale = element("span", "scale", map.legend)
    element("span", "", scale, `${data.title}: least suspicious`)
    element("span", "ramp", scale).style.background = `linear-gradient(to right, ${data.table.filter((_, i) => i % 20 === 0)})`
    element("span", "", scale, "most suspicious")
  }
  data.counts.forEach((number, k) => number && entry(map, k, `${data.names[k]} (${counted(number)})`, "disc", data.table[k]))
}

// -- life -------------------------------------------------------------------------------------------

function create(parent) {
  const root = element("div", "map", parent)
  const map = { root, view: null, data: null, picked: null, only: null, at: -1, moving: false, text: "", width: 0, height: 0 }
  const bar = element("div", "bar", root)
  const tools = [
    ["Move", () => { map.moving = !map.moving; buttons[0].setAttribute("aria-pressed", String(map.moving)) }],
    ["+", () => zoomAt(map, 1.5), "Zoom in"], ["\u2212", () => zoomAt(map, 1 / 1.5), "Zoom out"],
    ["Whole map", () => zoomAt(map, 0)], ["Pick what is in view", () => pickView(map)],
  ]
  const buttons = tools.map(([words, act, name]) => {
    const button = element("button", "tool", bar, words)
    button.setAttribute("aria-label", name ?? words)
    button.onclick = act
    return button
  })
  buttons[0].setAttribute("aria-pressed", "false")
  map.stage = element("div", "stage", root)
  map.canvas = element("canvas", "points", map.stage)
  map.above = element("canvas", "above", map.stage)
  map.above.tabIndex = 0
  map.above.setAttribute("role", "application")
  map.tip = element("div", "tip", map.stage)
  map.status = element("p", "status", root)
  map.status.setAttribute("role", "status")
  map.legend = element("div", "legend", root)
  map.above.onpointerdown = (event) => press(map, event)
  map.above.onpointermove = (event) => move(map, event)
  map.above.onpointerup = map.above.onpointercancel = (event) => release(map, event)
  map.above.onpointerleave = () => { if (!map.drag) look(map, -1) }
  map.above.onkeydown = (event) => type(map, event)
  map.above.addEventListener("wheel", (event) => turn(map, event), { passive: false })
  map.sizer = new ResizeObserver(() => {
    Object.assign(map, { width: map.stage.clientWidth, height: map.stage.clientHeight })
    soon(map)
  })
  map.sizer.observe(map.stage)
  map.told = () => takeTold(map)
  window.addEventListener("explorer-picked", map.told)
  return map
}

function take(map, data) {
  const text = JSON.stringify(data)
  if (map.text === text) return
  const isOther = map.data?.name !== data.name
  if (isOther || map.data.by !== data.by) map.only = null
  Object.assign(map, { data, text })
  unpack(map, data)
  if (isOther) {
    if (!views.has(data.name)) views.set(data.name, wholeMap(data))
    map.view = views.get(data.name)
    show(map, null)
    takeTold(map)
  }
  for (const [name, colour] of Object.entries(data.colours)) map.root.style.setProperty(`--${name}`, colour)
  map.above.setAttribute("aria-label", data.alt)
  map.stage.style.height = `${data.height}px`
  writeLegend(map)
  look(map, -1)
}

// The page drew for one theme; after a switch in the menu ask it, once, to draw for the other.
function followTheme(map, send) {
  const page = getComputedStyle(map.root).getPropertyValue("--st-background-color")
  const [red, green, blue] = page.match(/[\da-f]{2}/gi)?.map((x) => parseInt(x, 16)) ?? []
  const now = red === undefined ? map.data.dark : 2 * red + 5 * green + blue < 1024
  if (now !== map.data.dark && map.asked !== now) send("theme", now)
  map.asked = now === map.data.dark ? undefined : now
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!maps.has(parentElement)) maps.set(parentElement, create(parentElement))
  const map = maps.get(parentElement)
  map.send = setTriggerValue
  take(map, data)
  followTheme(map, setTriggerValue)
  return () => {
    maps.delete(parentElement)
    window.removeEventListener("explorer-picked", map.told)
    map.sizer.disconnect()
    map.root.remove()
  }
}
