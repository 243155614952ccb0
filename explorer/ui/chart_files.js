// What a chart can be taken away as: a picture (PNG, SVG) or its numbers (CSV), made in the browser; nothing is sent anywhere.
// Travels once, behind plotly.js (see assets.py), and not with every message of a chart.

window.explorerChartFiles = (() => {
  const FONT = "Arial, Helvetica, sans-serif" // of exported pictures: there for whoever opens them
  const TITLE = 16, SUBTITLE = 12, LINE = 21, SIDE = 14, TOP = 12, FOOT = 20 // pixels

  // -- words ---------------------------------------------------------------------------------------

  const plain = (text) => String(text ?? "").replace(/<br\s*\/?>/gi, " ").replace(/<\/?(b|i|em|sub|sup|span|a)\b[^>]*>/gi, "")
    .replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&quot;/g, '"').replace(/&#x27;/g, "'").replace(/&nbsp;/g, " ").replace(/&amp;/g, "&").trim()
  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;")
  const slug = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 80)
  const fileName = ({ title, of }) => [title, of].map(slug).filter(Boolean).join("_") || "chart"

  // -- numbers -------------------------------------------------------------------------------------

  const axisOf = (layout, trace, letter) => layout[`${letter}axis${(trace[`${letter}axis`] ?? letter).slice(1)}`] ?? {}
  const isPercent = (axis) => /%$/.test(axis.tickformat ?? "")

  // What a column is headed: the axis title, unit included; null for an axis that is not shown and has no words in layout.meta.
  function heading(layout, trace, letter) {
    const axis = axisOf(layout, trace, letter)
    if (axis.visible === false) return layout.meta?.[letter] ?? null
    const words = plain(axis.title?.text ?? axis.title) || layout.meta?.[letter] || letter
    return isPercent(axis) && !words.includes("%") ? `${words} (%)` : words
  }

  // A share on an axis labelled in percent, as the axis says it.
  function asShown(value, axis) {
    if (typeof value !== "number") return typeof value === "string" ? plain(value) : value
    return isPercent(axis) ? Number((100 * value).toPrecision(12)) : value
  }

  const positions = (trace, letter, count) =>
    trace[letter] ?? Array.from({ length: count }, (_, i) => (trace[`${letter}0`] ?? 0) + i * (trace[`d${letter}`] ?? 1))

  function points(trace, layout) {
    const count = (trace.y ?? trace.x ?? []).length
    const x = positions(trace, "x", count), y = positions(trace, "y", count)
    const rows = []
    for (let i = 0; i < count; i++) {
      if (x[i] == null || y[i] == null) continue
      const row = new Map()
      for (const [letter, values] of [["x", x], ["y", y]]) {
        const head = heading(layout, trace, letter), axis = axisOf(layout, trace, letter)
        if (head === null) continue
        row.set(head, asShown(values[i], axis))
        const bars = trace[`error_${letter}`]
        if (bars?.array) row.set(`${head}, upper error`, asShown(bars.array[i], axis)).set(`${head}, lower error`, asShown((bars.arrayminus ?? bars.array)[i], axis))
      }
      rows.push(detailed(row, trace.customdata?.[i] ?? spoken(trace, i), layout))
    }
    return rows
  }

  function cells(trace, layout) {
    const z = plain(trace.colorbar?.title?.text) || layout.meta?.z || "value"
    return trace.z.flatMap((line, r) => line.map((value, c) => value == null ? null : detailed(new Map([
      [heading(layout, trace, "x") ?? "x", asShown(positions(trace, "x", line.length)[c], {})],
      [heading(layout, trace, "y") ?? "y", asShown(positions(trace, "y", trace.z.length)[r], {})],
      [z, asShown(value, { tickformat: layout.meta?.zformat })],
    ]), trace.customdata?.[r]?.[c], layout))).filter(Boolean)
  }

  // Words that belong to a point and are no label beside it: what hovering says, or what is written into a bar.
  const spoken = (trace, i) => (Array.isArray(trace.text) && !/text/.test(trace.mode ?? "") ? trace.text[i] : undefined)

  // What belongs to a point beside its place: an epoch, a run, a share. Its heading is in layout.meta.detail.
  function detailed(row, detail, layout) {
    if (["number", "string"].includes(typeof detail)) row.set(layout.meta?.detail ?? "detail", asShown(detail, {}))
    return row
  }

  // Marks that only repeat or adorn another trace of the same name say nothing new.
  const adorns = (trace, all) => trace.hoverinfo === "skip" && all.some((other) => other !== trace && other.name === trace.name && other.hoverinfo !== "skip")

  // The plotted numbers, a point a row: header and rows of cells. Hidden lines are left out.
  function table({ data, layout }) {
    const shown = data.filter((trace) => trace.visible !== false && trace.visible !== "legendonly" && !adorns(trace, data))
    const rows = shown.flatMap((trace) => (trace.z ? cells : points)(trace, layout).map((row) => [plain(trace.name), row]))
    const heads = [...new Set(rows.flatMap(([, row]) => [...row.keys()]))]
    const named = rows.some(([name]) => name)
    return [[...(named ? ["trace"] : []), ...heads], ...rows.map(([name, row]) => [...(named ? [name] : []), ...heads.map((head) => row.get(head))])]
  }

  // Text that a spreadsheet would take for a formula is marked as text.
  function cell(value) {
    if (value == null) return ""
    const text = typeof value === "string" && /^[=+\-@]/.test(value) ? `'${value}` : String(value)
    return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text
  }

  const csv = (figure) => table(figure).map((row) => row.map(cell).join(",")).join("\n") + "\n"

  function saveCsv(gd) {
    const link = document.createElement("a")
    link.href = URL.createObjectURL(new Blob([csv(gd)], { type: "text/csv;charset=utf-8" }))
    link.download = `${fileName(gd.explorerAbout)}.csv`
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 10000)
  }

  // -- pictures ------------------------------------------------------------------------------------

  function wrapped(text, width) {
    const pen = document.createElement("canvas").getContext("2d")
    pen.font = `600 ${TITLE}px ${FONT}`
    const lines = [""]
    for (const word of text.split(/\s+/)) {
      const longer = `${lines.at(-1)} ${word}`.trim()
      if (lines.at(-1) && pen.measureText(longer).width > width) lines.push(word)
      else lines[lines.length - 1] = longer
    }
    return lines
  }

  // The chart as it is seen now, zoom included, under its title and on the page's own ground.
  function pictured({ data, layout, explorerAbout: { title, of, background, text } }) {
    const lines = wrapped(title, layout.width - 2 * SIDE), foot = named(layout)
    const room = TOP + LINE * lines.length + (of ? LINE : 0)
    const head = lines.map((line) => `<b>${escaped(line)}</b>`).join("<br>")
    const below = of ? `<br><span style="font-size:${SUBTITLE}px">${escaped(of)}</span>` : ""
    const height = layout.height + room + foot.room, margin = layout.margin ?? {}
    return {
      data,
      layout: { ...layout, ...foot.axes, height, margin: { ...margin, t: (margin.t ?? 0) + room, b: (margin.b ?? 0) + foot.room },
        paper_bgcolor: background, plot_bgcolor: background, font: { ...layout.font, family: FONT },
        title: { text: head + below, automargin: false, x: SIDE / layout.width, xref: "container", xanchor: "left",
          y: 1 - TOP / height, yref: "container", yanchor: "top", font: { family: FONT, size: TITLE, color: text } } },
    }
  }

  // An x axis that shares its title with a chart below it needs one of its own when it goes alone.
  function named({ xaxis, meta }) {
    if (!meta?.x || !xaxis || xaxis.visible === false || xaxis.title?.text) return { room: 0, axes: {} }
    return { room: FOOT, axes: { xaxis: { ...xaxis, title: { ...xaxis.title, text: meta.x } } } }
  }

  function savePicture(gd, format) {
    const figure = pictured(gd)
    const { width, height } = figure.layout
    return window.Plotly.downloadImage(figure, { format, width, height, scale: format === "png" ? 2 : 1, filename: fileName(gd.explorerAbout) })
  }

  // -- buttons -------------------------------------------------------------------------------------

  const icon = (word) => ({ svg: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 14" class="icon"><text x="15" y="11.5" text-anchor="middle">${word}</text></svg>` })
  const button = (word, title, click) => ({ name: `as ${word}`, title, icon: icon(word), click })

  const buttons = [
    button("PNG", "Download the picture as PNG", (gd) => savePicture(gd, "png")),
    button("SVG", "Download the picture as SVG", (gd) => savePicture(gd, "svg")),
    button("CSV", "Download the plotted numbers as CSV", saveCsv),
  ]

  return { buttons, csv, table, pictured, fileName }
})()
