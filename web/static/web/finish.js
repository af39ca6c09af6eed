// Replaces the content once the device has connected, as reported by the event stream or by polling.
const EVERY = 3000,
  AT_MOST = 300
const here = document.querySelector(".finish")
let done = !here,
  asked = 0

async function ask() {
  if (done || asked++ >= AT_MOST) return
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } })
    if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) done = true
    if (!answer.ok) return
    // Drop the style element: its nonce differs, which this page's policy would report.
    const text = (await answer.text()).replace(/<style[^]*?<\/style>/g, "")
    const page = new DOMParser().parseFromString(text, "text/html")
    const there = page.querySelector(".finish")
    if (!there) return location.reload()
    if (there.classList.contains("connected")) {
      done = true
      document.title = page.title
      here.className = there.className
      here.replaceChildren(...there.childNodes)
    }
  } catch {
    /* offline for a moment: try again */
  }
  if (done) stream?.close()
}

const stream = here && "EventSource" in window ? new EventSource(`${location.pathname}events`) : null
stream?.addEventListener("changed", ask)
stream?.addEventListener("open", ask) // catch up on changes before it was open

;(function again() {
  if (done || asked >= AT_MOST) return
  setTimeout(() => {
    if (!document.hidden && stream?.readyState !== EventSource.OPEN) ask()
    again()
  }, EVERY)
})()
