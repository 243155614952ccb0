// Two things a button's shortcut cannot do: a key that is held down counts once, and L leads to the list of labels.

const TYPING = "input, textarea, select, [contenteditable]:not([contenteditable='false'])"

function typing(event) {
  return event.composedPath().some((node) => node.matches?.(TYPING))
}

function onkey(event, held, list) {
  if (typing(event) || event.ctrlKey || event.metaKey || event.altKey) return
  const key = event.key.toLowerCase()
  if (event.repeat && held.includes(key)) {
    event.preventDefault()
    event.stopImmediatePropagation()
  } else if (key === "l" && list) {
    const field = document.querySelector(`.st-key-${list} input`)
    if (!field) return
    event.preventDefault()
    field.focus()
    field.click()
  }
}

export default function ({ data }) {
  const listen = (event) => onkey(event, data.held, data.list)
  window.addEventListener("keydown", listen, true) // before the shortcuts, which listen on the document
  return () => window.removeEventListener("keydown", listen, true)
}
