// For every page of the console: times in the reader's time zone, keyboard shortcuts, row selection, the menu of a narrow screen.
document.documentElement.classList.add("ready")

const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" })
const exact = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "long" })
const UNITS = [
  ["year", 31536000],
  ["month", 2592000],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
]

function tellTimes(root = document) {
  for (const each of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(each.dateTime),
      seconds = (moment - Date.now()) / 1000
    if (isNaN(moment)) continue
    const [unit, size] = UNITS.find(([, least]) => Math.abs(seconds) >= least) ?? ["second", 1]
    each.textContent = relative.format(Math.round(seconds / size), unit)
    each.title = exact.format(moment)
  }
}

let waiting = ""
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable], dialog")) return
  const link = waiting === "g" && document.querySelector(`#nav a[data-key="${CSS.escape(event.key)}"]`)
  if (link) link.click()
  else if (event.key === "/") document.querySelector("[data-search]")?.focus()
  else if (event.key === "?") document.getElementById("keys").showModal()
  if (event.key === "/") event.preventDefault()
  waiting = event.key
})

function count(form) {
  const boxes = [...form.querySelectorAll("input[name=key]")]
  const chosen = boxes.filter((each) => each.checked).length
  form.classList.toggle("some", chosen > 0)
  const words = form.querySelector("[data-count]")
  if (words && chosen) words.textContent = words.dataset.count.replace("{n}", chosen.toLocaleString(document.documentElement.lang))
}
document.addEventListener("change", ({ target }) => {
  const form = target.closest("#rows form")
  if (!form) return
  if (target.matches("[data-all]")) for (const each of form.querySelectorAll("input[name=key]")) each.checked = target.checked
  count(form)
})

// Filters long lists of choices; hidden choices stay selected. Enter does not submit the form.
document.addEventListener("input", ({ target }) => {
  if (!target.matches("[data-choices]")) return
  for (const each of target.parentNode.querySelectorAll(".check"))
    each.hidden = !each.textContent.toLowerCase().includes(target.value.toLowerCase())
})
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("[data-choices]")) event.preventDefault()
})
const searchable = () => document.querySelectorAll("[data-choices]").forEach((each) => (each.hidden = false))
document.addEventListener("htmx:afterSettle", searchable)
searchable()

const menu = document.querySelector(".menu"),
  nav = document.getElementById("nav")
const unfold = (open) => menu.setAttribute("aria-expanded", nav.classList.toggle("open", open))
menu?.addEventListener("click", () => unfold())
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || !nav.classList.contains("open") || document.querySelector("dialog[open]")) return
  unfold(false)
  menu.focus()
})
document.querySelector("[data-keys]")?.addEventListener("click", () => document.getElementById("keys").showModal())

// Announces the text of a swapped part of the page, once no further swap follows within half a second.
let announcing = 0
function announce(text) {
  const announcer = document.getElementById("announcer")
  announcer.textContent = ""
  clearTimeout(announcing)
  announcing = setTimeout(() => (announcer.textContent = text), 500)
}

document.addEventListener("htmx:afterSwap", ({ target }) => {
  tellTimes(target.parentNode ?? document)
  if (target.dataset?.announce) announce(target.dataset.announce)
})
tellTimes()
setInterval(() => tellTimes(), 30000)
