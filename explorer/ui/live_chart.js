// One chart per mount point. Plotly.react with a constant uirevision keeps what the viewer did to it.

const charts = new WeakMap()
const ENDS = ["pointerup", "pointercancel", "blur"]
const CONFIG = {
  displaylogo: false,
  responsive: false,
  doubleClick: "reset",
  displayModeBar: "hover",
}

// The folder the app is served from, whatever the page's own address and any proxy in front.
function appFolder() {
  const script = document.querySelector('script[type="module"][src*="static/js/"]')
  return script ? script.src.replace(/static\/js\/[^/]*$/, "") : document.baseURI
}

function plotly(version) {
  if (window.Plotly?.react) return Promise.resolve(window.Plotly)
  window.explorerPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script")
    script.src = new URL(`plotly.js?v=${encodeURIComponent(version)}`, appFolder())
    script.onload = () => resolve(window.Plotly)
    script.onerror = () => {
      window.explorerPlotly = undefined
      script.remove()
      reject(new Error("The drawing library could not be loaded. Reload the page; if it stays so, the server is gone."))
    }
    document.head.append(script)
  })
  return window.explorerPlotly
}

function create(parent) {
  const plot = document.createElement("div")
  plot.className = "live-chart"
  plot.setAttribute("role", "figure") // not img: that would hide its buttons
  parent.append(plot)
  const chart = { plot, text: "", figure: null, drawn: null, busy: false, held: false, hidden: new Set(), pointer: null }
  chart.press = () => { chart.held = true }
  chart.release = () => { chart.held = false; draw(chart) }
  chart.sizer = new ResizeObserver(() => draw(chart))
  chart.sizer.observe(plot)
  plot.addEventListener("pointerdown", chart.press)
  for (const end of ENDS) window.addEventListener(end, chart.release)
  plot.addEventListener("pointermove", (event) => { chart.pointer = event })
  plot.addEventListener("pointerleave", () => { chart.pointer = null })
  return chart
}

function destroy(parent) {
  const chart = charts.get(parent)
  if (!chart) return
  charts.delete(parent)
  chart.gone = true
  chart.sizer.disconnect()
  for (const end of ENDS) window.removeEventListener(end, chart.release)
  if (chart.drawn) window.Plotly?.purge(chart.plot)
  chart.plot.remove()
}

// A label beside a line names its trace: a click on it hides or shows the line.
function prepared(chart) {
  const { data, layout } = chart.figure
  const annotations = layout.annotations?.map((note) =>
    chart.hidden.has(note.name) ? { ...note, opacity: 0.35 } : note)
  const font = getComputedStyle(chart.plot).fontFamily
  return {
    data: data.map((trace) => (chart.hidden.has(trace.name) ? { ...trace, visible: false } : trace)),
    layout: { ...layout, annotations, uirevision: layout.uirevision ?? "keep", autosize: false,
      width: chart.plot.clientWidth, height: chart.height, font: { ...layout.font, family: font } },
  }
}

function listen(chart) {
  chart.plot.on("plotly_click", (event) => {
    const [point] = event.points
    if (chart.clickable && point) chart.send("clicked", point.customdata ?? point.x)
  })
  chart.plot.on("plotly_clickannotation", ({ annotation }) => {
    if (!annotation.name) return
    chart.hidden[chart.hidden.has(annotation.name) ? "delete" : "add"](annotation.name)
    draw(chart)
  })
}

// Redrawing takes the hover label away; a repeated movement of the resting pointer brings it back.
function hoverAgain(chart) {
  const target = chart.pointer && chart.plot.querySelector(".nsewdrag:hover")
  if (!target) return
  const { clientX, clientY } = chart.pointer
  target.dispatchEvent(new MouseEvent("mousemove", { clientX, clientY, bubbles: true }))
}

function isDrawn(chart) {
  return chart.drawn === chart.text && chart.width === chart.plot.clientWidth && chart.shown === chart.hidden.size
}

async function draw(chart) {
  if (chart.busy || chart.held || chart.gone || !chart.figure || !chart.plot.clientWidth || isDrawn(chart)) return
  chart.busy = true
  try {
    const library = await plotly(chart.version)
    if (chart.gone) return
    const first = chart.drawn === null
    if (first) chart.plot.textContent = ""
    const { data, layout } = prepared(chart)
    Object.assign(chart, { drawn: chart.text, width: chart.plot.clientWidth, shown: chart.hidden.size })
    CONFIG.modeBarButtons ??= [window.explorerChartFiles.buttons]
    await library.react(chart.plot, data, layout, CONFIG)
    if (first) listen(chart)
    hoverAgain(chart)
  } catch (error) {
    chart.plot.textContent = error.message
    return
  } finally {
    chart.busy = false
  }
  draw(chart) // newer numbers may have come meanwhile
}

// The page drew for one theme; after a switch in the menu ask it, once, to draw for the other.
function followTheme(chart, dark, element, send) {
  const [red, green, blue] = getComputedStyle(element).getPropertyValue("--st-background-color").match(/[\da-f]{2}/gi)?.map((x) => parseInt(x, 16)) ?? []
  const now = red === undefined ? dark : 2 * red + 5 * green + blue < 1024
  if (now !== dark && chart.asked !== now) send("theme", now)
  chart.asked = now === dark ? undefined : now
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!charts.has(parentElement)) charts.set(parentElement, create(parentElement))
  const chart = charts.get(parentElement)
  const { figure, height, alt, clickable, version, dark, about } = data
  Object.assign(chart, { figure, height, clickable, version, send: setTriggerValue, text: JSON.stringify(figure) + height })
  chart.plot.style.height = `${height}px`
  chart.plot.setAttribute("aria-label", alt)
  chart.plot.explorerAbout = about
  followTheme(chart, dark, chart.plot, setTriggerValue)
  draw(chart)
  return () => destroy(parentElement)
}
