// Calls the API from its reference. The access token is stored only in this variable; the pages of the reference replace each other without a reload.
let token = ""

const fill = () => {
  const field = document.querySelector("[data-token]")
  if (field && token) {
    field.value = token
    show(field.form)
  }
}
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`

function wanted(form) {
  const query = new URLSearchParams(),
    headers = {}
  let path = form.dataset.path
  for (const field of form.querySelectorAll("[data-in]")) {
    if (field.dataset.in === "path")
      path = path.replace(`{${field.name}}`, field.value ? encodeURIComponent(field.value) : `{${field.name}}`)
    else if (field.value && field.dataset.in === "query") query.set(field.name, field.value)
    else if (field.value) headers[field.name] = field.value
  }
  const body = form.querySelector("[data-body]")?.value
  if (body !== undefined) headers["Content-Type"] = "application/json"
  return { url: form.dataset.root + path + (query.size ? `?${query}` : ""), method: form.dataset.method, headers, body }
}

function show(form) {
  const { url, method, headers, body } = wanted(form),
    scheme = form.querySelector("[data-token]")?.dataset.scheme
  const parts = ["curl", ...(method === "GET" ? [] : ["-X", method]), ...(scheme ? ["-H", `"Authorization: ${scheme} $TOKEN"`] : [])]
  for (const [name, value] of Object.entries(headers)) parts.push("-H", quoted(`${name}: ${value}`))
  form.querySelector("[data-command]").textContent = [...parts, ...(body === undefined ? [] : ["-d", quoted(body)]), quoted(url)].join(" ")
}

async function send(form) {
  const { url, method, headers, body } = wanted(form),
    scheme = form.querySelector("[data-token]")?.dataset.scheme
  if (scheme) headers.Authorization = `${scheme} ${token}`
  const answer = form.querySelector("[data-answer]"),
    status = answer.querySelector("[data-status]"),
    shown = answer.querySelector("[data-text]")
  answer.hidden = false
  status.textContent = "…"
  try {
    const response = await fetch(url, { method, headers, body, credentials: "omit", cache: "no-store" }),
      text = await response.text()
    const shownHeaders = ["ETag", "Location", "Link", "WWW-Authenticate", "Allow"].filter((name) => response.headers.has(name))
    status.textContent = [
      `${response.status} ${response.statusText}`,
      ...shownHeaders.map((name) => `${name}: ${response.headers.get(name)}`),
    ].join(" · ")
    try {
      shown.textContent = JSON.stringify(JSON.parse(text), null, 2)
    } catch {
      shown.textContent = text
    }
  } catch (error) {
    ;[status.textContent, shown.textContent] = ["—", String(error)]
  }
}

document.addEventListener("input", ({ target }) => {
  const form = target.closest("[data-try]")
  if (target.matches("[data-token]")) token = target.value.trim()
  if (form) show(form)
})
document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-try]")) {
    event.preventDefault()
    send(event.target)
  }
})
document.addEventListener("htmx:afterSettle", fill)
