"use strict";
/* The page of a track: lanes on one time axis, five synchronized players, and its features within the data set. */
(() => {
const { el, id } = M, data = JSON.parse(id("data").textContent), total = Math.max(data.duration, .1);
const STEMS = ["drums", "bass", "other", "vocals"], parts = ["full_mix", ...STEMS].filter((part) => data.audio[part]);
let from = 0, to = total;

/* ---- players: stems follow the mix, which is the clock; a silent mix is muted, not stopped */
const players = Object.fromEntries(parts.map((part) => [part, Object.assign(new Audio(), { preload: part === "full_mix" ? "metadata" : "none" })]));
const clock = players.full_mix, stems = parts.filter((part) => part !== "full_mix"), solo = new Set(), muted = new Set();
const isAudible = (part) => part === "full_mix" ? !solo.size && !muted.size : solo.size ? solo.has(part) : muted.size > 0 && !muted.has(part);
const showMessage = (text) => { id("message").textContent = text; };
parts.forEach((part) => {
  players[part].src = data.audio[part];
  players[part].addEventListener("error", () => { players[part].broken = true; showMessage(`${part === "full_mix" ? "The mix" : `The stem ${part}`} cannot be played: check that ${decodeURI(data.audio[part])} exists.`); });
});
const settle = () => {
  parts.forEach((part) => { players[part].muted = !isAudible(part); });
  stems.forEach((part) => {
    const stem = players[part];
    if (stem.broken || !clock) return;
    if (isAudible(part) && !clock.paused) { if (stem.paused) { stem.currentTime = clock.currentTime; stem.play().catch(() => {}); } }
    else if (!stem.paused) stem.pause();
  });
  document.querySelectorAll("[data-part]").forEach((lane) => {
    const part = lane.dataset.part;
    lane.classList.toggle("off", !isAudible(part) && !(part !== "full_mix" && !solo.size && !muted.size));
    lane.querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.does === "mix" ? !solo.size && !muted.size : (button.dataset.does === "solo" ? solo : muted).has(part))));
  });
};
/* Each stem has its own player and may drift: a small drift is corrected by the playback rate, a large one by a jump. */
const follow = () => stems.forEach((part) => {
  const stem = players[part];
  if (stem.paused || stem.seeking) return;
  const ahead = stem.currentTime - clock.currentTime;
  if (Math.abs(ahead) > .15) stem.currentTime = clock.currentTime;
  stem.playbackRate = Math.abs(ahead) > .008 && Math.abs(ahead) <= .15 ? Math.min(1.04, Math.max(.96, 1 - ahead)) : 1;
});
/* For tests, and for inspection in the console. */
window.mirkitPlayers = () => Object.fromEntries(parts.map((part) => [part, { time: players[part].currentTime, paused: players[part].paused, muted: !isAudible(part) }]));
const toggle = (set, part) => { set.has(part) ? set.delete(part) : set.add(part); settle(); };
const mix = () => { solo.clear(); muted.clear(); settle(); };
const seek = (seconds) => {
  if (!clock) return;
  const at = Math.min(total - .01, Math.max(0, seconds));
  parts.forEach((part) => { if (part === "full_mix" || !players[part].paused) players[part].currentTime = at; });
  show();
};
const play = () => { if (!clock || clock.broken) return; clock.paused ? clock.play().then(settle, (error) => showMessage(error.message)) : clock.pause(); };
if (clock) {
  ["play", "pause", "ended"].forEach((event) => clock.addEventListener(event, () => {
    id("play").textContent = clock.paused ? "▶" : "❚❚"; id("play").setAttribute("aria-label", clock.paused ? "Play" : "Pause");
    settle(); if (!clock.paused) requestAnimationFrame(step);
  }));
  clock.addEventListener("seeked", show);
} else id("play").disabled = true;
id("play").addEventListener("click", play);
function step() { show(); follow(); if (!clock.paused) requestAnimationFrame(step); }

/* ---- time axis */
const lanes = id("timeline"), head = id("playhead"), canvases = [];
const x = (seconds, w) => (seconds - from) / (to - from) * w;
const redraw = () => { canvases.forEach((canvas) => canvas.redraw()); show(); };
function view(start, end) {
  const length = Math.min(total, Math.max(.5, end - start));
  from = Math.min(total - length, Math.max(0, start)); to = from + length; redraw();
}
function show() {
  const now = clock ? clock.currentTime : 0, lane = canvases[0];
  id("time").textContent = M.clock(now);
  if (!lane) return;
  if (clock && !clock.paused && (now > to || now < from)) return view(now, now + to - from);
  const box = lane.getBoundingClientRect(), home = lanes.getBoundingClientRect();
  head.hidden = now < from || now > to;
  head.style.left = box.left - home.left + x(now, box.width) + "px";
}
const zoom = (factor, at = (from + to) / 2) => view(at - (at - from) * factor, at + (to - at) * factor);
id("in").addEventListener("click", () => zoom(.5, clock && clock.currentTime > from && clock.currentTime < to ? clock.currentTime : undefined));
id("out").addEventListener("click", () => zoom(2));
id("fit").addEventListener("click", () => view(0, total));

/* ---- layers over the waveform */
const layers = { beats: data.beats.length > 0, onsets: false, crops: data.crops.length > 0 };
for (const [layer, on] of Object.entries(layers)) {
  if (!data[layer].length) continue;
  id("layers").append(el("button", { "aria-pressed": String(on), onclick(event) {
    layers[layer] = !layers[layer]; event.currentTarget.setAttribute("aria-pressed", String(layers[layer])); redraw();
  } }, layer));
}
function grid(pen, w, h, strong) {
  if (!layers.beats) return;
  const bars = new Set(data.downbeats), many = data.beats.filter((t) => t >= from && t <= to).length > w / 7;
  for (const t of data.beats) {
    if (t < from || t > to || (many && !bars.has(t))) continue;
    pen.fillStyle = M.color(bars.has(t) ? "downbeat" : "beat"); pen.globalAlpha = bars.has(t) ? (strong ? .55 : .35) : strong ? .35 : .16;
    pen.fillRect(Math.round(x(t, w)), 0, 1, h);
  }
  pen.globalAlpha = 1;
}
function ruler(pen, w, h) {
  const step = [.1, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((s) => s / (to - from) * w > 64) || 7200;
  pen.fillStyle = M.color("faint"); pen.textAlign = "left";
  for (let t = Math.ceil(from / step) * step; t < to; t += step) { pen.fillRect(Math.round(x(t, w)), h - 6, 1, 6); pen.fillText(M.clock(t, step < 1), x(t, w) + 4, h - 4); }
}

/* ---- lanes */
function lane(label, description, tall, draw, { part, color = part, controls = [], tip } = {}) {
  const canvas = el("canvas"); canvas.style.height = tall + "px";
  const dot = color ? el("i") : null;
  if (dot) dot.style.background = `var(--${color})`;
  const box = el("div", { class: "lane", "data-part": part }, el("div", {}, el("span", {}, dot, el("div", {}, label, description ? el("small", {}, description) : null)), ...controls), canvas);
  lanes.append(box); canvases.push(canvas);
  M.fit(canvas, (pen, w, h) => { pen.beginPath(); pen.rect(0, 0, w, h); pen.clip(); draw(pen, w, h); });
  let start = null;
  canvas.addEventListener("pointerdown", (event) => { start = { x: event.clientX, from, to, moved: false }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect(), at = from + (event.clientX - box.left) / box.width * (to - from);
    if (start) { const far = event.clientX - start.x; if (Math.abs(far) > 4) start.moved = true; if (start.moved) { const by = -far / box.width * (start.to - start.from); view(start.from + by, start.to + by); } return; }
    M.tip(event, tip ? tip(at, (event.clientY - box.top) / box.height) : M.clock(at));
  });
  canvas.addEventListener("pointerup", (event) => { const box = canvas.getBoundingClientRect(); if (start && !start.moved) seek(from + (event.clientX - box.left) / box.width * (to - from)); start = null; });
  canvas.addEventListener("pointerleave", (event) => M.tip(event));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(event.deltaY > 0 ? 1.25 : .8, from + (event.clientX - box.left) / box.width * (to - from));
  }, { passive: false });
}
/* A name at the left edge of a lane, readable over what is drawn there. */
function edgeLabel(pen, text, y) {
  pen.globalAlpha = .8; pen.fillStyle = M.color("panel"); pen.fillRect(0, y - 10, pen.measureText(text).width + 8, 13);
  pen.globalAlpha = 1; pen.fillStyle = M.color("faint"); pen.textAlign = "left"; pen.fillText(text, 4, y);
}
const button = (does, text, title, act) => el("button", { "data-does": does, title, "aria-label": title, "aria-pressed": "false", onclick: act }, text);

const sectionColor = (number) => `hsl(${(210 + 67 * number) % 360} 60% 55%)`;

const peaks = new Int8Array(M.bytes(data.peaks).buffer), columns = peaks.length / 2, C = data.curves;
lane("mix", null, 148, (pen, w, h) => {
  const top = 24, middle = top + (h - top - 18) / 2, tall = (h - top - 18) / 2;
  if (layers.crops) data.crops.forEach((crop, i) => {
    pen.fillStyle = M.color("crop"); pen.globalAlpha = i % 2 ? .5 : .85;
    pen.fillRect(x(crop.start, w) + .5, 4, Math.max(2, x(crop.end, w) - x(crop.start, w) - 1), 5); pen.globalAlpha = .05;
    if (i % 2) pen.fillRect(x(crop.start, w), 9, x(crop.end, w) - x(crop.start, w), h - 27);
    pen.globalAlpha = 1;
  });
  grid(pen, w, h - 18, true);
  pen.fillStyle = M.color("full_mix");
  const per = columns / total;
  for (let px = 0; px < w; px++) {
    const a = Math.floor((from + px / w * (to - from)) * per), b = Math.max(a + 1, Math.floor((from + (px + 1) / w * (to - from)) * per));
    let low = 127, high = -127;
    for (let i = a; i < b && i < columns; i++) { if (peaks[2 * i] < low) low = peaks[2 * i]; if (peaks[2 * i + 1] > high) high = peaks[2 * i + 1]; }
    if (high >= low) pen.fillRect(px, middle - high / 127 * tall, 1, Math.max(1, (high - low) / 127 * tall));
  }
  if (layers.onsets) { pen.fillStyle = M.color("onset"); data.onsets.forEach((t) => { if (t >= from && t <= to) pen.fillRect(Math.round(x(t, w)), 13, 1.5, 8); }); }
  ruler(pen, w, h);
}, { part: "full_mix", controls: parts.length > 1 ? [button("mix", "mix", "Play the mix", mix)] : [], tip: (at) => {
  const crop = layers.crops && data.crops.find((c) => at >= c.start && at < c.end);
  return M.clock(at) + (crop ? `\n${crop.name}` : "");
} });
if (data.sections.length) lane("sections", null, 34, (pen, w, h) => {
  pen.textAlign = "left"; pen.font = "12px system-ui, sans-serif";
  for (const section of data.sections) {
    const left = x(section.start, w), wide = x(section.end, w) - left;
    if (left > w || left + wide < 0) continue;
    pen.fillStyle = sectionColor(section.color); pen.globalAlpha = .3; pen.fillRect(left, 3, wide - 1, h - 6);
    pen.globalAlpha = 1; pen.fillRect(left, 3, 3, h - 6);
    const text = section.function ? `${section.label} ${section.function}` : section.label, from = Math.max(left, 0) + 9;
    pen.save(); pen.beginPath(); pen.rect(left, 0, wide - 4, h); pen.clip();
    pen.fillStyle = M.color("ink"); pen.fillText(text, from, h / 2 + 4); pen.restore();
  }
}, { tip: (at) => {
  const section = data.sections.find((s) => at >= s.start && at < s.end);
  if (!section) return M.clock(at);
  const sure = section.confidence === null ? "" : `\nconfidence ${section.confidence.toFixed(2)}`;
  return `${section.label}${section.function ? ` (${section.function})` : ""}  ${M.clock(section.start)} to ${M.clock(section.end)}${sure}`;
} });
const named = (text, color) => { const word = el("b", {}, text); word.style.color = `var(--${color})`; return word; };
if (data.chords.some((c) => c.third !== "none")) lane("chords", el("b", {}, named("major", "other"), " ", named("minor", "vocals")), 40, (pen, w, h) => {
  pen.textAlign = "center"; pen.font = "12px system-ui, sans-serif";
  for (const chord of data.chords) {
    const left = x(chord.start, w), wide = x(chord.end, w) - left;
    if (chord.third === "none" || left > w || left + wide < 0) continue;
    const sure = chord.confidence === null ? 1 : chord.confidence;
    pen.fillStyle = M.color({ major: "other", minor: "vocals", other: "drums" }[chord.third]); pen.globalAlpha = .12 + .3 * sure; pen.fillRect(left, 3, Math.max(1, wide - 1), h - 6);
    pen.globalAlpha = 1;
    const shown = Math.min(left + wide, w) - Math.max(left, 0);
    if (pen.measureText(chord.name).width + 4 > shown) continue;
    pen.fillStyle = M.color("ink"); pen.fillText(chord.name, Math.max(left, 0) + shown / 2, h / 2 + 4);
  }
}, { tip: (at) => {
  const chord = data.chords.find((c) => at >= c.start && at < c.end);
  if (!chord) return M.clock(at);
  return `${chord.name}  ${M.clock(chord.start, true)} to ${M.clock(chord.end, true)}${chord.confidence === null ? "" : `\nconfidence ${chord.confidence.toFixed(2)}`}`;
} });
const line = (curve, bytes, offset, width, pen, w, draw) => {
  const rows = bytes.length / width, a = Math.max(0, Math.floor(from * curve.rate)), b = Math.min(rows, Math.ceil(to * curve.rate) + 1);
  for (let i = a; i < b; i++) draw(x(i / curve.rate, w), bytes[i * width + offset] ? (bytes[i * width + offset] - 1) / 254 : null, x((i + 1) / curve.rate, w));
};
const loud = (C.loudness && C.loudness.parts) || {};
STEMS.filter((part) => loud[part] || data.audio[part]).forEach((part) => {
  const bytes = loud[part] && M.bytes(loud[part].data);
  lane(part, null, 40, (pen, w, h) => {
    grid(pen, w, h, false);
    if (!bytes) return;
    pen.fillStyle = M.color(part);
    line(loud[part], bytes, 0, 1, pen, w, (left, v, right) => { if (v) { const tall = v * v * (h - 8); pen.fillRect(left, (h - tall) / 2, Math.max(1, right - left - (right - left > 3 ? 1 : 0)), tall); } });
  }, { part, controls: data.audio[part] ? [button("solo", "S", `Solo ${part}`, () => toggle(solo, part)), button("mute", "M", `Mute ${part}`, () => toggle(muted, part))] : [] });
});
const PITCHES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
const pitchName = (pitch) => PITCHES[pitch % 12] + (Math.floor(pitch / 12) - 1);
function pianoRoll(file, low, high) {
  const rows = high - low + 3, tall = Math.max(48, Math.min(220, 5 * rows)), row = tall / rows, top = (pitch) => (high + 1 - pitch) * row;
  lane("notes", file.weak ? `${file.file}: unreliable` : file.file, tall, (pen, w, h) => {
    grid(pen, w, h, false);
    pen.fillStyle = M.color("faint"); pen.globalAlpha = .12;
    for (let pitch = low - 1; pitch <= high + 1; pitch++) if ([1, 3, 6, 8, 10].includes(pitch % 12)) pen.fillRect(0, top(pitch), w, row);
    pen.fillStyle = M.color(file.stem);
    for (const [t, pitch, velocity, end] of file.notes) if (end >= from && t <= to) {
      pen.globalAlpha = .4 + .6 * velocity / 127;
      pen.fillRect(x(t, w), top(pitch) + .5, Math.max(2, x(end, w) - x(t, w) - 1), Math.max(2, row - 1));
    }
    pen.font = "11px system-ui, sans-serif";
    edgeLabel(pen, pitchName(high), 11); edgeLabel(pen, pitchName(low), h - 4);
  }, { color: file.stem, tip: (at, y) => {
    const pitch = high + 1 - Math.floor(y * rows), note = file.notes.find(([t, p, , end]) => p === pitch && at >= t && at < end);
    return `${M.clock(at)}  ${pitchName(Math.max(low, Math.min(high, pitch)))}${note ? `\nvelocity ${note[2]}` : ""}`;
  } });
}
data.midi.forEach((file) => {
  const NAMES = { 35: "kick", 36: "kick", 38: "snare", 40: "snare", 37: "rim", 42: "hi-hat", 44: "hi-hat", 46: "open hat", 49: "crash", 51: "ride", 57: "crash", 45: "tom", 47: "tom", 48: "tom", 50: "tom", 41: "tom", 43: "tom" };
  const pitches = [...new Set(file.notes.map((note) => note[1]))].sort((a, b) => a - b);
  if (!pitches.length) return;
  if (file.stem !== "drums") return pianoRoll(file, pitches[0], pitches[pitches.length - 1]);
  lane("drum hits", file.file, 18 * pitches.length + 10, (pen, w, h) => {
    grid(pen, w, h, false);
    pitches.forEach((pitch, i) => {
      const y = h - 5 - (i + 1) * 18;
      pen.fillStyle = M.color("drums");
      file.notes.forEach(([t, note, velocity]) => { if (note === pitch && t >= from - 1 && t <= to) { pen.globalAlpha = .35 + .65 * velocity / 127; pen.beginPath(); pen.roundRect(x(t, w), y + 3, Math.max(3, x(t + .07, w) - x(t, w)), 12, 2); pen.fill(); } });
      edgeLabel(pen, String(NAMES[pitch] || pitch), y + 13);
    });
  }, { color: "drums" });
});
if (C.chroma) {
  const bytes = M.bytes(C.chroma.data), NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
  lane("chroma", C.chroma.of === "tonal" ? "bass, other and vocals" : "of the mix", 156, (pen, w, h) => {
    const tall = h / 12;
    pen.fillStyle = M.color("accent");
    for (let c = 0; c < 12; c++) line(C.chroma, bytes, c, 12, pen, w, (left, v, right) => { if (v > .04) { pen.globalAlpha = v * v * .95; pen.fillRect(left, h - (c + 1) * tall, right - left + .6, tall - 1); } });
    pen.globalAlpha = 1; grid(pen, w, h, false);
  }, { tip: (at, y) => `${M.clock(at)}  ${NAMES[Math.min(11, Math.max(0, 11 - Math.floor(y * 12)))]}` });
}
function lines(label, description, tall, curve, rows) {
  lane(label, description, tall, (pen, w, h) => {
    grid(pen, w, h, false);
    rows.forEach(([name, color, bytes, offset, width]) => {
      pen.strokeStyle = M.color(color); pen.lineWidth = 1.5; pen.lineJoin = "round"; pen.beginPath();
      let down = false;
      line(curve, bytes, offset, width, pen, w, (left, v) => { if (v === null) { down = false; return; } const y = h - 6 - v * (h - 12); down ? pen.lineTo(left, y) : pen.moveTo(left, y); down = true; });
      pen.stroke();
    });
    pen.textAlign = "left"; let left = 6;
    pen.font = "11px system-ui, sans-serif";
    rows.forEach(([name, color]) => { const wide = pen.measureText(name).width; pen.fillStyle = M.color("panel"); pen.globalAlpha = .8; pen.fillRect(left - 3, 3, wide + 6, 15); pen.globalAlpha = 1; pen.fillStyle = M.color(color); pen.fillText(name, left, 14); left += wide + 12; });
  });
}
if (C.bands) { const bytes = M.bytes(C.bands.data); lines("bands", "dBFS, −80 to 0", 112, C.bands, [["bass", "bass", bytes, 0, 4], ["body", "drums", bytes, 1, 4], ["mid", "other", bytes, 2, 4], ["air", "vocals", bytes, 3, 4]]); }
if (loud.full_mix) lines("loudness", "LUFS, −60 to 0", 76, loud.full_mix, [["100 ms", "full_mix", M.bytes(loud.full_mix.data), 0, 1]]);
if (C.shape) lines("spectrum", "each in its own range", 96, C.shape, Object.entries(C.shape.lines).map(([name, row], i) => [name, ["accent", "other", "drums"][i], M.bytes(row.data), 0, 1]));
settle(); show();

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const stem = STEMS[+event.key - 1];
  const act = { " ": play, 0: mix, ArrowLeft: () => seek(clock.currentTime - 5), ArrowRight: () => seek(clock.currentTime + 5), "+": () => zoom(.5), "-": () => zoom(2) }[event.key] || (stem && data.audio[stem] && (() => { const alone = solo.size === 1 && solo.has(stem); mix(); if (!alone) toggle(solo, stem); }));
  if (act) { event.preventDefault(); act(); }
});
window.addEventListener("resize", show);

/* ---- its features among those of all tracks */
const byKey = Object.fromEntries(KEYS.keys.map((row) => [row.key, row]));
document.querySelectorAll("tr[data-key]").forEach((tr) => {
  const row = byKey[tr.dataset.key], value = data.values[tr.dataset.key], canvas = tr.querySelector("canvas");
  if (!canvas) return;
  if (!row || !M.drawable(row)) { canvas.style.visibility = "hidden"; return; }
  M.fit(canvas, (pen, w, h) => M.bars(pen, w, h, row, value));
  tr.title = `${row.description}\nmedian ${M.number(row.percentiles["50"])}, 5 to 95 %: ${M.number(row.percentiles["5"])} to ${M.number(row.percentiles["95"])}`;
});

/* ---- neighbors */
const here = KEYS.order.findIndex((row) => location.pathname.endsWith("/" + row.page));
for (const [name, row] of [["before", KEYS.order[here - 1]], ["after", here < 0 ? null : KEYS.order[here + 1]]]) if (row) { id(name).href = row.page; id(name).title = row.title; id(name).hidden = false; }
})();
