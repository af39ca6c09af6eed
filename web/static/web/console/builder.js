// The builder at work: each edit is posted in its turn, and the new drawing put in the place of the old one; undo, and what is said aloud.
const said = document.getElementById("said")
const bench = () => document.getElementById("builder")
const base = () => document.querySelector("#edit [name=_base]")?.value
const told = [{ base: base(), said: "" }] // this sitting's documents, oldest first; "at" is the one that is shown
let at = 0,
  dirty = false,
  typed = false,
  last = Promise.resolve()

const say = (text, loud = false, again = false) => {
  said.className = loud ? "notice bad" : "hidden"
  said.textContent = ""
  requestAnimationFrame(() => {
    said.textContent = text
    if (again) said.append(" ", signIn())
  })
}
const signIn = () => {
  const { signIn: words, signInUrl: url } = bench().dataset
  return Object.assign(document.createElement("a"), { href: url, textContent: words, target: "_blank", rel: "opener" })
}
const next = (job) => (last = last.then(job).catch((error) => say(error.message, true, error.again)))

async function fetched(url, options = {}) {
  bench().setAttribute("aria-busy", "true")
  try {
    const answer = await fetch(url, { ...options, headers: { "X-Builder": "1" } }),
      text = await answer.text()
    if (answer.status === 401) throw Object.assign(new Error(bench().dataset.ended), { again: true })
    if (!/^\s*<div id="builder"/.test(text)) throw new Error(`${bench().dataset.lost} (${answer.status})`)
    return document.importNode(new DOMParser().parseFromString(text, "text/html").getElementById("builder"), true)
  } finally {
    bench().removeAttribute("aria-busy")
  }
}

function show(made, { focus = [], remember = true } = {}) {
  const old = bench(),
    kept = window.scrollY,
    side = document.getElementById("panel").scrollTop
  const same = old.dataset.opened === made.dataset.opened,
    before = held(old, made)
  old.replaceWith(made)
  dirty = false
  typed = Boolean(made.querySelector('#panel [aria-invalid="true"]')) // it came back with mistakes
  clearTimeout(counting)
  for (const name of ["afterSwap", "afterSettle"]) made.dispatchEvent(new CustomEvent(`htmx:${name}`, { bubbles: true })) // as htmx says it: for times and rows
  window.scrollTo({ top: kept, behavior: "instant" })
  if (same) document.getElementById("panel").scrollTop = side
  if (remember && base() !== told[at].base) told.splice(++at, Infinity, { base: base(), said: made.dataset.said })
  ready()
  history.replaceState(null, "", `?${/^\d/.test(made.dataset.opened) ? "at" : "open"}=${made.dataset.opened}`)
  land([].concat(focus, before), made)
  if (made.dataset.said) say(made.dataset.said)
}

// The focus never falls out of the builder: to the first of these that takes it; where none does, to a card, to a gap, to the panel.
function land(wanted, made) {
  const fallback = [".name", ".gap", "#panel"]
  for (const each of [...(made.dataset.moved === undefined ? wanted : [".moved a"]), ...fallback]) {
    const target = each === "panel" ? first(made) : each ? made.querySelector(each) : null
    target?.focus()
    if (target && document.activeElement === target) return
  }
}

// Where one was before the drawing was replaced, as selectors of the new one: the same button, the same card, what is new in its place.
function held(old, made) {
  const here = document.activeElement,
    places = (root) => new Map([...root.querySelectorAll(".step")].map((each) => [each.dataset.id, each.dataset.place]))
  if (here.closest("[data-undo], [data-redo]"))
    return here.matches("[data-undo]") ? ["[data-undo]", "[data-redo]"] : ["[data-redo]", "[data-undo]"]
  const was = here.closest(".step")?.dataset ?? met,
    now = places(made),
    then = places(old)
  const fresh = [...now].find(([id]) => !then.has(id))?.[1]
  return [fresh, now.get(was?.id), was?.place].map(card)
}
let met // the card that had the focus last: what was done beside the drawing is about it
document.addEventListener("focusin", ({ target }) => {
  met = target.closest?.("#builder .step")?.dataset ?? met
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
    redo.disabled = at + 1 === told.length
  }
  if (search) search.hidden = false
}

// Posts an edit; what was typed into the settings beside it is saved first.
function edit(wanted, focus, done) {
  const goes = settled()
  next(async () => {
    const what = typeof wanted === "function" ? wanted() : wanted
    if (!what || !goes()) return
    const data = new FormData(document.getElementById("edit")),
      here = document.activeElement.closest(".step")?.dataset.place
    data.set("_edit", JSON.stringify(what))
    const made = await fetched(document.getElementById("edit").action, { method: "POST", body: data })
    done?.()
    show(made, { focus: focus ?? [card(made.dataset.at || here)] })
  })
}

// What was typed beside the drawing goes first; where that is wrong, nothing else is done before it is mended.
function settled() {
  if (!dirty) return () => true
  submit(document.getElementById("step-form"))
  return () => !document.querySelector('#panel [aria-invalid="true"]') && bench().dataset.moved === undefined
}

function submit(form, button) {
  const data = new FormData(form, button?.name ? button : undefined),
    url = form.action,
    beside = form.closest("#panel") && "panel"
  if (button?.name === "_more") data.set("_zone", Intl.DateTimeFormat().resolvedOptions().timeZone ?? "") // a new condition's time zone
  next(async () => {
    const made = await fetched(url, { method: "POST", body: data })
    const more = button?.name === "_more" || button?.name === "_less",
      wrong = made.querySelector('#panel [aria-invalid="true"]')
    show(made, { focus: wrong ? "panel" : more ? [] : [card(made.dataset.at), beside] })
    if (more) ([...made.querySelectorAll(".condition")].at(-1)?.querySelector(FIELD) ?? made.querySelector("#preset")).focus()
    dirty = more
    typed ||= more
  })
}

function travel(step) {
  const words = document.querySelector(step < 0 ? "[data-undo]" : "[data-redo]")?.textContent
  edit(
    () => {
      const target = told[at + step]
      if (!target || bench().dataset.moved !== undefined) return null
      return { do: "replace", document: JSON.parse(target.base), said: `${words}: ${told[step < 0 ? at : at + 1].said}`.slice(0, 300) }
    },
    [],
    () => (at += step),
  )
}

const place = () => (matchMedia("(pointer: coarse)").matches ? "#panel" : "panel") // by touch no keyboard is called up unasked

function open(link, focus = place()) {
  const url = new URL(link.href),
    goes = settled()
  next(async () => {
    if (!goes()) return
    show(await fetched(url), { focus })
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
  } else if (target.closest("[data-undo]")) travel(-1)
  else if (target.closest("[data-redo]")) travel(1)
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

// Stages by their words, all in one list, those first whose names have them; without words each is back in its section.
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
      say(found.length === 0 ? none.textContent : found.length === 1 ? none.dataset.one : none.dataset.many.replace("{n}", found.length)),
    500,
  )
}
document.addEventListener("builder:edit", ({ detail }) => edit(detail)) // from the modules for keys and for dragging

addEventListener("beforeunload", (event) => {
  if (typed || bench().dataset.moved !== undefined) event.preventDefault()
})
ready()
