// A confusion matrix whose cells can be clicked and walked through by keyboard. It is built anew when its numbers change.
// Text is set through textContent and attributes only: class names come from people's data.

const grids = new WeakMap()

function element(tag, className, parent, text = "") {
  const node = document.createElement(tag)
  node.className = className
  if (text) node.textContent = text
  parent?.append(node)
  return node
}

function words(data, g, c) {
  const count = data.counts[g][c]
  return `${count.toLocaleString("en")} ${count === 1 ? "image" : "images"} given ${data.rows[g]} ${data.verb} ${data.columns[c]}`
}

function build(grid, data) {
  const { table, cells } = grid
  table.textContent = ""
  cells.length = 0
  const few = data.numbers
  table.classList.toggle("few", few)
  table.setAttribute("aria-rowcount", data.rows.length)
  table.setAttribute("aria-colcount", data.columns.length)
  table.style.gridTemplateColumns = `${few ? "fit-content(7.5em)" : "0"} repeat(${data.columns.length}, minmax(0, 1fr))`
  if (few) {
    const head = element("div", "row", table)
    element("div", "corner", head)
    const long = Math.max(...data.columns.map((name) => name.length)) > 3
    for (const name of data.columns) {
      const column = element("div", long ? "column long" : "column", head)
      element("span", "", column, name)
      column.title = name
    }
  }
  data.rows.forEach((name, g) => {
    const row = element("div", "row", table)
    row.setAttribute("role", "row")
    element("div", "name", row, few ? name : "").title = name
    data.counts[g].forEach((count, c) => {
      const cell = element("div", g === c ? "cell same" : "cell", row, few && count ? count.toLocaleString("en") : "")
      const [colour, ink] = data.shades[data.strengths[g][c]]
      if (g !== c) Object.assign(cell.style, { background: colour, color: ink })
      cell.setAttribute("role", "gridcell")
      cell.setAttribute("aria-label", words(data, g, c))
      cell.tabIndex = -1
      cell.classList.toggle("none", !count)
      Object.assign(cell.dataset, { g, c })
      cells.push(cell)
    })
  })
}

function at(grid, g, c) {
  return grid.cells[g * grid.data.columns.length + c]
}

function choose(grid, [g, c]) {
  for (const cell of grid.table.querySelectorAll(".chosen, [tabindex='0']")) {
    cell.classList.remove("chosen")
    cell.tabIndex = -1
  }
  const cell = at(grid, g, c) ?? grid.cells[0]
  if (!cell) return
  cell.tabIndex = 0
  cell.classList.toggle("chosen", g >= 0)
  grid.chosen = [g, c]
  tell(grid, grid.chosen)
}

// One line that says what the pointer, or the focus, is on.
function tell(grid, [g, c]) {
  grid.line.textContent = g < 0 ? "\u00a0" : words(grid.data, g, c)
}

function place(event) {
  const cell = event.target.closest(".cell")
  return cell ? [Number(cell.dataset.g), Number(cell.dataset.c)] : null
}

function ask(grid, where) {
  if (!where || !grid.data.counts[where[0]][where[1]]) return
  choose(grid, where)
  grid.send("clicked", where)
}

function move(grid, event) {
  const where = place(event)
  if (!where || event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault()
    ask(grid, where)
    return
  }
  const [rows, columns] = [grid.data.rows.length, grid.data.columns.length]
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -columns], End: [0, columns] }
  if (!(event.key in steps)) return
  event.preventDefault()
  const next = where.map((value, axis) => Math.min([rows, columns][axis] - 1, Math.max(0, value + steps[event.key][axis])))
  for (const cell of grid.table.querySelectorAll("[tabindex='0']")) cell.tabIndex = -1
  at(grid, ...next).tabIndex = 0
  at(grid, ...next).focus()
}

function create(parent) {
  const root = element("div", "confusion", parent)
  const above = element("div", "axis", root)
  const table = element("div", "table", root)
  table.setAttribute("role", "grid")
  const line = element("div", "line", root)
  line.setAttribute("aria-live", "off")
  const grid = { root, above, table, line, cells: [], send: () => {}, order: -1 }
  table.onclick = (event) => ask(grid, place(event))
  table.onkeydown = (event) => move(grid, event)
  table.onpointerover = table.onfocusin = (event) => { const where = place(event); if (where) tell(grid, where) }
  table.onpointerleave = table.onfocusout = () => tell(grid, grid.chosen)
  return grid
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!grids.has(parentElement)) grids.set(parentElement, create(parentElement))
  const grid = grids.get(parentElement)
  grid.send = setTriggerValue
  const text = JSON.stringify({ ...data, chosen: null })
  if (grid.text !== text) {
    Object.assign(grid, { text, data })
    grid.table.setAttribute("aria-label", data.alt)
    grid.above.textContent = data.axis
    for (const [name, colour] of Object.entries(data.colours)) grid.root.style.setProperty(`--${name}`, colour)
    build(grid, data)
  }
  choose(grid, data.chosen)
  return () => {
    grid.root.remove()
    grids.delete(parentElement)
  }
}
