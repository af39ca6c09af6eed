// The keyboard of the builder: moves, duplicates or removes the focused card; the focus follows it.
const cards = () => [...document.querySelectorAll("#builder .step")]
const NUDGES = { ArrowUp: "up", ArrowDown: "down", ArrowRight: "in", ArrowLeft: "out" }
const EDITS = { Delete: "remove", Backspace: "remove", d: "duplicate", w: "wrap" }
let before = "" // after g, a letter opens another page

// The focused card is determined when the edit is sent: keys may be faster than responses.
const edit = (wanted) =>
  document.dispatchEvent(
    new CustomEvent("builder:edit", {
      detail: () => ({ step: (document.activeElement.closest(".step") ?? cards()[0]).dataset.place, ...wanted }),
    }),
  )

document.addEventListener("keydown", (event) => {
  const { key, target } = event,
    typing = target.closest("input, textarea, select"),
    card = target.closest(".step .name")?.closest(".step")
  const control = event.ctrlKey || event.metaKey,
    leads = before === "g"
  before = key
  if (target.closest("dialog")) return // a dialog handles its own keys
  if (key === "Enter" && target.id === "preset" && target.value) target.form.querySelector("[name=_more]").click() // otherwise Enter saves without the new condition
  else if (control && key.toLowerCase() === "z" && !typing) document.querySelector(event.shiftKey ? "[data-redo]" : "[data-undo]")?.click()
  else if (key === "Escape") {
    const menu = document.querySelector(".menu-of[open], .found[open]")
    if (!menu) return
    menu.open = false
    menu.querySelector("summary").focus()
  } else if (!card || control || leads) return
  else if (event.altKey && NUDGES[key]) edit({ do: "nudge", where: NUDGES[key] })
  else if (event.altKey) return
  else if (EDITS[key]) edit({ do: EDITS[key] })
  else if (key === "a") card.querySelector("[data-add]").click()
  else if (key === "ArrowDown" || key === "ArrowUp") {
    const all = cards()
    all[all.indexOf(card) + (key === "ArrowDown" ? 1 : -1)]?.querySelector(".name").focus()
  } else return
  event.preventDefault()
})
