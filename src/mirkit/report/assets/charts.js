"use strict";
/* The charts of a data set. Dragging over a chart filters the list of tracks (L); what the filter leaves stands out. */
(() => {
const { el, id, number } = M, { byKey, known } = L, count = SET.names.length;
/* Below this number of tracks a chart shows each of them instead of a histogram. */
const FEW = 30, isFew = KEYS.tracks < FEW;
const line = (first, ...rest) => el("div", {}, el("span", {}, first), ...rest);
const charts = [];
/* Draw again when the filter changes. */
const chart = (canvas, draw) => { M.fit(canvas, draw); charts.push(canvas); };
L.onChange(() => charts.forEach((canvas) => canvas.redraw()));
const veil = (pen, from, to, top, bottom) => { pen.globalAlpha = .16; pen.fillStyle = M.color("accent"); pen.fillRect(Math.min(from, to), top, Math.abs(to - from), bottom - top); pen.globalAlpha = 1; };

/* ---- tempo */
const tempi = SET.values.bpm || [], steady = tempi.filter(known), WIDTH = 5, foot = 22, gutter = 30;
const lowest = Math.floor(Math.min(60, ...steady) / 20) * 20, highest = Math.ceil(Math.max(180, ...steady) / 20) * 20;
const tempoX = (bpm, w) => gutter + (bpm - lowest) / (highest - lowest) * (w - gutter - 14), tempoAt = (x, w) => lowest + (x - gutter) / (w - gutter - 14) * (highest - lowest);
const bins = (tracks) => { const found = Array((highest - lowest) / WIDTH).fill(0); tracks.forEach((i) => { if (known(tempi[i])) found[Math.min(found.length - 1, Math.floor((tempi[i] - lowest) / WIDTH))]++; }); return found; };
const everyBin = bins(SET.names.map((_, i) => i));
let tempoDrag = null;
chart(id("tempo"), (pen, w, h) => {
  const most = Math.max(1, ...everyBin), base = h - foot, some = bins(L.rows()), y = (n) => base - n / most * (base - 10);
  pen.fillStyle = M.color("faint"); pen.textAlign = "center";
  M.ticks(lowest, highest, w / 40).forEach((bpm) => pen.fillText(bpm, tempoX(bpm, w), h - 5));
  pen.textAlign = "right";
  if (isFew) {
    const order = tempi.map((bpm, i) => [bpm, i]).filter(([bpm]) => known(bpm)).sort(([a], [b]) => a - b), radius = 5;
    const placed = M.dots(order.map(([bpm]) => (bpm - lowest) / (highest - lowest)), w - gutter - 14, radius);
    pen.fillStyle = M.color("line"); pen.fillRect(gutter, base, w - gutter - 14, 1);
    placed.forEach(([x, up], n) => { pen.fillStyle = M.color(L.shows(order[n][1]) ? "accent" : "shape"); pen.beginPath(); pen.arc(gutter + x, base - radius - 2 - up * (2 * radius + 1), radius, 0, 7); pen.fill(); });
  } else {
    M.ticks(0, most, 4).filter((n) => Number.isInteger(n)).forEach((n) => { pen.fillStyle = M.color("faint"); pen.fillText(n, gutter - 6, y(n) + 4); pen.fillStyle = M.color("line"); pen.fillRect(gutter, Math.round(y(n)), w - gutter - 14, 1); });
    [[everyBin, "shape"], [some, "accent"]].forEach(([rows, color]) => { pen.fillStyle = M.color(color); rows.forEach((n, i) => { const left = tempoX(lowest + i * WIDTH, w); pen.fillRect(left + .5, y(n), tempoX(lowest + (i + 1) * WIDTH, w) - left - 1, base - y(n)); }); });
  }
  if (tempoDrag) veil(pen, tempoDrag[0], tempoDrag[1], 0, base);
});
M.hover(id("tempo"), (x, y, w) => {
  const bpm = tempoAt(x, w);
  if (bpm < lowest || bpm > highest) return "";
  if (isFew) { const near = tempi.map((v, i) => [Math.abs(v - bpm), i]).filter(([, i]) => known(tempi[i])).sort(([a], [b]) => a - b)[0]; return near && near[0] < 6 ? `${L.title(near[1])}\n${M.fixed(tempi[near[1]], 1)} BPM` : ""; }
  const i = Math.min(everyBin.length - 1, Math.floor((bpm - lowest) / WIDTH));
  return `${lowest + i * WIDTH} to ${lowest + (i + 1) * WIDTH} BPM\n${M.counted(everyBin[i], "track")}`;
});
M.brush(id("tempo"), {
  drag: (from, to) => { tempoDrag = from && [from[0], to[0]]; id("tempo").redraw(); },
  done: (from, to) => L.keep("bpm", [from[0], to[0]].sort((a, b) => a - b).map((x) => Math.round(tempoAt(x, from[2]) * 10) / 10)),
  click: (x, y, w) => { const i = Math.floor((tempoAt(x, w) - lowest) / WIDTH); if (everyBin[i]) L.keep("bpm", [lowest + i * WIDTH, lowest + (i + 1) * WIDTH]); },
});
const unsteady = count - steady.length;
if (unsteady) id("no-tempo").append(el("button", { type: "button", class: "textual", onclick: () => L.keep("bpm", null) }, `${M.counted(unsteady, "track")} without a steady tempo`));
const fullest = everyBin.indexOf(Math.max(...everyBin));
id("tempo").setAttribute("aria-label", steady.length ? `Tempo of ${M.counted(steady.length, "track")}: from ${number(Math.min(...steady))} to ${number(Math.max(...steady))} BPM, most between ${lowest + fullest * WIDTH} and ${lowest + (fullest + 1) * WIDTH} BPM.` : "No track has a steady tempo.");

/* ---- circle of fifths */
const NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
const spelled = (tonic, mode) => KEYS.spelled[`${tonic} ${mode}`];
const wheel = NAMES.map((_, i) => ["major", "minor"].map((mode) => spelled(NAMES[(i * 7 + (mode === "minor" ? 9 : 0)) % 12], mode)));
const tally = (tracks) => { const found = new Map(); tracks.forEach((i) => { const key = L.keyOf(i); if (key) found.set(key, (found.get(key) || 0) + 1); }); return found; };
const everyKey = tally(SET.names.map((_, i) => i)), mostKeys = Math.max(1, ...everyKey.values());
const rings = (h) => [[h / 2 - 2, h / 2 - 42], [h / 2 - 44, h / 2 - 84]];
chart(id("keys"), (pen, w, h) => {
  const some = tally(L.rows());
  wheel.forEach((pair, i) => pair.forEach((key, ring) => {
    const [outer, inner] = rings(h)[ring], from = (i - .5) / 12 * 2 * Math.PI - Math.PI / 2, to = from + Math.PI / 6, n = some.get(key) || 0, all = everyKey.get(key) || 0;
    pen.beginPath(); pen.arc(w / 2, h / 2, outer, from + .012, to - .012); pen.arc(w / 2, h / 2, Math.max(1, inner), to - .015, from + .015, true); pen.closePath();
    pen.fillStyle = M.color("well"); pen.fill();
    const share = n && .2 + .8 * n / mostKeys;
    if (n) { pen.globalAlpha = share; pen.fillStyle = M.color("accent"); pen.fill(); pen.globalAlpha = 1; }
    const at = (outer + inner) / 2, angle = (from + to) / 2;
    pen.fillStyle = all ? M.readable(M.color("accent"), M.color("well"), share, [M.color("ink"), M.color("panel")]) : M.color("faint");
    pen.textAlign = "center"; pen.textBaseline = "middle"; pen.font = `${all ? 600 : 400} ${ring ? 11.5 : 13}px system-ui, sans-serif`;
    pen.fillText(L.shortKey(key), w / 2 + at * Math.cos(angle), h / 2 + at * Math.sin(angle));
  }));
});
const keyAt = (x, y, w, h) => {
  const away = Math.hypot(x - w / 2, y - h / 2), ring = rings(h).findIndex(([outer, inner]) => away <= outer && away >= inner);
  return ring < 0 ? null : wheel[Math.round((Math.atan2(y - h / 2, x - w / 2) + Math.PI / 2) / (2 * Math.PI) * 12 + 12) % 12][ring];
};
M.hover(id("keys"), (x, y, w, h) => { const key = keyAt(x, y, w, h); return key && `${key}\n${M.counted(everyKey.get(key) || 0, "track")}`; });
id("keys").addEventListener("click", (event) => {
  const box = id("keys").getBoundingClientRect(), key = keyAt(event.clientX - box.left, event.clientY - box.top, box.width, box.height);
  if (!key || !everyKey.get(key)) return;
  if (L.filter.keys.has(key)) L.filter.keys.delete(key); else L.filter.keys.add(key);
  L.update();
});
const byCount = [...everyKey].sort(([, a], [, b]) => b - a);
id("keys").setAttribute("aria-label", byCount.length ? `Keys: ${byCount.slice(0, 6).map(([key, n]) => `${key} ${n}`).join(", ")}.` : "No key is known.");
const keyless = count - [...everyKey.values()].reduce((sum, n) => sum + n, 0);
id("no-key").textContent = keyless ? `${M.counted(keyless, "track")} without a key.` : "";

/* ---- loudness of mix and stems */
const parts = ["full_mix", ...SET.stems].map((part) => [part, byKey[part === "full_mix" ? "lufs" : "lufs_" + part]]).filter(([, row]) => row && row.count);
const partName = (part) => part === "full_mix" ? "mix" : part;
const quietest = Math.max(-60, Math.floor(Math.min(-30, ...parts.map(([, row]) => row.percentiles["5"])) / 10) * 10);
const partX = (value, w) => 58 + (Math.max(quietest, value) - quietest) / -quietest * (w - 68);
if (parts.length) M.fit(id("stems"), (pen, w, h) => {
  const step = (h - 24) / parts.length;
  pen.textBaseline = "middle"; pen.textAlign = "center";
  M.ticks(quietest, 0, w / 50).forEach((level) => { pen.fillStyle = M.color("faint"); pen.fillText(number(level), partX(level, w), h - 8); pen.fillStyle = M.color("line"); pen.fillRect(Math.round(partX(level, w)), 0, 1, h - 20); });
  parts.forEach(([part, row], i) => {
    const y = i * step + step / 2, p = row.percentiles;
    pen.textAlign = "left"; pen.fillStyle = M.color("ink"); pen.fillText(partName(part), 0, y);
    pen.fillStyle = M.color(part);
    if (isFew) { row.rug.forEach((value) => { pen.globalAlpha = .65; pen.beginPath(); pen.arc(partX(value, w), y, 5, 0, 7); pen.fill(); }); pen.globalAlpha = 1; return; }
    pen.globalAlpha = .45; pen.fillRect(partX(p["5"], w), y - 2, Math.max(2, partX(p["95"], w) - partX(p["5"], w)), 4);
    pen.globalAlpha = 1; pen.beginPath(); pen.roundRect(partX(p["25"], w) - 1, y - 8, Math.max(3, partX(p["75"], w) - partX(p["25"], w) + 2), 16, 4); pen.fill();
    pen.fillStyle = M.color("panel"); pen.fillRect(partX(p["50"], w) - 1, y - 8, 2, 16);
  });
});
const partText = ([part, row]) => { const p = row.percentiles; return `${partName(part)}: median ${number(p["50"], 3)} LUFS, 5 to 95 % ${number(p["5"], 3)} to ${number(p["95"], 3)}`; };
M.hover(id("stems"), (x, y, w, h) => { const found = parts[Math.floor(y / ((h - 24) / parts.length))]; return found && `${partText(found)}\n${M.counted(found[1].count, "track")}`; });
id("stems").setAttribute("aria-label", `Loudness. ${parts.map(partText).join("; ")}.`);
if (parts.length === 1) id("stems").style.height = "70px";
id("stems").closest("figure").hidden = !parts.length;
if (isFew) id("stems-hint").textContent = "LUFS, one dot per track.";

/* ---- map */
const numeric = KEYS.keys.filter((row) => M.drawable(row)), modules = [...new Set(KEYS.keys.map((row) => row.module))];
const chosenOr = (key, other) => numeric.some((row) => row.key === key) ? key : numeric[other] ? numeric[other].key : "";
for (const [menu, start] of [["map-x", chosenOr("bpm", 0)], ["map-y", chosenOr("lufs", 1)], ["map-c", chosenOr("danceability", 2)]]) {
  const select = id(menu);
  if (menu === "map-c") select.append(el("option", { value: "" }, "none"));
  modules.forEach((module) => { const rows = numeric.filter((row) => row.module === module); if (rows.length) select.append(el("optgroup", { label: module }, ...rows.map((row) => el("option", { value: row.key }, row.key)))); });
  select.value = start;
  select.addEventListener("change", () => id("map-canvas").redraw());
}
/* A ramp of even lightness steps that color-blind readers can order: blue, teal, yellow (dark to light, or the middle of it). */
const RAMP = [[68, 57, 131], [49, 104, 142], [33, 145, 140], [53, 183, 121], [144, 215, 67], [240, 228, 66]];
const ramp = (place) => {
  const [low, high] = M.isDark() ? [.16, 1] : [0, .8], at = (low + (high - low) * Math.min(1, Math.max(0, place))) * (RAMP.length - 1), i = Math.min(RAMP.length - 2, Math.floor(at));
  return `rgb(${RAMP[i].map((c, n) => Math.round(c + (RAMP[i + 1][n] - c) * (at - i))).join(" ")})`;
};
const pad = { left: 58, right: 16, top: 12, bottom: 44 };
const inner = (w, h) => [w - pad.left - pad.right - 20, h - pad.top - pad.bottom - 20];
const spotX = (row, value, w, h) => pad.left + 10 + Math.min(1, Math.max(0, M.place(row, value))) * inner(w, h)[0];
const spotY = (row, value, w, h) => h - pad.bottom - 10 - Math.min(1, Math.max(0, M.place(row, value))) * inner(w, h)[1];
const axes = () => [byKey[id("map-x").value], byKey[id("map-y").value], byKey[id("map-c").value]];
const axisTicks = (row, many) => { const [low, high] = M.ends(row); return high > low ? M.ticks(low, high, many) : [low]; };
let mapDrag = null;
chart(id("map-canvas"), (pen, w, h) => {
  const [X, Y, C] = axes();
  if (!X || !Y) return;
  const keys = [X.key, Y.key, ...(C ? [C.key] : [])];
  if (!keys.every(L.column)) { L.need(keys, () => id("map-canvas").redraw()); return; }
  pen.strokeStyle = M.color("line"); pen.strokeRect(pad.left + .5, pad.top + .5, w - pad.left - pad.right, h - pad.top - pad.bottom);
  pen.textAlign = "center"; pen.textBaseline = "alphabetic";
  axisTicks(X, w / 90).forEach((v) => { const x = spotX(X, v, w, h); pen.fillStyle = M.color("line"); pen.fillRect(Math.round(x), pad.top, 1, h - pad.top - pad.bottom); pen.fillStyle = M.color("faint"); pen.fillText(number(v), x, h - pad.bottom + 16); });
  pen.textAlign = "right";
  axisTicks(Y, h / 60).forEach((v) => { const y = spotY(Y, v, w, h); pen.fillStyle = M.color("line"); pen.fillRect(pad.left, Math.round(y), w - pad.left - pad.right, 1); pen.fillStyle = M.color("faint"); pen.fillText(number(v), pad.left - 7, y + 4); });
  pen.fillStyle = M.color("ink"); pen.textAlign = "center"; pen.fillText(X.key + (M.unit(X.unit) && ` (${X.unit})`), (w + pad.left) / 2, h - 6);
  pen.save(); pen.translate(13, (h - pad.bottom) / 2); pen.rotate(-Math.PI / 2); pen.fillText(Y.key + (M.unit(Y.unit) && ` (${Y.unit})`), 0, 0); pen.restore();
  const radius = count > 3000 ? 2 : count > 300 ? 3.5 : 6, xs = L.column(X.key), ys = L.column(Y.key), cs = C && L.column(C.key), plain = M.color("accent"), none = M.color("faint"), out = M.color("shape");
  let shown = 0;
  for (const front of [false, true]) for (let i = 0; i < count; i++) {
    if (xs[i] === null || ys[i] === null || L.shows(i) !== front) continue;
    shown++;
    pen.fillStyle = !front ? out : !C ? plain : cs[i] === null ? none : ramp(M.place(C, cs[i]));
    pen.globalAlpha = front ? .85 : .35; pen.beginPath(); pen.arc(spotX(X, xs[i], w, h), spotY(Y, ys[i], w, h), radius, 0, 7); pen.fill();
  }
  pen.globalAlpha = 1;
  if (mapDrag) { const [[x0, y0], [x1, y1]] = mapDrag; veil(pen, x0, x1, Math.min(y0, y1), Math.max(y0, y1)); }
  id("map-count").textContent = shown === count ? "" : `${shown} of ${count} tracks have both values.`;
  id("map-canvas").setAttribute("aria-label", `Map of ${M.counted(shown, "track")}: ${X.key} across, ${Y.key} upward${C ? `, colored by ${C.key}` : ""}.`);
  const legend = id("map-legend"), ends = C && M.ends(C);
  legend.hidden = !C;
  if (C) legend.replaceChildren(number(ends[0], 3), Object.assign(el("i"), { style: `background: linear-gradient(90deg, ${[0, .25, .5, .75, 1].map(ramp).join(", ")})` }), number(ends[1], 3) + M.unit(C.unit));
});
const nearest = (x, y, w, h) => {
  const [X, Y] = axes(), xs = X && L.column(X.key), ys = Y && L.column(Y.key);
  let best = -1, least = 14;
  if (xs && ys) for (let i = 0; i < count; i++) {
    if (xs[i] === null || ys[i] === null) continue;
    const far = Math.hypot(spotX(X, xs[i], w, h) - x, spotY(Y, ys[i], w, h) - y);
    if (far < least) { least = far; best = i; }
  }
  return best;
};
M.hover(id("map-canvas"), (...at) => { const i = nearest(...at); return i < 0 ? "" : [L.title(i), L.under(i), ...axes().filter(Boolean).map((row) => `${row.key} ${number(L.value(row.key, i))}${M.unit(row.unit)}`)].filter(Boolean).join("\n"); });
M.brush(id("map-canvas"), {
  drag: (from, to) => { mapDrag = from && [from, to]; id("map-canvas").redraw(); },
  done: (from, to) => {
    const [X, Y] = axes(), [wide, tall] = inner(from[2], from[3]), span = (row, a, b) => [a, b].sort((p, q) => p - q).map((p, n) => n ? (p >= 1 ? Infinity : M.valueAt(row, p)) : p <= 0 ? -Infinity : M.valueAt(row, p));
    const across = [from[0], to[0]].map((x) => (x - pad.left - 10) / wide), up = [from[1], to[1]].map((y) => (from[3] - pad.bottom - 10 - y) / tall);
    L.filter.ranges.set(X.key, span(X, ...across)); L.keep(Y.key, span(Y, ...up));
  },
  click: (...at) => { const i = nearest(...at); if (i >= 0 && L.link(i)) location.href = L.link(i); },
});
document.querySelector("[data-view=map]").classList.toggle("bare", numeric.length < 2);

/* ---- distributions, folded by group */
const grid = id("grid");
if (isFew) id("few").textContent = `${M.counted(KEYS.tracks, "track")}: too few for outliers and for ranges of conditioners. Each dot is a track.`;
const flags = (row) => row.constant ? "constant" : !isFew && row.outliers ? M.counted(row.outliers, "outlier") : "";
const groups = modules.map((module, n) => {
  const rows = KEYS.keys.filter((row) => row.module === module), some = rows.filter((row) => row.count);
  const reasons = {};
  rows.forEach((row) => Object.entries(row.nulls).forEach(([why, times]) => { reasons[why] = (reasons[why] || 0) + times; }));
  const why = Object.entries(reasons).sort(([, a], [, b]) => b - a)[0];
  const cards = some.map((row) => {
    const canvas = el("canvas", { "aria-hidden": "true" }), p = row.percentiles || {}, flag = flags(row), ends = M.drawable(row) ? M.ends(row) : [row.low, row.high];
    const card = el("button", { type: "button", class: "key", onclick: () => detail(row) }, el("b", {}, ...M.breakable(row.key)), canvas,
      el("small", {}, el("span", {}, row.constant ? "" : number(ends[0], 3)), el("span", {}, `${row.constant ? "always" : "median"} ${number(p["50"], 3)}`), el("span", {}, row.constant ? "" : number(ends[1], 3))),
      el("span", { class: "remark" }, row.coverage < 1 ? `${number(100 * row.coverage, 3)} % known ` : null, flag ? el("em", {}, flag) : null));
    if (M.drawable(row)) { M.fit(canvas, (pen, w, h) => M.shape(pen, w, h, row)); M.hover(canvas, (x, y, w) => M.shapeTip(row, x, w)); } else canvas.style.visibility = "hidden";
    return [row, card];
  });
  const missing = rows.filter((row) => !row.count);
  const note = missing.length ? el("p", { class: "hint" }, `${some.length ? `Not known of any track: ${missing.map((row) => row.key).join(", ")}` : "Not known of any track"}${why ? ` (${why[0]})` : ""}.${why && why[0] === "not measured" ? " Measure it, in the folder of the tracks, with: mirkit run ." : ""}`) : null;
  const box = el("details", { class: "group" }, el("summary", {}, el("h3", {}, module), el("span", { class: "hint" }, [M.counted(rows.length, "value"), missing.length ? `${missing.length} not known` : "", cards.filter(([row]) => flags(row)).length ? `${cards.filter(([row]) => flags(row)).length} flagged` : ""].filter(Boolean).join(" · "))),
    el("div", { class: "grid" }, ...cards.map(([, card]) => card)), note);
  box.open = n === 0;
  grid.append(box);
  return [box, cards, rows];
});
id("find-key").addEventListener("input", () => {
  const wanted = id("find-key").value.trim().toLowerCase(), fits = (row) => `${row.key} ${row.description} ${row.module}`.toLowerCase().includes(wanted);
  let any = false;
  groups.forEach(([box, cards, rows], n) => {
    cards.forEach(([row, card]) => { card.hidden = Boolean(wanted) && !fits(row); });
    box.hidden = Boolean(wanted) && !rows.some(fits); any ||= !box.hidden;
    box.open = wanted ? !box.hidden : n === 0;
  });
  id("no-feature").hidden = any;
});
id("unfold").addEventListener("click", () => { const open = groups.some(([box]) => !box.open); groups.forEach(([box]) => { box.open = open; }); id("unfold").textContent = open ? "Fold all" : "Unfold all"; });

function detail(row) {
  const canvas = el("canvas", { role: "img", "aria-label": `Distribution of ${row.key}`, class: "h180" }), p = row.percentiles || {}, range = (!isFew && row.range) || null;
  const cell = (label, value) => known(value) ? el("div", {}, el("dt", {}, label), el("dd", {}, typeof value === "string" ? value : number(value))) : null;
  const [low, high] = [el("input", { inputmode: "decimal", size: 8, "aria-label": "from" }), el("input", { inputmode: "decimal", size: 8, "aria-label": "to" })], found = el("span", { class: "hint", role: "status" });
  let dragged = null, span = null;
  const read = () => { const value = (field, other) => { const text = field.value.trim().replace("−", "-"); return text === "" || !isFinite(text) ? other : +text; }; return [value(low, -Infinity), value(high, Infinity)]; };
  const tell = () => L.need([row.key], () => { span = read(); const n = (L.column(row.key) || []).filter((v) => known(v) && v >= span[0] && v <= span[1]).length; found.textContent = M.counted(n, "track"); canvas.redraw?.(); });
  const show = (range) => { id("dialog").close(); L.keep(row.key, range); L.showList(); };
  const rest = el("div", { class: "list" });
  Object.entries(row.nulls).forEach(([why, n]) => rest.append(line(`unknown: ${why}`, el("button", { type: "button", class: "textual number", onclick: () => show(null) }, M.counted(n, "track")))));
  row.alike.forEach(([other, r]) => rest.append(line(`nearly the same as ${other}`, el("span", { class: "number" }, `r = ${number(r, 3)}`))));
  if (!isFew) row.extreme.forEach(([track, value]) => rest.append(line(L.index.has(track) ? L.trackLink(L.index.get(track)) : M.name(track), el("span", { class: "number" }, `outlier, ${number(value)}`))));
  L.dialog(row.key, el("p", { class: "hint" }, row.description + (row.unit ? ` (${row.unit})` : "")),
    M.drawable(row) ? canvas : null,
    el("form", { class: "bar", onsubmit: (event) => { event.preventDefault(); show(read()); } }, el("label", {}, "from ", low), el("label", {}, "to ", high), el("button", { class: "strong" }, "List these tracks"), found),
    el("dl", { class: "numbers" }, cell("known values", `${row.count} of ${KEYS.tracks}`), ...Object.entries(p).sort(([a], [b]) => a - b).map(([q, value]) => cell(q === "50" ? "median" : "P" + q, value)), cell("mean", row.mean), cell("deviation", row.std),
      cell("minimum", row.low), cell("maximum", row.high), range && cell("conditioner min", range.min_val), range && cell("conditioner max", range.max_val), cell("VIF", row.vif)), rest);
  for (const field of [low, high]) field.addEventListener("input", tell);
  if (!M.drawable(row)) return;
  M.fit(canvas, (pen, w, h) => {
    M.shape(pen, w, h, row);
    const at = (value) => Math.min(1, Math.max(0, M.place(row, value))) * w;
    if (dragged) veil(pen, dragged[0], dragged[1], 0, h); else if (span && (isFinite(span[0]) || isFinite(span[1]))) veil(pen, isFinite(span[0]) ? at(span[0]) : 0, isFinite(span[1]) ? at(span[1]) : w, 0, h);
  });
  M.hover(canvas, (x, y, w) => M.shapeTip(row, x, w));
  M.brush(canvas, {
    drag: (from, to) => { dragged = from && [from[0], to[0]]; canvas.redraw(); },
    done: (from, to) => {
      const [a, b] = [from[0], to[0]].sort((p, q) => p - q).map((x) => x < 4 ? 0 : x > from[2] - 4 ? 1 : x / from[2]);
      low.value = a <= 0 ? "" : +M.valueAt(row, a).toPrecision(4); high.value = b >= 1 ? "" : +M.valueAt(row, b).toPrecision(4); tell();
    },
  });
}

/* ---- correlation */
const side = KEYS.keys.length, related = new Int8Array(M.bytes(SET.related).buffer), margin = 90;
const anyRelated = related.some((r, n) => r !== -128 && n % (side + 1));
id("matrix-box").hidden = !anyRelated;
if (anyRelated) M.fit(id("matrix"), (pen, w) => {
  const step = (w - margin) / side, warm = M.color("drums"), cool = M.color("accent");
  for (let i = 0; i < side; i++) for (let j = 0; j < side; j++) {
    const r = related[i * side + j];
    if (r === -128) continue;
    pen.globalAlpha = Math.min(1, Math.abs(r) / 100) ** 1.4; pen.fillStyle = r > 0 ? cool : warm;
    pen.fillRect(margin + j * step, i * step, step + .4, step + .4);
  }
  pen.globalAlpha = 1; pen.textAlign = "right"; pen.textBaseline = "middle";
  let last = -20;
  modules.forEach((label) => {
    const first = KEYS.keys.findIndex((row) => row.module === label), size = KEYS.keys.filter((row) => row.module === label).length, y = (first + size / 2) * step;
    if (y - last > 11) { pen.fillStyle = M.color("ink"); pen.fillText(label, margin - 8, y); last = y; }
    pen.fillStyle = M.color("line");
    if (first) { pen.fillRect(margin, first * step - .5, w - margin, 1); pen.fillRect(margin + first * step - .5, 0, 1, w - margin); }
  });
});
M.hover(id("matrix"), (x, y, w) => {
  const step = (w - margin) / side, j = Math.floor((x - margin) / step), i = Math.floor(y / step);
  if (i < 0 || j < 0 || i >= side || j >= side) return "";
  const r = related[i * side + j];
  return `${KEYS.keys[i].key}\n${KEYS.keys[j].key}\n${r === -128 ? "too few tracks, or no variation" : "r = " + M.fixed(r / 100, 2)}`;
});
const pairs = (box, rows) => { rows.forEach(([first, rest]) => box.append(line(first, el("span", { class: "number" }, rest)))); };
const listed = new Set(), alike = [];
KEYS.keys.forEach((row) => row.alike.forEach(([other, r]) => { const pair = [row.key, other].sort().join(" · "); if (!listed.has(pair)) { listed.add(pair); alike.push([pair, `r = ${number(r, 3)}`]); } }));
KEYS.keys.filter((row) => row.vif > 10).sort((a, b) => b.vif - a.vif).slice(0, 30).forEach((row) => alike.push([row.key, row.vif >= 1e6 ? "follows from others" : `VIF ${number(row.vif, 3)}`]));
const fewest = `Correlations need at least 8 tracks; this set has ${KEYS.tracks}.`;
pairs(id("alike"), alike.length ? alike : [[KEYS.tracks < 8 ? fewest : "No two values are nearly the same.", ""]]);
const strongest = [];
for (let i = 0; i < side; i++) for (let j = 0; j < i; j++) if (related[i * side + j] !== -128 && Math.abs(related[i * side + j]) < 90) strongest.push([Math.abs(related[i * side + j]), i, j]);
pairs(id("strongest"), strongest.length ? strongest.sort((a, b) => b[0] - a[0]).slice(0, 20).map(([, i, j]) => [`${KEYS.keys[j].key} · ${KEYS.keys[i].key}`, `r = ${M.fixed(related[i * side + j] / 100, 2)}`]) : [[fewest, ""]]);
})();
