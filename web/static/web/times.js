// Shows times in the reader's time zone and language. Without this script they are in UTC, as labeled. A time of day
// is the tooltip of a sentence, a date is the text itself.
const STYLES = { date: { dateStyle: "long" }, time: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } }
for (const each of document.querySelectorAll("time[data-local]")) {
  const moment = new Date(each.dateTime),
    style = each.dataset.local
  if (isNaN(moment)) continue
  each[style === "time" ? "title" : "textContent"] = new Intl.DateTimeFormat(document.documentElement.lang, STYLES[style]).format(moment)
}
