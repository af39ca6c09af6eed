// Event streams of the server: the live feed, and parts of a page that are fetched again after an event.
const clock = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "medium", hourCycle: "h23" })
const day = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "full", timeStyle: "long" })

// Resumes after a lost connection. The browser reconnects itself, but not after a refused request; then this function retries.
// A hidden tab does not listen: over HTTP/1.1 a browser opens six connections to a server, for all of its tabs.
function listen(address, hears, report = () => {}) {
  let stream,
    timer,
    last = "",
    pause = 2000
  const begin = () => {
    clearTimeout(timer)
    stream?.close()
    if (document.hidden) return
    const url = new URL(address, location)
    if (last) url.searchParams.set("after", last)
    stream = new EventSource(url)
    stream.onopen = () => {
      pause = 2000
      report("live")
    }
    stream.onerror = () => {
      report("lost")
      if (stream.readyState !== EventSource.CLOSED) return
      timer = setTimeout(begin, pause)
      pause = Math.min(pause * 2, 60000)
    }
    for (const [name, hear] of Object.entries(hears))
      stream.addEventListener(name, (event) => {
        last = event.lastEventId || last
        hear(event)
      })
  }
  begin()
  document.addEventListener("visibilitychange", begin)
  addEventListener("pagehide", () => stream?.close())
  addEventListener("pageshow", ({ persisted }) => persisted && begin())
}

const feed = document.getElementById("feed")
if (feed) {
  const most = Number(feed.dataset.most),
    state = document.getElementById("link"),
    held = document.getElementById("held"),
    pause = document.getElementById("pause")
  const leftOut = document.getElementById("left-out"),
    nothing = document.getElementById("nothing"),
    words = pause.textContent
  let waiting = [],
    missed = 0,
    paused = false,
    frame = 0,
    line = ""

  // The queue holds no more rows than the page shows: older ones would be removed immediately.
  const take = (event) => {
    waiting.push(event)
    if (waiting.length > most) missed += waiting.splice(0, waiting.length - most).length
    frame ||= requestAnimationFrame(render)
  }
  const render = () => {
    frame = 0
    update()
    if (paused || !waiting.length) return
    const rows = document.createDocumentFragment()
    for (const event of waiting.reverse()) rows.append(row(JSON.parse(event)))
    waiting = []
    for (let over = feed.children.length + rows.children.length - most; over > 0; over--) feed.lastElementChild.remove()
    feed.prepend(rows)
    nothing.hidden = true
  }
  const update = () => {
    leftOut.hidden = !missed
    leftOut.textContent =
      missed === 1 ? leftOut.dataset.one : leftOut.dataset.many.replace("{n}", missed.toLocaleString(document.documentElement.lang))
    const shown = paused ? "paused" : line
    held.textContent = paused && waiting.length ? `(${waiting.length})` : ""
    if (state.classList.contains(shown)) return // announced once, not for every row
    state.className = `link-state muted ${shown}`
    state.textContent = state.dataset[shown] ?? ""
  }
  const element = (name, text, url) => {
    const found = document.createElement(url ? "a" : name)
    found.textContent = text
    if (url) found.href = url
    return found
  }
  const moment = (at) => {
    const found = element("time", clock.format(new Date(at)))
    found.title = day.format(new Date(at))
    return found
  }
  const row = ({ at, sentence }) => {
    const found = document.createElement("li"),
      said = document.createElement("span")
    if (sentence.tone) found.className = sentence.tone
    said.className = "said"
    said.append(...sentence.parts.map(([text, url]) => element("bdi", text, url)))
    found.append(moment(at), said)
    if (sentence.about.length) found.append(Object.assign(element("span", ...sentence.about), { className: "of" }))
    return found
  }

  for (const time of feed.querySelectorAll("time")) time.replaceWith(moment(time.dateTime))
  pause.hidden = false
  pause.addEventListener("click", () => {
    paused = !paused
    pause.setAttribute("aria-pressed", paused)
    pause.textContent = paused ? pause.dataset.go : words
    render()
  })
  listen(
    feed.dataset.stream,
    {
      event: ({ data }) => take(data),
      "left-out": ({ data }) => {
        missed += JSON.parse(data).count
      },
    },
    (now) => {
      line = now
      update()
    },
  )
}

const FOCUSED = "a, button, summary, [tabindex]"
for (const part of document.querySelectorAll("[data-changes]")) {
  const every = Number(part.dataset.every ?? 300)
  let next = 0,
    timer = 0
  const renew = () => {
    timer ||= setTimeout(fetchAnew, Math.max(0, next - Date.now()))
  }
  const fetchAnew = async () => {
    next = Date.now() + every
    timer = 0
    const response = await fetch(location, { headers: { Accept: "text/html" } }).catch(() => null)
    if (!response?.ok || response.redirected) return
    // Without its style element: its nonce is not the one of this page, so the policy would report it.
    const page = new DOMParser().parseFromString((await response.text()).replace(/<style[^]*?<\/style>/g, ""), "text/html")
    const there = page.getElementById(part.id),
      here = document.getElementById(part.id)
    if (!there) return
    const focus = [...here.querySelectorAll(FOCUSED)].indexOf(document.activeElement),
      open = here.querySelector("details")?.open
    here.replaceChildren(...there.childNodes)
    if (open) here.querySelector("details")?.setAttribute("open", "")
    if (focus >= 0) here.querySelectorAll(FOCUSED)[focus]?.focus({ preventScroll: true })
    document.dispatchEvent(new CustomEvent("htmx:afterSwap", { bubbles: true }))
  }
  listen(part.dataset.changes, { changed: renew, event: renew }, (now) => {
    if (now === "live" && next) renew()
    next ||= 1
  })
}
