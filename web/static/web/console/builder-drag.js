// Drags cards and palette entries by mouse and by touch. All gaps are open meanwhile; a drop goes to the nearest one.
const FAR = 6,
  EDGE = 56
let drag = null

const nearest = (x, y) => {
  let best = null,
    least = Infinity
  for (const gap of document.querySelectorAll("#builder .definition .gap[data-to]")) {
    if (gap.closest(".taken + .lanes")) continue
    const box = gap.getBoundingClientRect()
    const aside = Math.max(box.left - x, 0, x - box.right),
      away = Math.abs((box.top + box.bottom) / 2 - y)
    if (aside * 3 + away < least) [best, least] = [gap, aside * 3 + away]
  }
  return least < 400 ? best : null
}

function begin(event) {
  const { source } = drag,
    box = source.getBoundingClientRect()
  drag.ghost = document.createElement("div")
  drag.ghost.className = "ghost step"
  drag.ghost.append(
    source.querySelector(".icon").cloneNode(true),
    (source.querySelector(".what") ?? source.querySelector("b")).cloneNode(true),
  )
  drag.ghost.setAttribute("aria-hidden", "true")
  document.body.append(drag.ghost)
  drag.offset = [Math.min(drag.x - box.left, 260), drag.y - box.top]
  if (source.matches(".step")) source.classList.add("taken")
  document.documentElement.classList.add("dragging")
  drag.source.setPointerCapture?.(event.pointerId)
}

function follow() {
  if (!drag?.ghost) return
  const { x, y } = drag.now
  drag.ghost.style.transform = `translate(${x - drag.offset[0]}px, ${y - drag.offset[1]}px)`
  if (y < EDGE || y > innerHeight - EDGE) window.scrollBy(0, y < EDGE ? -12 : 12)
  const target = nearest(x, y)
  if (target !== drag.target) {
    drag.target?.classList.remove("target")
    target?.classList.add("target")
    drag.target = target
  }
  drag.frame = requestAnimationFrame(follow)
}

function end(drop) {
  if (!drag) return
  const { source, ghost, target } = drag
  cancelAnimationFrame(drag.frame)
  drag = null
  if (!ghost) return
  ghost.remove()
  source.classList.remove("taken")
  target?.classList.remove("target")
  document.documentElement.classList.remove("dragging")
  // The click event after a drag opens nothing.
  addEventListener(
    "click",
    (event) => {
      event.preventDefault()
      event.stopPropagation()
    },
    { capture: true, once: true, signal: AbortSignal.timeout(50) },
  )
  if (!drop || !target) return
  const { to: at, lane } = target.dataset,
    { what, name, place } = source.dataset
  const detail = place ? { do: "move", step: place, at, lane } : { do: "add", what, name, at, lane }
  document.dispatchEvent(new CustomEvent("builder:edit", { detail }))
}

document.addEventListener("pointerdown", (event) => {
  const grip = event.target.closest(".grip"),
    source = event.target.closest("#builder .step, #builder [data-what]")
  if (!source || event.button || event.target.closest(".menu-of, .summary a")) return
  if (event.pointerType !== "mouse" && source.matches(".step") && !grip) return // by touch, only the grip drags; the card scrolls
  drag = { source, x: event.clientX, y: event.clientY, now: { x: event.clientX, y: event.clientY }, target: null }
})
document.addEventListener("pointermove", (event) => {
  if (!drag) return
  drag.now = { x: event.clientX, y: event.clientY }
  if (drag.ghost || Math.hypot(drag.now.x - drag.x, drag.now.y - drag.y) < FAR) return
  begin(event)
  follow()
})
document.addEventListener("pointerup", () => end(true))
document.addEventListener("pointercancel", () => end(false))
document.addEventListener("dragstart", (event) => {
  if (event.target.closest("#builder")) event.preventDefault()
})
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && drag?.ghost) {
    event.preventDefault()
    end(false)
  }
})
