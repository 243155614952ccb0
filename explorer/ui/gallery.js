// A list of image cards. Nodes are kept by example id, so a refresh changes only what changed.
// Text is set through textContent and attributes only: class names come from people's data.

const galleries = new WeakMap()
const TYPING = "input, textarea, select, [contenteditable]:not([contenteditable='false'])"
const HELD_KEY = 150 // ms: while a key is held only the last card it came to is asked for

function element(tag, className, parent) {
  const node = document.createElement(tag)
  node.className = className
  parent?.append(node)
  return node
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
  node.hidden = !text
}

function setImage(image, url, alt) {
  if (url && image.getAttribute("src") !== url) image.src = url
  image.alt = alt
  image.hidden = !url
}

function createCard(gallery, id) {
  const root = element("div", "card")
  root.setAttribute("role", "option")
  root.dataset.example = id
  const pictures = element("div", "pictures", root)
  const frame = element("div", "frame", pictures)
  const image = element("img", "picture", frame)
  const twin = element("figure", "twin", pictures)
  const partner = element("img", "picture", twin)
  const caption = element("figcaption", "caption", twin)
  const words = element("div", "words", root)
  const badge = element("div", "badge", words)
  const label = element("div", "label", words)
  const note = element("div", "note", words)
  const bar = element("div", "bar", words)
  const fill = element("div", "fill", bar)
  for (const each of [image, partner]) {
    each.decoding = "async"
    each.onload = () => each.classList.toggle("pixelated", Math.max(each.naturalWidth, each.naturalHeight) < 64)
  }
  root.onclick = () => { focusCard(gallery, root); mark(gallery, id); if (!follow(gallery, id)) gallery.send("clicked", id) }
  root.onpointerenter = root.onfocus = () => showSpark(gallery, id)
  return { root, pictures, frame, words, image, twin, partner, caption, badge, label, note, bar, fill, data: {}, text: "" }
}

function updateCard(card, data) {
  const text = JSON.stringify(data)
  if (card.text === text) return
  Object.assign(card, { text, data })
  card.root.setAttribute("aria-label", data.alt)
  card.root.title = data.label
  card.root.classList.toggle("conflict", !!data.conflict)
  card.root.classList.toggle("wrong", !!data.wrong)
  setImage(card.image, data.image, data.alt)
  setImage(card.partner, data.partner, data.caption ?? "near duplicate")
  card.twin.hidden = !data.partner
  card.root.classList.toggle("with-twin", !!data.partner)
  setText(card.caption, data.caption ?? "")
  setText(card.badge, data.badge ?? "")
  setText(card.label, data.label.replace("(true ", "(true\u00a0"))
  setText(card.note, data.note ?? "")
  card.bar.hidden = data.score === undefined
  card.fill.style.width = `${100 * (data.score ?? 0)}%`
  card.spark?.remove()
  card.spark = null
}

// The loss history, drawn the first time somebody looks at the card.
function showSpark(gallery, id) {
  const card = gallery.cards.get(id)
  if (!card || card.spark || !card.data.spark) return
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("class", "spark")
  svg.setAttribute("viewBox", "0 0 100 34")
  svg.setAttribute("preserveAspectRatio", "none")
  svg.setAttribute("aria-hidden", "true")
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline")
  const last = card.data.spark.length - 1
  line.setAttribute("points", card.data.spark.map((y, i) => `${(100 * i) / last},${(31 - 28 * y).toFixed(1)}`).join(" "))
  svg.append(line)
  card.spark = element("div", "history", card.frame)
  card.spark.append(svg)
  element("span", "history-word", card.spark).textContent = "loss"
}

function focusCard(gallery, root) {
  for (const { root: other } of gallery.cards.values()) other.tabIndex = other === root ? 0 : -1
  root.focus({ preventScroll: false })
}

// The card whose image is shown in full.
function mark(gallery, id) {
  gallery.marked = id
  for (const [each, { root }] of gallery.cards) root.setAttribute("aria-selected", String(each === id))
}

// Where whoever looks has moved to is told at once, with the order it was told under: keys pressed elsewhere are for this card.
function follow(gallery, id) {
  if (gallery.follows) gallery.hold("focused", [id, gallery.told])
  return gallery.follows
}

// The card above (-1) or below (1), at least so many pixels away: of the nearest such row the one nearest in it.
function across(roots, from, direction, distance = 1) {
  const middle = (root) => root.offsetLeft + root.offsetWidth / 2
  const away = (root) => direction * (root.offsetTop - from.offsetTop)
  const ahead = roots.filter((root) => away(root) > 0)
  if (!ahead.length) return undefined
  const far = ahead.filter((root) => away(root) >= distance)
  const row = far.length ? Math.min(...far.map(away)) : Math.max(...ahead.map(away))
  return ahead.filter((root) => away(root) === row).sort((a, b) => Math.abs(middle(a) - middle(from)) - Math.abs(middle(b) - middle(from)))[0]
}

function move(gallery, event, from = event.target.closest(".card")) {
  const roots = [...gallery.list.children]
  const here = roots.indexOf(from)
  if (here < 0) return
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault()
    roots[here].click()
    return
  }
  const screen = innerHeight * 0.7
  const targets = {
    ArrowRight: () => roots[here + 1], ArrowLeft: () => roots[here - 1], Home: () => roots[0], End: () => roots.at(-1),
    ArrowDown: () => across(roots, roots[here], 1), ArrowUp: () => across(roots, roots[here], -1),
    PageDown: () => across(roots, roots[here], 1, screen), PageUp: () => across(roots, roots[here], -1, screen),
  }
  if (!(event.key in targets) || event.ctrlKey || event.metaKey || event.altKey) return
  event.preventDefault()
  const target = targets[event.key]()
  if (!target) return
  focusCard(gallery, target)
  if (gallery.follows) target.click()
}

// Arrows, wherever the focus is, where the cards are followed.
function steer(gallery, event) {
  const typing = event.composedPath().some((node) => node.matches?.(TYPING + ", [role=tab], [role=slider], [role=radio], [role=option]"))
  if (!gallery.follows || event.defaultPrevented || typing || !gallery.list.checkVisibility()) return
  const marked = [...gallery.list.children].find((root) => root.ariaSelected === "true")
  if (marked && event.key !== "Enter" && event.key !== " ") move(gallery, event, marked)
}

// j and k, wherever the focus is, but never while somebody types.
function walk(gallery, event) {
  const step = { j: 1, k: -1 }[event.key]
  const busy = event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey
  if (!step || busy || !gallery.walk || !gallery.list.checkVisibility()) return
  if (event.composedPath().some((node) => node.matches?.(TYPING))) return
  event.preventDefault()
  const roots = [...gallery.list.children]
  const here = roots.findIndex((root) => root.ariaSelected === "true")
  const target = roots[here < 0 ? 0 : here + step]
  clearTimeout(gallery.waiting)
  if (target) {
    const id = Number(target.dataset.example)
    mark(gallery, id)
    reveal(gallery, target)
    gallery.waiting = setTimeout(() => gallery.send("clicked", id), event.repeat ? HELD_KEY : 0)
  } else if (gallery.walk[step > 0 ? 1 : 0]) {
    gallery.turning = true
    gallery.send("turned", step)
  }
}

function reveal(gallery, root) {
  if (gallery.list.contains(gallery.list.getRootNode().activeElement)) focusCard(gallery, root)
  root.scrollIntoView({ block: "nearest" })
}

function create(parent) {
  const list = element("div", "gallery", parent)
  list.setAttribute("role", "listbox")
  const empty = element("p", "empty", parent)
  const gallery = { list, empty, cards: new Map(), send: () => {}, told: -1 }
  list.onkeydown = (event) => move(gallery, event)
  gallery.onkey = (event) => { walk(gallery, event); steer(gallery, event) }
  document.addEventListener("keydown", gallery.onkey)
  return gallery
}

function reconcile(gallery, cards, compact) {
  const wanted = new Set(cards.map((card) => card.id))
  for (const [id, card] of gallery.cards) {
    if (wanted.has(id)) continue
    card.root.remove()
    gallery.cards.delete(id)
  }
  cards.forEach((data, position) => {
    if (!gallery.cards.has(data.id)) gallery.cards.set(data.id, createCard(gallery, data.id))
    const card = gallery.cards.get(data.id)
    const home = compact ? card.words : card.pictures
    if (card.twin.parentNode !== home) home.append(card.twin)
    updateCard(card, data)
    if (gallery.list.children[position] !== card.root) gallery.list.insertBefore(card.root, gallery.list.children[position] ?? null)
  })
  const roots = [...gallery.list.children]
  const entry = roots.find((root) => root.tabIndex === 0) ?? roots.find((root) => root.ariaSelected === "true") ?? roots[0]
  for (const root of roots) root.tabIndex = root === entry ? 0 : -1
}

// What is marked is told when it changed elsewhere; what was clicked here is marked already.
function remark(gallery, [id, order]) {
  const moved = gallery.follows && order !== gallery.told
  mark(gallery, order === gallery.told ? gallery.marked : id)
  gallery.told = order
  if (moved && gallery.cards.has(id)) reveal(gallery, gallery.cards.get(id).root)
  if (gallery.turning && gallery.cards.has(id)) {
    gallery.turning = false
    reveal(gallery, gallery.cards.get(id).root)
  }
}

// The page drew for one theme; after a switch in the menu ask it, once, to draw for the other.
function followTheme(gallery, dark, element, send) {
  const [red, green, blue] = getComputedStyle(element).getPropertyValue("--st-background-color").match(/[\da-f]{2}/gi)?.map((x) => parseInt(x, 16)) ?? []
  const now = red === undefined ? dark : 2 * red + 5 * green + blue < 1024
  if (now !== dark && gallery.asked !== now) send("theme", now)
  gallery.asked = now === dark ? undefined : now
}

export default function ({ data, parentElement, setTriggerValue, setStateValue }) {
  if (!galleries.has(parentElement)) galleries.set(parentElement, create(parentElement))
  const gallery = galleries.get(parentElement)
  const { list, empty } = gallery
  gallery.send = setTriggerValue
  gallery.hold = setStateValue
  gallery.follows = !!data.follow
  gallery.walk = data.walk
  list.setAttribute("aria-label", data.label)
  list.classList.toggle("compact", data.compact)
  list.style.setProperty("--size", `${data.size}px`)
  list.style.setProperty("--twin", `${data.twin}px`)
  list.classList.toggle("pairs", data.pairs)
  const twins = data.cards.filter((card) => card.partner).length
  list.classList.toggle("twins", 2 * twins > data.cards.length)
  list.classList.toggle("few-twins", 2 * twins <= data.cards.length && !data.columns && !data.compact && !data.pairs)
  list.style.gridTemplateColumns = data.columns ? `repeat(${data.columns}, minmax(0, 1fr))` : ""
  for (const [name, colour] of Object.entries(data.colours)) list.style.setProperty(`--${name}`, colour)
  followTheme(gallery, data.dark, list, setTriggerValue)
  reconcile(gallery, data.cards, data.compact)
  remark(gallery, data.selected)
  setText(empty, data.cards.length ? "" : data.empty)
  return () => {
    document.removeEventListener("keydown", gallery.onkey)
    clearTimeout(gallery.waiting)
    list.remove()
    empty.remove()
    galleries.delete(parentElement)
  }
}
