// Groups of images that belong together, each in a frame of its own. A group whose words did not change keeps its nodes.
// Text is set through textContent and attributes only: class names come from people's data.

const lists = new WeakMap()

function element(tag, className, parent, text) {
  const node = document.createElement(tag)
  node.className = className
  if (text !== undefined) node.textContent = text
  parent?.append(node)
  return node
}

function createMember(list, strip, data, parent) {
  const root = element(data.id >= 0 ? "button" : "div", "member", parent)
  root.classList.toggle("other", !!data.other)
  root.title = data.alt
  if (data.id >= 0) {
    root.type = "button"
    root.setAttribute("aria-label", data.alt)
    root.onclick = () => list.send("opened", [strip.id, data.id])
  }
  const frame = element("div", "frame", root)
  const image = element("img", "picture", frame)
  image.onload = () => image.classList.toggle("pixelated", Math.max(image.naturalWidth, image.naturalHeight) < 64)
  image.decoding = "async"
  image.alt = data.alt
  image.src = data.image
  if (data.mark) element("span", "mark", frame, data.mark)
  element("span", "label", root, data.label)
  if (data.below) element("span", "below", root, data.below)
}

function createStrip(list, data, action) {
  const root = element("div", "strip")
  root.setAttribute("role", "listitem")
  root.classList.toggle("conflict", !!data.conflict)
  if (data.title || data.badge) {
    const head = element("div", "head", root)
    if (data.badge) element("span", "badge", head, data.badge)
    if (data.title) element("span", "title", head, data.title)
  }
  const members = element("div", "members", root)
  for (const member of data.members) createMember(list, data, member, members)
  if (data.note) element("div", "note", root, data.note)
  if (action) {
    const button = element("button", "action", root, action)
    button.type = "button"
    button.onclick = () => list.send("opened", [data.id, -1])
  }
  return root
}

function reconcile(list, data) {
  const old = list.strips
  list.strips = new Map()
  const wanted = data.strips.map((strip) => {
    const text = JSON.stringify([strip, data.action])
    const node = old.get(text) ?? createStrip(list, strip, data.action)
    list.strips.set(text, node)
    return node
  })
  if (data.divider >= 0 && wanted.length) {
    list.divider.textContent = data.divided
    wanted.splice(data.divider, 0, list.divider)
  }
  if (wanted.length !== list.root.children.length || wanted.some((node, i) => list.root.children[i] !== node)) list.root.replaceChildren(...wanted)
}

// The page drew for one theme; after a switch in the menu ask it, once, to draw for the other.
function followTheme(list, dark) {
  const [red, green, blue] = getComputedStyle(list.root).getPropertyValue("--st-background-color").match(/[\da-f]{2}/gi)?.map((x) => parseInt(x, 16)) ?? []
  const now = red === undefined ? dark : 2 * red + 5 * green + blue < 1024
  if (now !== dark && list.asked !== now) list.send("theme", now)
  list.asked = now === dark ? undefined : now
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!lists.has(parentElement)) {
    const root = element("div", "strips", parentElement)
    root.setAttribute("role", "list")
    lists.set(parentElement, { root, empty: element("p", "empty", parentElement), divider: element("div", "divider"), strips: new Map() })
  }
  const list = lists.get(parentElement)
  list.send = setTriggerValue
  list.root.setAttribute("aria-label", data.label)
  list.root.classList.toggle("compact", data.compact)
  list.root.style.setProperty("--size", `${data.size}px`)
  for (const [name, colour] of Object.entries(data.colours)) list.root.style.setProperty(`--${name}`, colour)
  followTheme(list, data.dark)
  reconcile(list, data)
  list.empty.textContent = data.strips.length ? "" : data.empty
  list.empty.hidden = data.strips.length > 0
  return () => {
    list.root.remove()
    list.empty.remove()
    lists.delete(parentElement)
  }
}
