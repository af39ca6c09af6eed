// The flow builder: posts one edit after the other, replaces the page with each response, and offers undo and redo.
// The live region #said announces each change.
const status = document.getElementById("said")
const builder = () => document.getElementById("builder")
const base = () => document.querySelector("#edit [name=_base]")?.value
const documents = [{ base: base(), notice: "" }] // the documents since the page was loaded, oldest first; "at" is the current one
let at = 0,
  dirty = false,
  typed = false,
  last = Promise.resolve()

const announce = (text, loud = false, again = false) => {
  status.className = loud ? "notice bad" : "hidden"
  status.textContent = ""
  requestAnimationFrame(() => {
    status.textContent = text
    if (again) status.append(" ", signIn())
  })
}
const signIn = () => {
  const { signIn: words, signInUrl: url } = builder().dataset
  return Object.assign(document.createElement("a"), { href: url, textContent: words, target: "_blank", rel: "opener" })
}
const next = (job) => (last = last.then(job).catch((error) => announce(error.message, true, error.again)))

async function fetchBuilder(url, options = {}) {
  builder().setAttribute("aria-busy", "true")
  try {
    const response = await fetch(url, { ...options, headers: { "X-Builder": "1" } }),
      text = await response.text()
    if (response.status === 401) throw Object.assign(new Error(builder().dataset.ended), { again: true })
    if (!/^\s*<div id="builder"/.test(text)) throw new Error(`${builder().dataset.lost} (${response.status})`)
    return document.importNode(new DOMParser().parseFromString(text, "text/html").getElementById("builder"), true)
  } finally {
    builder().removeAttribute("aria-busy")
  }
}

function show(made, { focus = [], remember = true } = {}) {
  const old = builder(),
    scrollTop = window.scrollY,
    side = document.getElementById("panel").scrollTop
  const same = old.dataset.opened === made.dataset.opened,
    before = previousFocus(old, made)
  old.replaceWith(made)
  dirty = false
  typed = Boolean(made.querySelector('#panel [aria-invalid="true"]')) // the form has errors
  clearTimeout(counting)
  for (const name of ["afterSwap", "afterSettle"]) made.dispatchEvent(new CustomEvent(`htmx:${name}`, { bubbles: true })) // the events of htmx, for console.js and rows.js
  window.scrollTo({ top: scrollTop, behavior: "instant" })
  if (same) document.getElementById("panel").scrollTop = side
  if (remember && base() !== documents[at].base) documents.splice(++at, Infinity, { base: base(), notice: made.dataset.said })
  ready()
  history.replaceState(null, "", `?${/^\d/.test(made.dataset.opened) ? "at" : "open"}=${made.dataset.opened}`)
  restoreFocus([].concat(focus, before), made)
  if (made.dataset.said) announce(made.dataset.said)
}

// Moves the focus to the first of the selectors that takes it, else to a card, a gap or the panel, so that it stays in the builder.
function restoreFocus(requested, made) {
  const fallback = [".name", ".gap", "#panel"]
  for (const each of [...(made.dataset.moved === undefined ? requested : [".moved a"]), ...fallback]) {
    const target = each === "panel" ? first(made) : each ? made.querySelector(each) : null
    target?.focus()
    if (target && document.activeElement === target) return
  }
}

// Returns selectors for the focus after the replacement: the same button, else a new card, the same card, or the card now in its place.
function previousFocus(old, made) {
  const here = document.activeElement,
    places = (root) => new Map([...root.querySelectorAll(".step")].map((each) => [each.dataset.id, each.dataset.place]))
  if (here.closest("[data-undo], [data-redo]"))
    return here.matches("[data-undo]") ? ["[data-undo]", "[data-redo]"] : ["[data-redo]", "[data-undo]"]
  const was = here.closest(".step")?.dataset ?? lastCard,
    now = places(made),
    then = places(old)
  const fresh = [...now].find(([id]) => !then.has(id))?.[1]
  return [fresh, now.get(was?.id), was?.place].map(card)
}
let lastCard // the card that had the focus last: edits in the panel apply to it
document.addEventListener("focusin", ({ target }) => {
  lastCard = target.closest?.("#builder .step")?.dataset ?? lastCard
})

const FIELD = ":is([data-filter], input:not([type=hidden]), select, textarea)"
const first = (made) => made.querySelector('#panel [aria-invalid="true"]') ?? made.querySelector(`#panel ${FIELD}`)
const card = (place) => place && `[data-place="${place}"] .name`

function ready() {
  const undo = document.querySelector("[data-undo]"),
    redo = document.querySelector("[data-redo]"),
    search = document.querySelector("[data-filter]")
  if (undo) {
    undo.parentNode.hidden = false
    undo.disabled = at === 0
    redo.disabled = at + 1 === documents.length
  }
  if (search) search.hidden = false
}

// Posts an edit, after unsaved settings in the panel.
function edit(requested, focus, done) {
  const mayContinue = saveSettings()
  next(async () => {
    const what = typeof requested === "function" ? requested() : requested
    if (!what || !mayContinue()) return
    const data = new FormData(document.getElementById("edit")),
      here = document.activeElement.closest(".step")?.dataset.place
    data.set("_edit", JSON.stringify(what))
    const made = await fetchBuilder(document.getElementById("edit").action, { method: "POST", body: data })
    done?.()
    show(made, { focus: focus ?? [card(made.dataset.at || here)] })
  })
}

// Submits unsaved settings. Returns a function: whether they were saved. If not, the next edit is dropped, so that the errors stay visible.
function saveSettings() {
  if (!dirty) return () => true
  submit(document.getElementById("step-form"))
  return () => !document.querySelector('#panel [aria-invalid="true"]') && builder().dataset.moved === undefined
}

function submit(form, button) {
  const data = new FormData(form, button?.name ? button : undefined),
    url = form.action,
    beside = form.closest("#panel") && "panel"
  if (button?.name === "_more") data.set("_zone", Intl.DateTimeFormat().resolvedOptions().timeZone ?? "") // the time zone for a new condition
  next(async () => {
    const made = await fetchBuilder(url, { method: "POST", body: data })
    const more = button?.name === "_more" || button?.name === "_less",
      wrong = made.querySelector('#panel [aria-invalid="true"]')
    show(made, { focus: wrong ? "panel" : more ? [] : [card(made.dataset.at), beside] })
    if (more) ([...made.querySelectorAll(".condition")].at(-1)?.querySelector(FIELD) ?? made.querySelector("#preset")).focus()
    dirty = more
    typed ||= more
  })
}

function undoOrRedo(step) {
  const words = document.querySelector(step < 0 ? "[data-undo]" : "[data-redo]")?.textContent
  edit(
    () => {
      const target = documents[at + step]
      if (!target || builder().dataset.moved !== undefined) return null
      return {
        do: "replace",
        document: JSON.parse(target.base),
        said: `${words}: ${documents[step < 0 ? at : at + 1].notice}`.slice(0, 300),
      }
    },
    [],
    () => (at += step),
  )
}

const place = () => (matchMedia("(pointer: coarse)").matches ? "#panel" : "panel") // on touch screens, a focused input opens the keyboard

function open(link, focus = place()) {
  const url = new URL(link.href),
    mayContinue = saveSettings()
  next(async () => {
    if (!mayContinue()) return
    show(await fetchBuilder(url), { focus })
    if (matchMedia("(max-width: 63.99rem)").matches) document.getElementById("panel").scrollIntoView({ block: "start" })
  })
}

document.addEventListener("click", (event) => {
  const { target } = event,
    link = target.closest("a[data-open]"),
    button = target.closest("#builder button[name=_edit][form=edit]")
  for (const menu of document.querySelectorAll(".menu-of[open], .found[open]")) if (!menu.contains(target)) menu.open = false
  if (event.ctrlKey || event.metaKey || event.shiftKey) return
  if (link) {
    event.preventDefault()
    open(link, link.closest(".found") ? card(new URL(link.href).searchParams.get("at")) || place() : place())
  } else if (button) {
    event.preventDefault()
    edit(JSON.parse(button.value))
  } else if (target.closest("[data-undo]")) undoOrRedo(-1)
  else if (target.closest("[data-redo]")) undoOrRedo(1)
  else if (target.closest("[data-line]")) {
    const { line, column } = target.closest("[data-line]").dataset,
      text = document.getElementById("text")
    const start =
      text.value
        .split("\n")
        .slice(0, line - 1)
        .join("\n").length +
      (line > 1) +
      Number(column) -
      1
    text.focus()
    text.setSelectionRange(start, start + 1)
  }
})
document.addEventListener("submit", (event) => {
  if (!event.target.closest("#builder")) return
  event.preventDefault()
  submit(event.target, event.submitter)
})
document.addEventListener("input", ({ target }) => {
  if (target.matches("[data-choices]")) return
  if (target.closest("#panel form") && target.id !== "preset") typed = true
  if (target.closest("#step-form") && target.id !== "preset") dirty = true
  if (!target.matches("[data-filter]")) return
  filter(target.value.toLowerCase().split(/\s+/).filter(Boolean))
})

// Filters the palette: one list, with matches in the title first. Without a search, each stage is in its section.
let counting = 0
function filter(words) {
  const best = document.querySelector("[data-best]"),
    none = document.querySelector("[data-none]"),
    sections = [...document.querySelectorAll("[data-section]")]
  const rows = (best.all ??= [...document.querySelectorAll("[data-words]")].map((row) => [row, row.parentNode]))
  const has = (text) => words.every((word) => text.includes(word)),
    found = rows.map(([row]) => row).filter((row) => has(row.dataset.words))
  for (const [row, home] of rows) home.append(row)
  for (const section of sections) section.hidden = words.length > 0
  if (words.length)
    best.replaceChildren(...found.filter((row) => has(row.dataset.title)), ...found.filter((row) => !has(row.dataset.title)))
  best.hidden = !words.length
  none.hidden = found.length > 0
  clearTimeout(counting)
  counting = setTimeout(
    () =>
      announce(
        found.length === 0 ? none.textContent : found.length === 1 ? none.dataset.one : none.dataset.many.replace("{n}", found.length),
      ),
    500,
  )
}
document.addEventListener("builder:edit", ({ detail }) => edit(detail)) // sent by builder-keys.js and builder-drag.js

addEventListener("beforeunload", (event) => {
  if (typed || builder().dataset.moved !== undefined) event.preventDefault()
})
ready()
