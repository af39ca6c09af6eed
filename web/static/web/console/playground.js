// The playground: acts as a client of the tenant with fetch, and explains every request and response.
const { provider, applications, explain, words, qr } = JSON.parse(document.getElementById("facts").textContent)
const at = (id) => document.getElementById(id)
const DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
const ENDINGS = { access_denied: "denied", expired_token: "expired" }
const NOTABLE = /^(content-type|cache-control|pragma|www-authenticate|retry-after)$/
const FOLDED = new Set([words.events, words.poll, words.tokens, words.id_token]) // the others are open when they appear
const TIMES = new Set(["exp", "iat", "auth_time"])
let run = null

// The clients that the page can simulate; a new one needs a line here and in web/console/playground.py.
const CLIENTS = { device: asDevice, service: asService }

// --- protocol ---

async function asDevice() {
  const mine = run
  const wish = { ...run.client, scope: run.scope, device_name: "Playground" }
  const asked = await exchange("device", provider.device_authorization_endpoint, wish)
  if (!asked.ok) return over("failed", asked)
  const { device_code, user_code, verification_uri, verification_uri_complete, events_uri } = asked.body
  at("qr").src = `${qr}?code=${encodeURIComponent(user_code)}`
  at("code").textContent = user_code
  Object.assign(at("link"), { href: verification_uri_complete, textContent: verification_uri.replace(/^https?:\/\//, "") })
  screen("asks", words.waiting)
  listen(events_uri, device_code)
  let { interval } = asked.body
  for (;;) {
    await nap(interval)
    if (mine.stopped) return
    const response = await exchange("poll", provider.token_endpoint, { grant_type: DEVICE, device_code, ...run.client })
    if (response.ok) return connected(response.body)
    if (response.body?.error === "slow_down") interval += 5
    else if (response.body?.error !== "authorization_pending") return over(ENDINGS[response.body?.error] ?? "failed", response)
  }
}

async function asService() {
  const wish = { grant_type: "client_credentials", scope: run.scope, ...run.client }
  const response = await exchange("service", provider.token_endpoint, wish)
  return response.ok ? connected(response.body) : over("failed", response)
}

async function connected(tokens) {
  store(tokens)
  const about = run.kind === "device" && tokens.id_token ? await userinfo() : null
  at("whose").textContent = about?.body.name ?? about?.body.sub ?? claims(tokens.access_token)?.payload.sub ?? ""
  if (run.kind === "device") at("steps").querySelector("details").open = false
  screen("done", words.connected)
  at("refresh").hidden = !run.tokens.refresh_token
  at("userinfo").hidden = !about
  at("after").hidden = at("refresh").hidden && at("userinfo").hidden
  finished()
}

function userinfo() {
  return exchange("userinfo", provider.userinfo_endpoint, null, { Authorization: `Bearer ${run.tokens.access_token}` })
}

async function refresh() {
  const form = { grant_type: "refresh_token", refresh_token: run.tokens.refresh_token, ...run.client }
  const response = await exchange("refresh", provider.token_endpoint, form)
  if (response.ok) store(response.body)
  else over("failed", response)
}

function store(tokens) {
  run.tokens = { ...run.tokens, ...tokens }
  for (const name of ["access_token", "id_token"]) if (tokens[name]) decoded(name, tokens[name])
}

// The event stream announces the decision immediately. Only the response to the next poll counts.
async function listen(address, device_code) {
  const mine = run
  const headers = { Authorization: `Device ${device_code}` }
  const started = performance.now()
  try {
    const response = await fetch(address, { headers, credentials: "omit", signal: mine.stop.signal })
    const item = card("exchange", words.events)
    let heard = ""
    const update = () => showExchange(item, { method: "GET", address, headers }, response, performance.now() - started, heard)
    update()
    for await (const part of pieces(response.body.pipeThrough(new TextDecoderStream()))) {
      heard += part
      update()
      if (/^event: /m.test(part)) mine.wake?.()
    }
  } catch {
    // Stopped, or the stream was lost: polling continues without it.
  }
}

async function* pieces(stream) {
  const reader = stream.getReader()
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
}

function nap(seconds) {
  return new Promise((resolve) => {
    run.wake = resolve
    setTimeout(resolve, seconds * 1000)
  })
}

async function exchange(step, address, form, headers = {}) {
  const sent = form ? { ...headers, "Content-Type": "application/x-www-form-urlencoded" } : headers
  const request = { method: form ? "POST" : "GET", address, headers: sent, form: said(form) }
  const body = form && new URLSearchParams(said(form))
  const started = performance.now()
  // Without cookies, like a device: the session of the console must not matter.
  const wish = { method: request.method, headers: sent, body, credentials: "omit", signal: run.stop.signal }
  const response = await fetch(address, wish)
  const text = await response.text()
  const name = step === "poll" && response.ok ? "tokens" : step
  showExchange(card("exchange", words[name], name === "poll" ? name : ""), request, response, performance.now() - started, text)
  return { ok: response.ok, body: parsed(text) }
}

// --- display ---

function card(template, title, again = "") {
  let item = again && at("steps").querySelector(`[data-again="${again}"]`)
  if (!item) {
    item = at(template).content.firstElementChild.cloneNode(true)
    item.dataset.again = again
    at("steps").append(item)
    item.querySelector(".number").textContent = at("steps").children.length
    item.querySelector("h2").textContent = title
    item.querySelector("details").open = !FOLDED.has(title)
    at("first").hidden = true
  }
  item.dataset.count = Number(item.dataset.count ?? 0) + 1
  return item
}

// A secret is masked: this page is made for screenshots and for showing to others.
function showExchange(item, request, response, ms, text) {
  const form = (request.form ?? []).map(([name, value]) => [name, name === "client_secret" ? "•••" : value])
  const { pathname, host } = new URL(request.address)
  const head = Object.entries({ Host: host, ...request.headers }).map((each) => each.join(": "))
  const sent = form.map((each) => each.join("=")).join("\n  &")
  write(item, ".request", [`${request.method} ${pathname} HTTP/1.1`, ...head, ...(sent ? ["", sent] : [])])
  const body = parsed(text)
  const notable = [...response.headers].filter(([name]) => NOTABLE.test(name)).map((each) => each.join(": "))
  const rest = [...response.headers].filter(([name]) => !NOTABLE.test(name)).map((each) => each.join(": "))
  const pretty = body ? JSON.stringify(body, null, 2) : text
  write(item, ".answer", [`HTTP/1.1 ${response.status} ${response.statusText}`.trim(), ...notable, "", pretty])
  write(item, ".rest", rest)
  const [asked, answered] = item.querySelectorAll("dl")
  meanings(asked, { ...request.headers, ...Object.fromEntries(form) }, explain.members)
  meanings(answered, body ?? {}, { ...explain.claims, ...explain.members })
  const status = item.querySelector(".status")
  status.textContent = body?.error ?? response.status
  status.className = `status badge ${response.ok ? "ok" : body?.error === "authorization_pending" ? "warn" : "bad"}`
  item.querySelector(".ms").textContent = `${Math.round(ms)} ms`
  const times = item.querySelector(".times")
  times.hidden = item.dataset.count < 2
  times.textContent = `${item.dataset.count} ${words.times}`
}

function write(item, place, lines) {
  item.querySelector(place).textContent = lines.join("\n")
}

function decoded(name, token) {
  const parts = claims(token)
  if (!parts) return
  const item = card("decoded", words[name])
  item.querySelector(".until").textContent = `${words.until} ${new Date(parts.payload.exp * 1000).toLocaleTimeString()}`
  write(item, ".claims", [JSON.stringify(parts.header, null, 2), JSON.stringify(parts.payload, null, 2)])
  meanings(item.querySelector("dl"), { ...parts.header, ...parts.payload }, explain.claims)
}

function meanings(list, members, table) {
  list.replaceChildren()
  for (const [name, value] of Object.entries(members)) {
    const known = (name === "error" && explain.errors[value]) || table[name]
    if (!known) continue
    const meaning = made("dd", { textContent: TIMES.has(name) ? `${known.text} ${clock(value)}` : known.text })
    const source = { href: known.url, textContent: known.source, target: "_blank", rel: "noopener noreferrer" }
    if (known.url) meaning.append(" ", made("a", source))
    list.append(made("dt", { textContent: name }), meaning)
  }
}

const made = (tag, values) => Object.assign(document.createElement(tag), values)
const clock = (seconds) => `(${new Date(seconds * 1000).toLocaleString()})`
const said = (form) => form && Object.entries(form).filter(([, value]) => value)

function screen(state, text) {
  at("screen").dataset.state = state
  at("state").textContent = text
  if (state === "asks") at("screen").scrollIntoView({ block: "nearest" })
}

function over(why, response) {
  screen("over", [words[why], response?.body?.error_description].filter(Boolean).join(": "))
  finished()
}

function finished() {
  run.stop.abort()
  run.stop = new AbortController()
  at("start").disabled = false
  at("stop").hidden = true
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function claims(token) {
  const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0))
  const part = (text) => parsed(new TextDecoder().decode(bytes(text)))
  const [header, payload] = token.split(".")
  return payload ? { header: part(header), payload: part(payload) } : null
}

// --- controls ---

const chosen = () => applications.find((each) => each.name === at("application").value)
const picked = (name) => at("wish").querySelector(`[name="${name}"]:checked`)?.value

function choose() {
  const { clients, confidential } = chosen()
  const kind = picked("client") in clients ? picked("client") : Object.keys(clients)[0]
  for (const radio of at("clients").querySelectorAll("input")) {
    radio.closest("label").hidden = !(radio.value in clients)
    radio.checked = radio.value === kind
  }
  at("clients").hidden = Object.keys(clients).length < 2
  at("scopes").hidden = clients[kind].length === 0
  const boxes = clients[kind].map(({ name, title }) => {
    const label = made("label", { className: "check", title })
    label.append(made("input", { type: "checkbox", name: "scope", value: name, checked: true }), ` ${name}`)
    return label
  })
  at("scopes")
    .querySelector("div")
    .replaceChildren(...boxes)
  at("needs-secret").hidden = !confidential
  at("secret").required = confidential
}

async function start(event) {
  event.preventDefault()
  run?.stop.abort()
  const { client_id, confidential } = chosen()
  const scope = [...at("wish").querySelectorAll('[name="scope"]:checked')].map((each) => each.value).join(" ")
  const client = { client_id, ...(confidential && { client_secret: at("secret").value }) }
  run = { kind: picked("client"), scope, client, tokens: {}, stop: new AbortController() }
  at("steps").replaceChildren()
  at("after").hidden = true
  at("start").disabled = true
  at("stop").hidden = false
  screen("off", "")
  await guarded(CLIENTS[run.kind])
}

function stop() {
  run.stopped = true
  run.wake?.()
  over("stopped")
}

async function guarded(act) {
  try {
    await act()
  } catch (error) {
    if (error.name === "AbortError") return
    over("unreachable")
    throw error
  }
}

at("wish").addEventListener("submit", start)
at("application").addEventListener("change", choose)
at("clients").addEventListener("change", choose)
at("stop").addEventListener("click", stop)
at("refresh").addEventListener("click", () => guarded(refresh))
at("userinfo").addEventListener("click", () => guarded(userinfo))
choose()
