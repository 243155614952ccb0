// A cloud of points on a 2-D canvas: no WebGL, so it draws on projectors and in every browser alike.
// Below: the points, drawn pixel by pixel. Above: the lasso and the ring around the point looked at.
// The first half of the component; the hands are in embedding_map.js.

const NEAR = 9 // css pixels within which a point is meant

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
const numbers = (text, wide) => (wide ? new Uint16Array(bytes(text).buffer) : bytes(text))
const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16))
const counted = (number) => number.toLocaleString("en")

// -- what is shown ----------------------------------------------------------------------------------

function unpack(map, data) {
  const { count, wide } = data
  map.points = numbers(data.points, true)
  map.given = numbers(data.given, wide)
  map.looks = data.looks && numbers(data.looks, wide)
  map.true = null
  if (data.true !== null) {
    map.true = map.given.slice()
    map.true.set(numbers(data.true, wide), count - data.wrong)
  }
  map.shade = data.by === "score" ? bytes(data.shade) : map[data.by]
  map.table = data.table.map(rgb)
  const right = count - data.wrong
  const key = data.by === "score" ? (i) => map.shade[i] // the most suspicious on top
    : data.mark ? (i) => i // crosses on top, as the points come
    : (i) => (i < right ? i / right : (i - right) / data.wrong) // right and wrong labels mixed
  map.order = Uint32Array.from({ length: count }, (_, i) => i).sort((a, b) => key(a) - key(b))
}

const isWrong = (map, i) => i >= map.data.count - map.data.wrong

function isBroughtOut(map, i) {
  if (map.only === null) return true
  return map.only === "wrong" ? isWrong(map, i) : map.shade[i] === map.only
}

function scaleOf(map) {
  const [w, h] = map.data.box
  const fit = Math.min((map.width - 28) / Math.max(w, 1), (map.height - 28) / Math.max(h, 1))
  return fit * map.view.zoom
}

// Functions from a point's numbers to css pixels.
function projector(map) {
  const k = scaleOf(map)
  const { x, y } = map.view
  return [(i) => (map.points[2 * i] - x) * k + map.width / 2, (i) => (y - map.points[2 * i + 1]) * k + map.height / 2]
}

// -- drawing ----------------------------------------------------------------------------------------

// Pixels of a mark, a disc or a cross, soft at the edge: columns, rows, and how much of each is covered.
function stamp(radius, isCross) {
  const pixels = []
  const reach = Math.ceil(radius + 1)
  const stroke = Math.max(0.8, radius * 0.28)
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const across = Math.min(Math.abs(x - y), Math.abs(x + y)) / Math.SQRT2
      const far = isCross ? Math.max(across - stroke, Math.max(Math.abs(x), Math.abs(y)) - radius) : Math.hypot(x, y) - radius
      const cover = Math.min(1, 0.5 - far)
      if (cover > 0) pixels.push([x, y, cover])
    }
  }
  return { x: pixels.map(([x]) => x), y: pixels.map(([, y]) => y), cover: pixels.map(([, , cover]) => cover) }
}

function blend(pixels, width, height, left, top, mark, colour, alpha) {
  for (let n = 0; n < mark.cover.length; n++) {
    const x = left + mark.x[n]
    const y = top + mark.y[n]
    if (x < 0 || y < 0 || x >= width || y >= height) continue
    const at = 4 * (y * width + x)
    const share = alpha * mark.cover[n]
    for (let c = 0; c < 3; c++) pixels[at + c] += (colour[c] - pixels[at + c]) * share
  }
}

function draw(map) {
  if (!map.width || !map.data) return
  const { canvas, data, picked } = map
  const ratio = window.devicePixelRatio || 1
  const [width, height] = [Math.round(map.width * ratio), Math.round(map.height * ratio)]
  for (const each of [canvas, map.above]) if (each.width !== width || each.height !== height) Object.assign(each, { width, height })
  const context = canvas.getContext("2d")
  const image = context.createImageData(width, height)
  const [red, green, blue] = rgb(data.colours.background)
  new Uint32Array(image.data.buffer).fill((255 << 24) | (blue << 16) | (green << 8) | red)
  const size = Math.min(4.5, Math.max(1.5, 60 / data.count ** 0.4) * map.view.zoom ** 0.3) * ratio
  const [disc, cross, ink] = [stamp(size, false), stamp(size * 1.15, true), rgb(data.colours.memorized)]
  const [left, top] = projector(map)
  const quiet = map.only !== null || picked !== null
  for (const front of quiet ? [false, true] : [true]) {
    const alpha = front ? 0.85 : 0.13
    for (const i of map.order) {
      if (quiet && front !== (isBroughtOut(map, i) && (picked === null || picked[i] === 1))) continue
      const marked = (data.mark || map.only === "wrong") && isWrong(map, i)
      const [px, py] = [Math.round(left(i) * ratio), Math.round(top(i) * ratio)]
      blend(image.data, width, height, px, py, marked ? cross : disc, marked ? ink : map.table[map.shade[i]], alpha)
    }
  }
  context.putImageData(image, 0, 0)
  drawAbove(map)
}

function drawAbove(map) {
  const { above, lasso, data } = map
  const context = above.getContext("2d")
  const ratio = window.devicePixelRatio || 1
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.clearRect(0, 0, map.width, map.height)
  context.strokeStyle = data.colours.text
  context.lineWidth = 1.5
  if (lasso?.length) {
    context.beginPath()
    lasso.forEach(([x, y]) => context.lineTo(x, y))
    context.closePath()
    context.globalAlpha = 0.08
    context.fillStyle = data.colours.text
    context.fill("evenodd")
    context.globalAlpha = 1
    context.setLineDash([5, 4])
    context.stroke()
    context.setLineDash([])
  }
  if (map.at >= 0) {
    const [left, top] = projector(map)
    context.beginPath()
    context.arc(left(map.at), top(map.at), 7, 0, 7)
    context.stroke()
  }
}

function soon(map) {
  map.frame ||= requestAnimationFrame(() => {
    map.frame = 0
    draw(map)
  })
}

// -- looking ----------------------------------------------------------------------------------------

const wholeMap = ({ box: [w, h] }) => ({ zoom: 1, x: w / 2, y: h / 2 })

function zoomAt(map, factor, x = map.width / 2, y = map.height / 2) {
  const { view } = map
  const before = scaleOf(map)
  view.zoom = Math.min(200, Math.max(1, view.zoom * factor))
  const gain = 1 / before - 1 / scaleOf(map) // what lies under the pointer stays there
  view.x += (x - map.width / 2) * gain
  view.y -= (y - map.height / 2) * gain
  if (view.zoom === 1) Object.assign(view, wholeMap(map.data))
  look(map, -1)
}

function pan(map, dx, dy) {
  const { view, data: { box: [w, h] } } = map
  view.x = Math.min(w, Math.max(0, view.x - dx / scaleOf(map)))
  view.y = Math.min(h, Math.max(0, view.y + dy / scaleOf(map)))
  look(map, -1)
}

function nearest(map, x, y) {
  const [left, top] = projector(map)
  let [best, least] = [-1, NEAR ** 2]
  for (let i = 0; i < map.data.count; i++) {
    const far = (left(i) - x) ** 2 + (top(i) - y) ** 2
    if (far < least && isBroughtOut(map, i)) [best, least] = [i, far]
  }
  return best
}

function describe(map, i) {
  const { names, by, title } = map.data
  const looks = map.looks ? ` \u2192 looks like ${names[map.looks[i]]}` : ""
  const truth = map.true ? ` (true ${names[map.true[i]]})` : ""
  return `given ${names[map.given[i]]}${looks}${truth}` + (by === "score" ? `\n${title}: more suspicious than ${map.shade[i]} % of the images` : "")
}

// The words and the ring of a point; -1 for none.
function look(map, i) {
  map.at = i
  map.tip.hidden = i < 0
  if (i >= 0) {
    const [left, top] = projector(map)
    map.tip.textContent = describe(map, i)
    map.tip.style.left = `${Math.max(0, Math.min(left(i) + 14, map.width - map.tip.offsetWidth - 4))}px`
    map.tip.style.top = `${top(i) + 14 + map.tip.offsetHeight > map.height ? top(i) - 12 - map.tip.offsetHeight : top(i) + 14}px`
  }
  soon(map)
}
