// Moments in the reader's own zone and words; without this they stand there in UTC, which is said beside them.
const STYLES = { date: { dateStyle: "long" }, time: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } }
for (const each of document.querySelectorAll("time[data-local]")) {
  const moment = new Date(each.dateTime)
  if (!isNaN(moment)) each.textContent = new Intl.DateTimeFormat(document.documentElement.lang, STYLES[each.dataset.local]).format(moment)
}
