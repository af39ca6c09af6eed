// Groups a device code as XXXX-XXXX while a person types or pastes it. The server accepts any spelling:
// this only improves readability, so anything else stays as it was typed.
const GROUP = 4
const SEPARATORS = /[\s\p{Pd}._·]/gu
const SEPARATOR = /[\s\p{Pd}._·]/u

const grouped = (text) =>
  text
    .normalize("NFKC")
    .replace(SEPARATORS, "")
    .replace(/[a-z]/g, (letter) => letter.toUpperCase())
    .replace(new RegExp(`(.{${GROUP}})(?=.)`, "gsu"), "$1-")

// How many characters of the code are before the caret. Separators do not count.
const before = (text, caret) => text.slice(0, caret).replace(SEPARATORS, "").length

// The position of the caret after `count` characters of the code.
function place(text, count) {
  let at = 0
  while (count > 0 && at < text.length) if (!SEPARATOR.test(text[at++])) count -= 1
  return at
}

// Replaces only what differs, with the browser's own editing so that undo still works, else directly.
function replace(field, text) {
  const old = field.value
  let start = 0,
    end = 0
  while (start < old.length && old[start] === text[start]) start += 1
  while (end < Math.min(old.length, text.length) - start && old.at(-1 - end) === text.at(-1 - end)) end += 1
  const piece = text.slice(start, text.length - end)
  if (document.activeElement === field) {
    field.setSelectionRange(start, old.length - end)
    if (document.execCommand(piece ? "insertText" : "delete", false, piece) && field.value === text) return
  }
  field.value = text
}

// Returns the code in a pasted URL, such as from a QR code, else the text.
function fromAddress(text) {
  const found = /[?&]user_code=([^&#\s]+)/.exec(text)
  try {
    return found ? decodeURIComponent(found[1]) : text
  } catch {
    return text
  }
}

export function attach(field) {
  let busy = false

  function tidy(event) {
    // Ignore our own edit, input method composition, undo and redo.
    if (busy || event?.isComposing || event?.inputType?.startsWith("history")) return
    const old = field.value
    let text = grouped(old)
    const caret = field.selectionStart ?? old.length
    const count = before(old, caret)
    // A separator typed after a full group stays; a deleted one does not come back.
    const typed = event?.inputType?.startsWith("insert") && SEPARATOR.test(old.at(-1) ?? "")
    const full = count > 0 && count % GROUP === 0
    if (typed && full && caret === old.length) text += "-"
    if (text === old || (field.maxLength > 0 && text.length > field.maxLength)) return
    busy = true
    replace(field, text)
    busy = false
    if (document.activeElement !== field) return
    let at = caret === old.length ? text.length : place(text, count)
    // After typing or Delete the caret is behind a hyphen, after Backspace before it.
    if (/^insert|Forward$/.test(event?.inputType ?? "") && text[at] === "-") at += 1
    field.setSelectionRange(at, at)
  }

  function paste(event) {
    const text = event.clipboardData?.getData("text") ?? ""
    const code = fromAddress(text).trim()
    // maxlength would truncate a long paste before the input event.
    if (code === text && (field.maxLength < 0 || text.length <= field.maxLength)) return
    busy = true
    const done = document.execCommand("insertText", false, field.maxLength < 0 ? code : code.slice(0, field.maxLength))
    busy = false
    if (!done) return
    event.preventDefault()
    tidy()
  }

  field.addEventListener("input", tidy)
  field.addEventListener("compositionend", () => tidy())
  field.addEventListener("paste", paste)
  if (field.value && field.value !== grouped(field.value)) field.value = grouped(field.value)
}

const field = document.querySelector(".code-entry input[name=user_code]")
if (field) attach(field)
