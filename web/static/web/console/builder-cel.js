// The editor of a CEL condition: completes variables and checks the expression.
const variables = () => JSON.parse(document.getElementById("variables")?.textContent ?? "[]")
let timer = 0,
  list = null

const head = (field) => field.value.slice(0, field.selectionStart).match(/[A-Za-z_][\w.]*$/)?.[0] ?? ""

async function check(field) {
  const verdict = field.parentNode.querySelector(".verdict"),
    form = field.form,
    data = new FormData()
  for (const name of ["csrfmiddlewaretoken", "_base"]) data.set(name, form.querySelector(`[name=${name}]`).value)
  data.set("_step", JSON.parse(form.querySelector("[name=_edit]").value).step)
  data.set("_source", field.value)
  const typed = field.value
  const response = await fetch(form.action.replace(/edit$/, "check"), { method: "POST", body: data })
  if (!response.ok || field.value !== typed) return
  const found = await response.json(),
    worst = found.find((each) => each.level === "error") ?? found[0]
  verdict.className = `verdict ${worst ? worst.level : "good"}`
  verdict.textContent = worst ? worst.message : typed.trim() ? "✓" : ""
  field.setAttribute("aria-invalid", String(worst?.level === "error"))
}

function close(field) {
  list?.remove()
  list = null
  field?.removeAttribute("aria-activedescendant")
}

function offer(field) {
  close(field)
  const typed = head(field)
  if (typed.length < 2) return
  const found = variables()
    .filter((each) => each.name.includes(typed) && each.name !== typed)
    .slice(0, 8)
  if (!found.length) return
  list = document.createElement("ul")
  list.className = "completion"
  list.id = "completion"
  list.role = "listbox"
  list.append(
    ...found.map((each, at) => {
      const row = document.createElement("li"),
        kind = document.createElement("i"),
        doc = document.createElement("small")
      row.role = "option"
      row.id = `word-${at}`
      row.dataset.name = each.name
      kind.textContent = each.type
      doc.textContent = each.doc
      row.append(kind, each.name, doc)
      return row
    }),
  )
  field.setAttribute("aria-controls", "completion")
  field.after(list)
  choose(field, 0)
}

function choose(field, at) {
  const rows = [...list.children],
    row = rows[(at + rows.length) % rows.length]
  for (const each of rows) each.setAttribute("aria-selected", String(each === row))
  field.setAttribute("aria-activedescendant", row.id)
  row.scrollIntoView({ block: "nearest" })
}

function take(field, row) {
  const typed = head(field)
  close(field)
  field.setRangeText(row.dataset.name, field.selectionStart - typed.length, field.selectionStart, "end")
  field.focus()
  field.dispatchEvent(new Event("input", { bubbles: true }))
  close(field)
}

document.addEventListener("input", ({ target }) => {
  if (!target.matches("[data-cel]")) return
  offer(target)
  clearTimeout(timer)
  timer = setTimeout(check, 250, target)
})
document.addEventListener("keydown", (event) => {
  const { target, key } = event
  if (!list || !target.matches("[data-cel]")) return
  const at = [...list.children].findIndex((each) => each.getAttribute("aria-selected") === "true")
  if (key === "ArrowDown" || key === "ArrowUp") choose(target, at + (key === "ArrowDown" ? 1 : -1))
  else if (key === "Enter" || key === "Tab") take(target, list.children[at])
  else if (key === "Escape") close(target)
  else return
  event.preventDefault()
})
document.addEventListener("pointerdown", (event) => {
  const row = event.target.closest(".completion li")
  if (!row) return
  event.preventDefault()
  take(row.closest(".cel").querySelector("textarea"), row)
})
document.addEventListener("focusout", ({ target }) => {
  if (target.matches("[data-cel]")) close(target)
})
document.addEventListener("focusin", ({ target }) => {
  if (target.matches("[data-cel]") && target.value) check(target)
})
