// The builder by keyboard: a card is moved, copied or removed where the focus is, and the focus goes with it.
const cards = () => [...document.querySelectorAll("#builder .step")]
const NUDGES = { ArrowUp: "up", ArrowDown: "down", ArrowRight: "in", ArrowLeft: "out" }
const EDITS = { Delete: "remove", Backspace: "remove", d: "duplicate", w: "wrap" }
let before = "" // after g a letter leads to another page

// Which card has the focus is asked when it is this edit's turn, for keys may come faster than answers.
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
  if (target.closest("dialog")) return // its keys are its own
  if (key === "Enter" && target.id === "preset" && target.value) target.form.querySelector("[name=_more]").click() // else it would save without
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
