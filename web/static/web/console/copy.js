// Copies the text of the element that a button names; selects it if the clipboard is not available (plain http).
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy)
    if (navigator.clipboard) await navigator.clipboard.writeText(source.textContent)
    else getSelection().selectAllChildren(source)
    button.textContent = navigator.clipboard ? button.dataset.copied : button.dataset.selected
  })
}
