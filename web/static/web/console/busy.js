// Forms with a slow response: shows that they are busy, prevents a second submit, and sends a long text as a file.
function attach(form) {
  const area = form.querySelector("textarea[data-large]")
  if (!area || area.value.length < 48000) return
  const file = form.elements[area.dataset.large]
  if (file.files.length) return
  const parcel = new DataTransfer()
  parcel.items.add(new File([area.value], "blueprint.yaml", { type: "application/yaml" }))
  file.files = parcel.files
  area.disabled = true
}
for (const form of document.querySelectorAll("form[data-busy]"))
  form.addEventListener("submit", (event) => {
    if (form.classList.contains("busy")) return event.preventDefault()
    attach(form)
    form.classList.add("busy")
    form.setAttribute("aria-busy", "true")
    const button = event.submitter ?? form.querySelector("button")
    const said = document.createElement("span")
    said.setAttribute("role", "status")
    said.className = "working"
    button.after(said)
    said.textContent = button.dataset.busy ?? form.dataset.busy
  })
// A page restored from the browser's cache is not busy.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload())
