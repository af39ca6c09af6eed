// Updates the preview of a form during input; without scripts the button beside "Save" does.
const button = document.querySelector("[data-preview]")
let waiting
button?.form.addEventListener("input", () => {
  clearTimeout(waiting)
  waiting = setTimeout(() => button.form.requestSubmit(button), 400)
})
