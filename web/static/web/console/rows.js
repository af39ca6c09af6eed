// Rows of fields: adds a row by copying the template, and removes rows. The server accepts gaps in the numbers.
let number = 1000 // greater than all numbers of the server; later rows have greater numbers
document.addEventListener("click", ({ target }) => {
  const list = target.closest("[data-rows]")
  if (target.closest("[data-remove-row]")) {
    target.closest("[data-row]").remove()
    list.dispatchEvent(new Event("change", { bubbles: true }))
  } else if (target.closest("[data-add-row]")) {
    const row = list.querySelector("template").content.firstElementChild.cloneNode(true)
    number += 1
    for (const each of row.querySelectorAll("[name], [id], [for], [aria-describedby]"))
      for (const name of ["name", "id", "for", "aria-describedby"])
        if (each.hasAttribute(name)) each.setAttribute(name, each.getAttribute(name).replaceAll("NEW", number))
    target.before(row)
    row.querySelector("input, select, textarea")?.focus()
  }
})
const show = () => document.querySelectorAll("[data-add-row], [data-remove-row]").forEach((each) => (each.hidden = false))
document.addEventListener("htmx:afterSettle", show)
show()
