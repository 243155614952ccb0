// A list of image cards. Nodes are kept by example id, so a refresh changes only what changed.
// Text is set through textContent and attributes only: class names come from people's data.

const galleries = new WeakMap()

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
  const bar = element("div", "bar", words)
  const fill = element("div", "fill", bar)
  for (const each of [image, partner]) {
    each.decoding = "async"
    each.onload = () => each.classList.toggle("pixelated", Math.max(each.naturalWidth, each.naturalHeight) < 64)
  }
  root.onclick = () => { focusCard(gallery, root); gallery.send("clicked", id) }
  root.onpointerenter = root.onfocus = () => showSpark(gallery, id)
  return { root, pictures, frame, words, image, twin, partner, caption, badge, label, bar, fill, data: {}, text: "" }
}

function updateCard(card, data) {
  const text = JSON.stringify(data)
  if (card.text === text) return
  Object.assign(card, { text, data })
  card.root.setAttribute("aria-label", data.alt)
  card.root.setAttribute("aria-selected", String(!!data.selected))
  card.root.title = data.label
  card.root.classList.toggle("conflict", !!data.conflict)
  card.root.classList.toggle("wrong", !!data.wrong)
  setImage(card.image, data.image, data.alt)
  setImage(card.partner, data.partner, data.caption ?? "near duplicate")
  card.twin.hidden = !data.partner
  setText(card.caption, data.caption ?? "")
  setText(card.badge, data.badge ?? "")
  setText(card.label, data.label.replace("(true ", "(true\u00a0"))
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

function move(gallery, event) {
  const roots = [...gallery.list.children]
  const here = roots.indexOf(event.target.closest(".card"))
  if (here < 0) return
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault()
    roots[here].click()
    return
  }
  const top = roots[0].offsetTop
  const columns = roots.filter((root) => root.offsetTop === top).length
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -here, End: roots.length - 1 - here }
  const target = roots[here + steps[event.key]]
  if (!(event.key in steps)) return
  event.preventDefault()
  if (target) focusCard(gallery, target)
}

function create(parent) {
  const list = element("div", "gallery", parent)
  list.setAttribute("role", "listbox")
  const empty = element("p", "empty", parent)
  const gallery = { list, empty, cards: new Map(), send: () => {} }
  list.onkeydown = (event) => move(gallery, event)
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

// The page drew for one theme; after a switch in the menu ask it, once, to draw for the other.
function followTheme(gallery, dark, element, send) {
  const [red, green, blue] = getComputedStyle(element).getPropertyValue("--st-background-color").match(/[\da-f]{2}/gi)?.map((x) => parseInt(x, 16)) ?? []
  const now = red === undefined ? dark : 2 * red + 5 * green + blue < 1024
  if (now !== dark && gallery.asked !== now) send("theme", now)
  gallery.asked = now === dark ? undefined : now
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!galleries.has(parentElement)) galleries.set(parentElement, create(parentElement))
  const gallery = galleries.get(parentElement)
  const { list, empty } = gallery
  gallery.send = setTriggerValue
  list.setAttribute("aria-label", data.label)
  list.classList.toggle("compact", data.compact)
  list.style.setProperty("--size", `${data.size}px`)
  list.classList.toggle("pairs", data.pairs)
  list.classList.toggle("twins", data.cards.some((card) => card.partner))
  list.style.gridTemplateColumns = data.columns ? `repeat(${data.columns}, minmax(0, 1fr))` : ""
  for (const [name, colour] of Object.entries(data.colours)) list.style.setProperty(`--${name}`, colour)
  followTheme(gallery, data.dark, list, setTriggerValue)
  reconcile(gallery, data.cards, data.compact)
  setText(empty, data.cards.length ? "" : data.empty)
  return () => {
    list.remove()
    empty.remove()
    galleries.delete(parentElement)
  }
}
