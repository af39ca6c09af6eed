// Copies what a button names; where the clipboard is out of reach (plain http), it selects it instead.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy)
    if (navigator.clipboard) await navigator.clipboard.writeText(source.textContent)
    else getSelection().selectAllChildren(source)
    button.textContent = navigator.clipboard ? button.dataset.copied : button.dataset.selected
  })
}
