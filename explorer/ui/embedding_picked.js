// Tells the map on this page what is picked, apart from the points: they are heavy, and stay as they are.

export default function ({ data }) {
  window.explorerPicked = data
  window.dispatchEvent(new Event("explorer-picked"))
}
