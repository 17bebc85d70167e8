"use strict";
/* The page of the data set. KEYS and SET come from data/; everything is inserted as text, never as markup. */
(() => {
const { el, id, number } = M, count = SET.names.length;
const byKey = Object.fromEntries(KEYS.keys.map((row) => [row.key, row]));
const link = (i) => SET.pages[i] ? "tracks/" + SET.pages[i] : null;
const name = (i) => { const row = SET.rows[i]; return row.artist ? `${row.artist} – ${row.title}` : row.title; };
const open = (i) => { if (link(i)) location.href = link(i); };
const trackLink = (text) => { const i = SET.names.indexOf(text); return i >= 0 && link(i) ? el("a", { href: link(i) }, name(i)) : text; };
const line = (first, ...rest) => el("div", {}, el("span", {}, first), ...rest);
const stem = (part) => M.color(part);

/* ---- overview */
const seconds = SET.rows.reduce((sum, row) => sum + (row.seconds || 0), 0);
const cells = KEYS.keys.length * KEYS.tracks, filled = KEYS.keys.reduce((sum, row) => sum + row.count, 0);
const failures = Object.keys(SET.problems).length + SET.unreadable.length;
const hours = seconds >= 3600 ? `${(seconds / 3600).toFixed(1)} h` : M.clock(seconds, false);
[[KEYS.tracks, KEYS.tracks === 1 ? "track" : "tracks"], [hours, "of audio"], [cells ? `${Math.round(1000 * filled / cells) / 10} %` : "–", "of all values known"],
 [KEYS.keys.reduce((sum, row) => sum + row.outliers, 0), "outliers"], [SET.texts, "tracks with texts"],
 [Object.keys(SET.excluded).length, "excluded"], [failures, "failed", failures]]
  .forEach(([value, label, warn]) => id("cards").append(el("div", { class: warn ? "warn" : null }, el("b", {}, String(value)), el("span", {}, label))));

M.fit(id("tempo"), (pen, w, h) => {
  const tempos = SET.values.bpm.filter((value) => value !== null), none = count - tempos.length;
  const low = 40, high = 220, bins = Array(36).fill(0), foot = 22;
  tempos.forEach((value) => bins[Math.min(35, Math.max(0, Math.floor((value - low) / 5)))]++);
  const top = Math.max(1, none, ...bins), step = (w - 58) / 36;
  pen.fillStyle = M.color("accent");
  bins.forEach((value, i) => { const tall = value / top * (h - foot - 8); pen.fillRect(i * step + .5, h - foot - tall, step - 1.5, tall); });
  pen.fillStyle = M.color("faint");
  const tall = none / top * (h - foot - 8);
  pen.globalAlpha = .45; pen.fillRect(w - 40, h - foot - tall, 34, tall); pen.globalAlpha = 1;
  pen.textAlign = "center";
  for (let bpm = 60; bpm <= 200; bpm += 20) pen.fillText(bpm, (bpm - low) / 5 * step, h - 6);
  pen.fillText("none", w - 23, h - 6);
});

const NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
const keyCount = (key, mode) => SET.rows.reduce((sum, row) => sum + (row.key === key && row.mode === mode), 0);
const wheel = NAMES.map((_, i) => NAMES[(i * 7) % 12]).map((major, i) => {
  const minor = NAMES[(i * 7 + 9) % 12];
  return [{ key: major, mode: "major", n: keyCount(major, "major") }, { key: minor, mode: "minor", n: keyCount(minor, "minor") }];
});
const most = Math.max(1, ...wheel.flat().map((cell) => cell.n));
const rings = (h) => [[h / 2 - 3, h / 2 - 38], [h / 2 - 40, h / 2 - 74]];
M.fit(id("keys"), (pen, w, h) => {
  wheel.forEach((pair, i) => pair.forEach((cell, ring) => {
    const [outer, inner] = rings(h)[ring], from = (i - .5) / 12 * 2 * Math.PI - Math.PI / 2, to = from + Math.PI / 6;
    pen.beginPath(); pen.arc(w / 2, h / 2, outer, from + .012, to - .012); pen.arc(w / 2, h / 2, Math.max(1, inner), to - .015, from + .015, true); pen.closePath();
    pen.fillStyle = M.color("well"); pen.fill();
    if (cell.n) { pen.globalAlpha = .18 + .82 * cell.n / most; pen.fillStyle = M.color("accent"); pen.fill(); pen.globalAlpha = 1; }
    const at = (outer + inner) / 2, angle = (from + to) / 2;
    pen.fillStyle = cell.n / most > .55 ? M.color("panel") : cell.n ? M.color("ink") : M.color("faint");
    pen.textAlign = "center"; pen.textBaseline = "middle"; pen.font = `${ring ? 10.5 : 12.5}px system-ui, sans-serif`;
    pen.fillText(cell.key + (ring ? "m" : ""), w / 2 + at * Math.cos(angle), h / 2 + at * Math.sin(angle));
  }));
});
const keyAt = (event) => {
  const box = event.currentTarget.getBoundingClientRect(), x = event.clientX - box.left - box.width / 2, y = event.clientY - box.top - box.height / 2;
  const ring = rings(box.height).findIndex(([outer, inner]) => Math.hypot(x, y) <= outer && Math.hypot(x, y) >= inner);
  return ring < 0 ? null : wheel[Math.round(((Math.atan2(y, x) + Math.PI / 2) / (2 * Math.PI) * 12 + 12)) % 12][ring];
};
id("keys").addEventListener("pointermove", (event) => { const cell = keyAt(event); M.tip(event, cell && `${cell.key} ${cell.mode}: ${cell.n} of ${count}`); });
id("keys").addEventListener("pointerleave", (event) => M.tip(event));
id("keys").addEventListener("click", (event) => { const cell = keyAt(event); if (cell && cell.n) { id("find-track").value = `${cell.key} ${cell.mode}`; list(); location.hash = "#tracks"; } });

M.fit(id("stems"), (pen, w, h) => {
  const rows = ["full_mix", ...SET.stems].map((part) => [part, byKey[part === "full_mix" ? "lufs" : "lufs_" + part]]).filter(([, row]) => row && row.count);
  const low = -50, high = 0, left = 66, x = (value) => left + (Math.max(low, value) - low) / (high - low) * (w - left - 8), step = (h - 24) / 5;
  pen.textBaseline = "middle"; pen.fillStyle = M.color("faint"); pen.textAlign = "center";
  for (let level = -50; level <= 0; level += 10) { pen.fillText(level, x(level), h - 8); pen.globalAlpha = .25; pen.fillRect(x(level), 0, 1, h - 22); pen.globalAlpha = 1; }
  rows.forEach(([part, row], i) => {
    const y = i * step + step / 2, p = row.percentiles;
    pen.textAlign = "left"; pen.fillStyle = M.color("soft"); pen.fillText(part === "full_mix" ? "mix" : part, 0, y);
    pen.fillStyle = stem(part); pen.globalAlpha = .3; pen.fillRect(x(p["5"]), y - 2, Math.max(2, x(p["95"]) - x(p["5"])), 4);
    pen.globalAlpha = .8; pen.beginPath(); pen.roundRect(x(p["25"]) - 1, y - 8, Math.max(3, x(p["75"]) - x(p["25"]) + 2), 16, 4); pen.fill();
    pen.globalAlpha = 1; pen.fillStyle = M.color("panel"); pen.fillRect(x(p["50"]) - 1, y - 8, 2, 16);
  });
});

/* ---- failures */
const problems = id("problems");
for (const [track, lines] of Object.entries(SET.problems)) lines.forEach((why) => problems.append(line(track, el("span", { class: "flag" }, why))));
SET.unreadable.forEach((why) => problems.append(line(why)));
SET.rows.forEach((row, i) => Object.entries(row.failed || {}).forEach(([stage, why]) => problems.append(line(trackLink(SET.names[i]), el("span", { class: "flag" }, `${stage}: ${why}`)))));
SET.rows.forEach((row, i) => (row.faults || []).forEach((what) => problems.append(line(trackLink(SET.names[i]), el("span", { class: "flag" }, what)))));
for (const [stage, methods] of Object.entries(SET.mixed))
  problems.append(line(`${stage}: made by different methods, so its values are not comparable`, el("span", { class: "number" }, Object.entries(methods).map(([method, n]) => `${method} ${n}`).join(", "))));
KEYS.keys.filter((row) => row.outside > 0).forEach((row) => problems.append(line(`${row.key}: ${number(100 * row.outside, 2)} % of the values are outside ${number(row.valid[0])} to ${number(row.valid[1])}`)));
for (const [track, why] of Object.entries(SET.excluded)) problems.append(line(`${track} is excluded`, el("span", { class: "number" }, why)));
id("failures").hidden = !problems.children.length;

/* ---- map */
const numeric = KEYS.keys.filter((row) => M.drawable(row));
for (const [menu, chosen] of [["map-x", "bpm"], ["map-y", "lufs"], ["map-c", "danceability"]]) {
  const select = id(menu);
  if (menu === "map-c") select.append(el("option", { value: "" }, "none"));
  numeric.forEach((row) => select.append(el("option", { value: row.key, selected: row.key === chosen }, row.key)));
  select.addEventListener("change", () => id("map-canvas").redraw());
}
const inset = 44, air = 14; // margins for the axis labels, and between the dots and the frame
const spot = (row, value, length, up) => {
  const p = Math.min(1, Math.max(0, M.place(row, value)));
  return up ? length - inset - air - p * (length - inset - 8 - 2 * air) : inset + air + p * (length - inset - 14 - 2 * air);
};
M.fit(id("map-canvas"), (pen, w, h) => {
  const X = byKey[id("map-x").value], Y = byKey[id("map-y").value], C = byKey[id("map-c").value];
  if (!X || !Y) return;
  pen.strokeStyle = M.color("line"); pen.strokeRect(inset - .5, 8.5, w - inset - 14, h - inset - 8);
  pen.fillStyle = M.color("faint"); pen.textAlign = "left";
  const [[x0, x1], [y0, y1]] = [M.ends(X), M.ends(Y)];
  pen.fillText(number(x0, 3), inset, h - 14); pen.textAlign = "right"; pen.fillText(number(x1, 3), w - 14, h - 14);
  pen.fillText(number(y0, 3), inset - 6, h - inset + 8); pen.fillText(number(y1, 3), inset - 6, 18);
  pen.textAlign = "center"; pen.fillStyle = M.color("soft"); pen.fillText(`${X.key} (${X.unit})`, w / 2, h - 14);
  const radius = count > 3000 ? 2 : count > 300 ? 3.5 : 6;
  let shown = 0;
  for (let i = 0; i < count; i++) {
    const x = SET.values[X.key][i], y = SET.values[Y.key][i];
    if (x === null || y === null) continue;
    shown++;
    const c = C && SET.values[C.key][i];
    pen.fillStyle = C ? (c === null ? M.color("faint") : `hsl(${Math.round(250 - 220 * Math.min(1, Math.max(0, M.place(C, c))))} 68% 56%)`) : M.color("accent");
    pen.globalAlpha = .75; pen.beginPath(); pen.arc(spot(X, x, w), spot(Y, y, h, true), radius, 0, 7); pen.fill();
  }
  pen.globalAlpha = 1;
  id("map-count").textContent = `${shown} of ${count} have both values`;
});
const nearest = (event) => {
  const box = event.currentTarget.getBoundingClientRect(), X = byKey[id("map-x").value], Y = byKey[id("map-y").value];
  let best = -1, least = 14;
  for (let i = 0; i < count; i++) {
    const x = SET.values[X.key][i], y = SET.values[Y.key][i];
    if (x === null || y === null) continue;
    const far = Math.hypot(spot(X, x, box.width) - event.clientX + box.left, spot(Y, y, box.height, true) - event.clientY + box.top);
    if (far < least) { least = far; best = i; }
  }
  return best;
};
id("map-canvas").addEventListener("pointermove", (event) => {
  const i = nearest(event), [X, Y] = [id("map-x").value, id("map-y").value];
  M.tip(event, i >= 0 && `${name(i)}\n${X} ${number(SET.values[X][i])}, ${Y} ${number(SET.values[Y][i])}`);
});
id("map-canvas").addEventListener("pointerleave", (event) => M.tip(event));
id("map-canvas").addEventListener("click", (event) => { const i = nearest(event); if (i >= 0) open(i); });

/* ---- distributions */
const modules = [...new Set(KEYS.keys.map((row) => row.module))];
let selected = "";
const cards = KEYS.keys.map((row) => {
  const flags = row.constant ? "constant" : !row.count ? "no values" : row.outliers ? `${row.outliers} outlier${row.outliers > 1 ? "s" : ""}` : "";
  const canvas = el("canvas");
  const p = row.percentiles || {};
  const card = el("button", { class: "key", onclick: () => detail(row) }, el("b", {}, row.key), canvas,
    el("small", {}, el("span", {}, row.count ? number(M.ends(row)[0], 3) : ""), row.count && !row.constant ? el("span", {}, number(p["50"], 3)) : el("em", {}, flags), el("span", {}, row.count ? number(M.ends(row)[1], 3) : "")));
  if (row.count && flags && !row.constant) card.querySelector("b").append(" ", el("em", {}, flags));
  if (M.drawable(row)) M.fit(canvas, (pen, w, h) => M.bars(pen, w, h, row)); else canvas.style.visibility = "hidden";
  id("grid").append(card);
  return [row, card];
});
const filter = () => {
  const wanted = id("find-key").value.toLowerCase();
  cards.forEach(([row, card]) => { card.hidden = (selected && row.module !== selected) || !(row.key + " " + row.description).toLowerCase().includes(wanted); });
};
["all", ...modules].forEach((label) => id("modules").append(el("button", { "aria-pressed": String(label === "all"), onclick(event) {
  selected = label === "all" ? "" : label;
  id("modules").querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", String(button === event.currentTarget)));
  filter();
} }, label)));
id("find-key").addEventListener("input", filter);

function detail(row) {
  const box = id("detail"), canvas = el("canvas"), p = row.percentiles || {}, range = row.range || {};
  const cell = (label, value) => el("div", {}, el("span", {}, label), number(value));
  box.replaceChildren(el("button", { class: "ghost close", "aria-label": "Close", onclick: () => box.close() }, "✕"), el("h2", {}, row.key), el("p", { class: "hint" }, `${row.description} (${row.unit})`));
  if (M.drawable(row)) { box.append(canvas); }
  box.append(el("div", { class: "numbers" }, cell("known values", row.count), ...Object.entries(p).sort(([a], [b]) => a - b).map(([q, value]) => cell("P" + q, value)), cell("mean", row.mean), cell("deviation", row.std),
    cell("minimum", row.low), cell("maximum", row.high), cell("conditioner min", range.min_val), cell("conditioner max", range.max_val), cell("VIF", row.vif)));
  const rest = el("div", { class: "list" });
  Object.entries(row.nulls).forEach(([why, n]) => rest.append(line(why, el("span", { class: "number" }, `${n} ×`))));
  row.alike.forEach(([other, r]) => rest.append(line(`nearly the same as ${other}`, el("span", { class: "number" }, `r = ${number(r, 3)}`))));
  row.extreme.forEach(([track, value]) => rest.append(line(trackLink(track), el("span", { class: "number" }, `outlier, ${number(value)}`))));
  box.append(rest);
  box.showModal();
  if (M.drawable(row)) M.fit(canvas, (pen, w, h) => M.bars(pen, w, h, row));
}
id("detail").addEventListener("click", (event) => { if (event.target === id("detail")) id("detail").close(); });

/* ---- correlation */
const side = KEYS.keys.length, related = new Int8Array(M.bytes(SET.related).buffer);
const margin = 90; // for the names of the modules
M.fit(id("matrix"), (pen, w) => {
  const step = (w - margin) / side, warm = M.color("drums"), cool = M.color("accent");
  for (let i = 0; i < side; i++) for (let j = 0; j < side; j++) {
    const r = related[i * side + j];
    if (r === -128) continue;
    pen.globalAlpha = Math.min(1, Math.abs(r) / 100) ** 1.4; pen.fillStyle = r > 0 ? cool : warm;
    pen.fillRect(margin + j * step, i * step, step + .4, step + .4);
  }
  pen.globalAlpha = 1; pen.textAlign = "right"; pen.textBaseline = "middle";
  modules.forEach((label) => {
    const first = KEYS.keys.findIndex((row) => row.module === label), size = KEYS.keys.filter((row) => row.module === label).length;
    pen.fillStyle = M.color("soft"); pen.fillText(label, margin - 8, (first + size / 2) * step);
    pen.fillStyle = M.color("line");
    if (first) { pen.fillRect(margin, first * step - .5, w - margin, 1); pen.fillRect(margin + first * step - .5, 0, 1, w - margin); }
  });
});
id("matrix").addEventListener("pointermove", (event) => {
  const box = event.currentTarget.getBoundingClientRect(), step = (box.width - margin) / side, j = Math.floor((event.clientX - box.left - margin) / step), i = Math.floor((event.clientY - box.top) / step);
  if (i < 0 || j < 0 || i >= side || j >= side) return M.tip(event);
  const r = related[i * side + j];
  M.tip(event, `${KEYS.keys[i].key}\n${KEYS.keys[j].key}\n${r === -128 ? "too few tracks, or no variation" : "r = " + (r / 100).toFixed(2)}`);
});
id("matrix").addEventListener("pointerleave", (event) => M.tip(event));
const listed = new Set();
KEYS.keys.forEach((row) => row.alike.forEach(([other, r]) => {
  const pair = [row.key, other].sort().join(" · ");
  if (!listed.has(pair)) { listed.add(pair); id("alike").append(line(pair, el("span", { class: "number" }, `r = ${number(r, 3)}`))); }
}));
KEYS.keys.filter((row) => row.vif > 10).sort((a, b) => b.vif - a.vif).slice(0, 30).forEach((row) => id("alike").append(line(row.key, el("span", { class: "number" }, `VIF ${number(row.vif, 3)}`))));
const strongest = [];
for (let i = 0; i < side; i++) for (let j = 0; j < i; j++) if (related[i * side + j] !== -128) strongest.push([Math.abs(related[i * side + j]), i, j]);
strongest.sort((a, b) => b[0] - a[0]).slice(0, 12).forEach(([, i, j]) => id("strongest").append(line(`${KEYS.keys[j].key} · ${KEYS.keys[i].key}`, el("span", { class: "number" }, `r = ${(related[i * side + j] / 100).toFixed(2)}`))));
if (!strongest.length) id("strongest").append(line("Correlations need at least 8 tracks."));
if (!id("alike").children.length) id("alike").append(line(KEYS.tracks < 8 ? "Correlations need at least 8 tracks." : "No two features are nearly the same."));

/* ---- coverage */
const reasons = {};
KEYS.keys.forEach((row) => Object.entries(row.nulls).forEach(([why, n]) => { reasons[why] = (reasons[why] || 0) + n; }));
modules.forEach((label) => {
  const rows = KEYS.keys.filter((row) => row.module === label), share = KEYS.tracks ? rows.reduce((sum, row) => sum + row.count, 0) / rows.length / KEYS.tracks : 0;
  const bar = el("i"); bar.style.width = 100 * share + "%";
  id("covered").append(line(`${label}, ${rows.length} features`, el("span", { class: "meter" }, bar), el("span", { class: "number" }, `${(100 * share).toFixed(1)} %`)));
});
Object.entries(reasons).sort((a, b) => b[1] - a[1]).slice(0, 14).forEach(([why, n]) => id("nulls").append(line(why, el("span", { class: "number" }, `${n} ×`))));
if (!id("nulls").children.length) id("nulls").append(line("All values are known."));
Object.entries(SET.methods).filter(([, methods]) => Object.keys(methods).some((method) => method !== "none")).forEach(([stage, methods]) =>
  id("methods").append(line(stage, el("span", { class: "number" }, Object.entries(methods).map(([method, n]) => `${method} ${n}`).join(", ")))));

/* ---- texts, loaded when they come into view */
const texts = () => {
  const wanted = id("find-text").value.toLowerCase(), found = TEXTS.filter((row) => Object.entries(row).some(([field, text]) => field !== "track" && text.toLowerCase().includes(wanted)));
  id("texts-count").textContent = `${found.length} of ${count} tracks`;
  id("texts-list").replaceChildren(...found.slice(0, 40).map((row) => {
    const [field, text] = Object.entries(row).find(([field, text]) => field !== "track" && (!wanted || text.toLowerCase().includes(wanted)));
    return line(el("span", {}, el("a", { href: link(row.track) }, name(row.track)), el("br"), text), el("span", { class: "number" }, field.replace("music_flamingo_", "")));
  }));
};
if (SET.texts) {
  new IntersectionObserver((entries, watch) => {
    if (!entries[0].isIntersecting) return;
    watch.disconnect();
    document.body.append(el("script", { src: "data/texts.js", onload: texts }));
  }, { rootMargin: "400px" }).observe(id("texts"));
  id("find-text").addEventListener("input", () => window.TEXTS && texts());
} else id("texts-list").append(line("This data set has no texts.")), id("find-text").hidden = true;

/* ---- tracks: rows are added while scrolling */
const COLUMNS = [["Track", (i) => name(i).toLowerCase()], ["length", (i) => SET.rows[i].seconds, (v) => M.clock(v, false)], ["tempo", (i) => SET.values.bpm[i], (v) => v.toFixed(1)],
  ["key", (i) => SET.rows[i].key && `${SET.rows[i].key} ${SET.rows[i].mode || ""}`], ["meter", (i) => SET.rows[i].meter], ["LUFS", (i) => SET.values.lufs[i], (v) => v.toFixed(1)],
  ["LRA", (i) => SET.values.lra[i], (v) => v.toFixed(1)], ["danceability", (i) => SET.values.danceability[i], (v) => v.toFixed(2)], ["brightness", (i) => SET.values.brightness[i], (v) => v.toFixed(0)],
  ["known", (i) => KEYS.keys.filter((row) => SET.values[row.key][i] !== null).length]];
let sorted = 0, down = false, rows = [], made = 0;
const head = el("tr");
COLUMNS.forEach(([label], j) => head.append(el("th", { scope: "col", tabindex: 0, onclick() { down = sorted === j ? !down : j > 0; sorted = j; list(); } }, label)));
id("table").tHead.append(head);
function list() {
  const wanted = id("find-track").value.toLowerCase().split(/\s+/).filter(Boolean), value = COLUMNS[sorted][1];
  const all = (i) => { const row = SET.rows[i]; return `${name(i)} ${SET.names[i]} ${row.genre || ""} ${row.key || ""} ${row.mode || ""}`.toLowerCase(); };
  rows = [...Array(count).keys()].filter((i) => { const text = all(i); return wanted.every((word) => text.includes(word)); });
  const known = rows.map((i) => [i, value(i)]);
  known.sort(([, a], [, b]) => (a === null || a === undefined) - (b === null || b === undefined) || (down ? -1 : 1) * (a < b ? -1 : a > b ? 1 : 0));
  rows = known.map(([i]) => i);
  [...head.children].forEach((cell, j) => j === sorted ? cell.setAttribute("aria-sort", down ? "descending" : "ascending") : cell.removeAttribute("aria-sort"));
  id("tracks-count").textContent = KEYS.tracks > count ? `${rows.length} of the first ${count} of ${KEYS.tracks}` : `${rows.length} of ${count}`;
  made = 0; id("table").tBodies[0].replaceChildren(); more();
}
function more() {
  rows.slice(made, made + 100).forEach((i) => id("table").tBodies[0].append(el("tr", {}, ...COLUMNS.map(([, value, format], j) => {
    if (!j) return el("td", {}, link(i) ? el("a", { href: link(i) }, name(i)) : name(i));
    const v = value(i);
    return el("td", {}, v === null || v === undefined ? "–" : format ? format(v) : String(v));
  }))));
  made = Math.min(rows.length, made + 100);
}
document.querySelector(".scroll").addEventListener("scroll", (event) => { const box = event.currentTarget; if (box.scrollTop + box.clientHeight > box.scrollHeight - 400) more(); });
id("find-track").addEventListener("input", list);
list();
})();
