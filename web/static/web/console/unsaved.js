// Asks before the person leaves a form with unsaved input, or one that was returned with errors.
const form = document.querySelector("form[data-unsaved]")
let dirty = Boolean(document.getElementById("wrong"))
const note = ({ target }) => (dirty ||= !target.matches("[data-choices]"))
form?.addEventListener("input", note)
form?.addEventListener("change", note)
form?.addEventListener("submit", ({ submitter }) => {
  if (!submitter?.hasAttribute("data-preview")) dirty = false
})
if (form)
  addEventListener("beforeunload", (event) => {
    if (dirty) event.preventDefault()
  })
