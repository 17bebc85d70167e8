"use strict";
/* The list of tracks of a data set: search, filters, order, and what can be done with the tracks that are left.
   KEYS and SET come from data/; everything is inserted as text, never as markup. */
const L = (() => {
const { el, id, number } = M, count = SET.names.length;
const byKey = Object.fromEntries(KEYS.keys.map((row) => [row.key, row]));
const link = (i) => SET.pages[i] ? "tracks/" + SET.pages[i] : null;
const title = (i) => { const row = SET.rows[i]; return row.artist ? `${row.artist} – ${row.title}` : row.title; };
const known = (v) => v !== null && v !== undefined;

/* ---- values: those of the list are here, all others are read when they are first needed */
let loading = null;
const column = (key) => SET.values[key] || (window.VALUES || {})[key];
const value = (key, i) => { const values = column(key); return values ? values[i] : null; };
const need = (keys, then) => {
  if (window.VALUES || keys.every((key) => SET.values[key])) return then();
  loading ||= new Promise((done) => document.body.append(el("script", { src: "data/values.js", onload: done })));
  loading.then(then);
};

/* ---- names: a name that several tracks have is told apart by the path */
const times = new Map();
SET.rows.forEach((_, i) => times.set(title(i), (times.get(title(i)) || 0) + 1));
const under = (i) => times.get(title(i)) > 1 ? SET.names[i] : "";
const trackLink = (i) => link(i) ? el("a", { href: link(i) }, M.name(title(i))) : M.name(title(i));
const index = new Map(SET.names.map((name, i) => [name, i]));

/* ---- keys as musicians write them */
const keyOf = (i) => { const { key, mode } = SET.rows[i]; return key && mode ? KEYS.spelled[`${key} ${mode}`] : key || null; };
const shortKey = (name) => name.replace(" major", "").replace(" minor", "m");
const plain = (text) => text.replace(/♭/g, "b").replace(/♯/g, "#");

/* ---- the filter */
const filter = { text: "", ranges: new Map(), keys: new Set(), only: null }, picked = new Set();
const texts = SET.rows.map((row, i) => {
  const key = keyOf(i);
  return `${title(i)} ${SET.names[i]} ${row.album || ""} ${row.genre || ""} ${row.voice || ""} ${row.meter || ""} ${key ? `${plain(key)} ${key} ${plain(shortKey(key))}` : ""}`.toLowerCase();
});
let rows = [...Array(count).keys()];
const isActive = () => filter.text || filter.ranges.size || filter.keys.size || filter.only || picked.size;
const listeners = [];
/* Call a function whenever the filter has changed. */
const onChange = (act) => listeners.push(act);
function matching() {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return [...Array(count).keys()].filter((i) => {
    if (filter.only && !filter.only.tracks.has(i)) return false;
    if (filter.keys.size && !filter.keys.has(keyOf(i))) return false;
    for (const [key, range] of filter.ranges) {
      const v = key === "duration" ? SET.rows[i].seconds : value(key, i);
      if (range === null ? known(v) : !(known(v) && v >= range[0] && v <= range[1])) return false;
    }
    return words.every((word) => texts[i].includes(word));
  });
}
/* Keep the tracks whose value is in a range; `null` instead of a range keeps those without a value. */
const keep = (key, range) => need([key], () => { filter.ranges.set(key, range); update(); });
const showList = () => { location.hash = "#tracks"; };

/* ---- columns */
const COLUMNS = [
  { id: "title", label: "track", value: (i) => title(i).toLowerCase() },
  { id: "seconds", label: "length", value: (i) => SET.rows[i].seconds, show: (v) => M.clock(v, false) },
  { id: "bpm", label: "tempo", value: (i) => value("bpm", i), show: (v) => M.fixed(v, 1), unit: " BPM" },
  { id: "key", label: "key", value: keyOf, show: shortKey },
  { id: "meter", label: "meter", value: (i) => SET.rows[i].meter },
  { id: "lufs", label: "loudness", value: (i) => value("lufs", i), show: (v) => M.fixed(v, 1), unit: " LUFS" },
  { id: "extra" },
];
const choose = (key) => {
  const row = byKey[key];
  Object.assign(COLUMNS[6], row ? { key, label: key, value: (i) => value(key, i), show: (v) => M.fixed(v, Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(Math.max(Math.abs(row.low), Math.abs(row.high)) || 1))))), unit: M.unit(row.unit) } : { key: "", label: "", value: () => null });
};
choose(byKey.danceability ? "danceability" : "");
let sorted = COLUMNS[0], down = false, made = 0;
const head = el("tr", {}, el("th", { class: "pick" }, el("span", { class: "unseen" }, "chosen")));
COLUMNS.forEach((column) => {
  column.head = el("th", { scope: "col" }, el("button", { type: "button", onclick: () => { down = sorted === column ? !down : column !== COLUMNS[0]; sorted = column; order.value = column.key || column.id; update(); } }));
  head.append(column.head);
});
id("table").tHead.append(head);

const order = id("order");
for (const [value, label] of [["title", "name"], ["seconds", "length"], ["bpm", "tempo"], ["key", "key"], ["meter", "meter"], ["lufs", "loudness"]]) order.append(el("option", { value }, label));
[...new Set(KEYS.keys.map((row) => row.module))].forEach((module) => order.append(el("optgroup", { label: module }, ...KEYS.keys.filter((row) => row.module === module && row.count && !["bpm", "lufs"].includes(row.key)).map((row) => el("option", { value: row.key }, row.key)))));
order.addEventListener("change", () => {
  const own = COLUMNS.slice(0, 6).find((column) => column.id === order.value);
  need(own ? [] : [order.value], () => { if (!own) choose(order.value); sorted = own || COLUMNS[6]; down = sorted !== COLUMNS[0]; update(); });
});
id("direction").addEventListener("click", () => { down = !down; update(); });

function update() {
  rows = matching();
  const keyed = rows.map((i) => [i, sorted.value(i)]);
  keyed.sort(([, a], [, b]) => (known(a) ? 0 : 1) - (known(b) ? 0 : 1) || (down ? -1 : 1) * (a < b ? -1 : a > b ? 1 : 0));
  rows = keyed.map(([i]) => i);
  COLUMNS.forEach((column) => {
    column.head.hidden = !column.label;
    column.head.firstChild.textContent = column.label || "";
    if (column === sorted) column.head.setAttribute("aria-sort", down ? "descending" : "ascending"); else column.head.removeAttribute("aria-sort");
  });
  id("direction").textContent = down ? "↓" : "↑";
  id("direction").setAttribute("aria-label", down ? "Descending: change to ascending" : "Ascending: change to descending");
  const of = KEYS.tracks > count ? `the first ${count.toLocaleString("en")} of ${M.counted(KEYS.tracks, "track")}` : M.counted(count, "track");
  id("tracks-count").textContent = rows.length === count ? of : `${rows.length.toLocaleString("en")} of ${of}`;
  made = 0; id("table").tBodies[0].replaceChildren(); more();
  id("no-track").hidden = rows.length > 0;
  bar(); listeners.forEach((act) => act());
}
function more() {
  const shown = made ? 200 : 50;
  rows.slice(made, made + shown).forEach((i) => {
    const box = el("input", { type: "checkbox", "aria-label": `Choose ${title(i)}`, onchange: (event) => { if (event.target.checked) picked.add(i); else picked.delete(i); bar(); } });
    box.checked = picked.has(i);
    const cells = COLUMNS.slice(1).map((column) => { const v = column.label ? column.value(i) : null; return [column, known(v) ? (column.show ? column.show(v) : String(v)) : "–"]; });
    const brief = cells.filter(([column, text]) => column.label && text !== "–" && (column.id !== "extra" || column === sorted)).map(([column, text]) => (column.id === "extra" ? `${column.label} ` : "") + text + (column.unit || "")).join(" · ");
    id("table").tBodies[0].append(el("tr", {},
      el("td", { class: "pick" }, el("label", {}, box)),
      el("td", { class: "title" }, trackLink(i), under(i) ? el("small", {}, M.name(under(i))) : null, el("small", { class: "brief" }, brief)),
      ...cells.map(([column, text]) => el("td", { class: "c-" + column.id, hidden: column.label ? null : "" }, text))));
  });
  made = Math.min(rows.length, made + shown);
  id("more").hidden = made >= rows.length;
  id("more").textContent = `Show ${Math.min(200, rows.length - made)} more`;
}
id("more").addEventListener("click", more);
id("find-track").addEventListener("input", (event) => { filter.text = event.target.value; update(); });

/* ---- a range without a mouse */
const rangeKey = id("range-key");
[["duration", "length (s)"], ...KEYS.keys.filter((row) => row.count).map((row) => [row.key, row.key + (M.unit(row.unit) ? ` (${row.unit})` : "")])].forEach(([value, label]) => rangeKey.append(el("option", { value }, label)));
if (byKey.bpm?.count) rangeKey.value = "bpm";
id("range").addEventListener("submit", (event) => {
  event.preventDefault();
  const number = (name, other) => { const text = id(name).value.trim().replace("−", "-"); return text === "" || !isFinite(text) ? other : +text; };
  keep(rangeKey.value, [number("range-from", -Infinity), number("range-to", Infinity)]);
});

/* ---- what is chosen: the tracks that are ticked, or else all that the filter leaves */
const chosen = () => picked.size ? [...picked].sort((a, b) => a - b) : rows;
const limit = (v) => isFinite(v) ? number(v, 4) : "";
const rangeText = (key, range) => {
  const label = key === "duration" ? "length" : key === "bpm" ? "tempo" : key;
  if (range === null) return `${label} unknown`;
  if (range[0] === -Infinity) return `${label} to ${limit(range[1])}`;
  return range[1] === Infinity ? `${label} from ${limit(range[0])}` : `${label} ${limit(range[0])} to ${limit(range[1])}`;
};
function bar() {
  const chip = (text, drop) => el("button", { type: "button", class: "chip", title: "Remove this filter", "aria-label": `${text}: remove this filter`, onclick: () => { drop(); update(); } }, text, el("span", { "aria-hidden": "true" }, "✕"));
  id("chosen").hidden = !isActive();
  id("chosen-count").textContent = picked.size ? `${M.counted(picked.size, "track")} ticked` : `${rows.length.toLocaleString("en")} of ${M.counted(count, "track")}`;
  id("chosen-filters").replaceChildren(
    ...(filter.text.trim() ? [chip(`“${filter.text.trim()}”`, () => { filter.text = ""; id("find-track").value = ""; })] : []),
    ...[...filter.ranges].map(([key, range]) => chip(rangeText(key, range), () => filter.ranges.delete(key))),
    ...[...filter.keys].map((key) => chip(key, () => filter.keys.delete(key))),
    ...(filter.only ? [chip(filter.only.label, () => { filter.only = null; })] : []));
  for (const name of ["exclude", "csv"]) id(name).disabled = !chosen().length;
  id("compare").hidden = picked.size < 2;
}
const clear = () => { Object.assign(filter, { text: "", only: null }); filter.ranges.clear(); filter.keys.clear(); picked.clear(); id("find-track").value = ""; update(); };
id("clear").addEventListener("click", clear);

function excludeDialog() {
  const tracks = chosen(), paths = tracks.map((i) => SET.names[i]).filter(Shell.isPlain), left = tracks.length - paths.length;
  const reason = el("input", { type: "text", id: "reason", value: "seen in the report" }), shell = el("select", { id: "shell" }, el("option", { value: "" }, "Linux, macOS"), el("option", { value: "powershell" }, "Windows (PowerShell)"));
  if (Shell.isWindows()) shell.value = "powershell";
  const place = el("div"), fill = () => place.replaceChildren(M.command(Shell.exclude(paths, reason.value, shell.value === "powershell")));
  reason.addEventListener("input", fill); shell.addEventListener("change", fill); fill();
  dialog(`Exclude ${M.counted(tracks.length, "track")}`,
    el("p", {}, "Run this command in the folder ", el("b", {}, M.name(SET.folder)), ". It writes the reason into mirkit.toml; the tracks stay where they are, and mirkit include takes it back."),
    el("div", { class: "bar" }, el("label", {}, "reason ", reason), el("label", {}, "shell ", shell)),
    left ? el("p", { class: "notice" }, `${M.counted(left, "track")} left out: a name with control characters cannot be pasted into a shell safely.`) : null,
    paths.length ? place : null);
}
function download() {
  const keys = KEYS.keys.map((row) => row.key), tracks = chosen();
  need(keys, () => {
    const table = [["path", "artist", "title", "album", "genre", "duration", "key", "mode", "time_signature", ...keys]];
    for (const i of tracks) { const row = SET.rows[i]; table.push([SET.names[i], row.artist, row.title, row.album, row.genre, row.seconds, row.key, row.mode, row.meter, ...keys.map((key) => value(key, i))]); }
    Shell.save(`${SET.folder.replace(/[^\p{L}\p{N}]+/gu, "_") || "tracks"}.csv`, Shell.csv(table));
  });
}
function compareDialog() {
  const tracks = chosen().slice(0, 4), colors = ["accent", "drums", "other", "vocals"];
  need(KEYS.keys.map((row) => row.key), () => {
    const dot = (n) => { const mark = el("i", { class: "dot", "aria-hidden": "true" }); mark.style.background = `var(--${colors[n]})`; return mark; };
    const facts = COLUMNS.slice(1, 6).map((column) => el("tr", {}, el("th", { scope: "row" }, column.label), el("td"), ...tracks.map((i) => { const v = column.value(i); return el("td", {}, known(v) ? (column.show ? column.show(v) : v) + (column.unit || "") : "–"); })));
    const lines = KEYS.keys.filter((row) => !["bpm", "lufs"].includes(row.key) && tracks.some((i) => known(value(row.key, i)))).map((row) => {
      const axis = el("div", { class: "axis", "aria-hidden": "true" });
      if (M.drawable(row)) tracks.forEach((i, n) => { const v = value(row.key, i); if (known(v)) { const mark = dot(n); mark.style.left = 100 * Math.min(1, Math.max(0, M.place(row, v))) + "%"; axis.append(mark); } });
      return el("tr", {}, el("th", { scope: "row", title: row.description }, row.key), el("td", { class: "place" }, axis), ...tracks.map((i) => el("td", {}, number(value(row.key, i)))));
    });
    dialog("Compare", el("p", { class: "hint" }, `The dots show where the tracks lie among all ${KEYS.tracks}.`),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Comparison" }, el("table", { class: "compare" },
        el("thead", {}, el("tr", {}, el("td"), el("td"), ...tracks.map((i, n) => el("th", { scope: "col" }, dot(n), " ", trackLink(i))))), el("tbody", {}, ...facts, ...lines))));
  });
}
id("exclude").addEventListener("click", excludeDialog);
for (const name of ["csv", "list-csv"]) id(name).addEventListener("click", download);
id("compare").addEventListener("click", compareDialog);
id("to-list").addEventListener("click", showList);

/* ---- one dialog for all */
function dialog(heading, ...content) {
  const box = id("dialog");
  box.replaceChildren(el("button", { class: "ghost close", type: "button", "aria-label": "Close", onclick: () => box.close() }, "✕"), el("h2", { id: "dialog-title" }, heading), ...content.filter(Boolean));
  if (!box.open) box.showModal();
  return box;
}
id("dialog").addEventListener("click", (event) => { if (event.target === id("dialog")) id("dialog").close(); });

return { filter, picked, keep, need, value, column, title, link, trackLink, under, index, keyOf, shortKey, onChange, update, clear, showList, dialog, byKey, known, rows: () => rows, shows: (i) => rowSet().has(i) };
function rowSet() { if (rowSet.of !== rows) { rowSet.of = rows; rowSet.set = new Set(rows); } return rowSet.set; }
})();
