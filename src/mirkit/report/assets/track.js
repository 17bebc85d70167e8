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
  for (let t = Math.ceil(from / step) * step; t < to; t += step) { pen.fillRect(Math.round(x(t, w)), h - 6, 1, 6); const text = M.clock(t, step < 1), left = x(t, w) + 4; if (left + pen.measureText(text).width < w) pen.fillText(text, left, h - 4); }
}

/* ---- lanes */
/* `scale`: texts at heights (0 to 1 from the top) beside the lane; `alt`: what the drawing shows, for those who do not see it. */
function lane(label, description, tall, draw, { part, color = part, controls = [], tip, scale = [], alt } = {}) {
  const canvas = el("canvas", { role: "img", "aria-label": alt || `${label} over time` }); canvas.style.height = tall + "px";
  const dot = color ? el("i") : null;
  if (dot) dot.style.background = `var(--${color})`;
  const marks = el("div", { class: "scale", "aria-hidden": "true" }, ...scale.map(([at, text]) => { const mark = el("span", {}, text); mark.style.top = 100 * at + "%"; return mark; }));
  lanes.append(el("div", { class: "lane", "data-part": part }, el("div", { class: "head" }, el("span", { class: "name" }, dot, el("div", {}, label, description ? el("small", {}, description) : null)), marks, ...controls), canvas));
  canvases.push(canvas);
  M.fit(canvas, (pen, w, h) => {
    pen.beginPath(); pen.rect(0, 0, w, h); pen.clip(); draw(pen, w, h);
    if (M.isNarrow()) for (const [at, text] of scale) edgeLabel(pen, text, Math.min(h - 3, Math.max(10, at * h + 4)));
  });
  let start = null;
  const timeAt = (event) => { const box = canvas.getBoundingClientRect(); return from + (event.clientX - box.left) / box.width * (to - from); };
  canvas.addEventListener("pointerdown", (event) => { start = { x: event.clientX, from, to, moved: false }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    if (start) { const far = event.clientX - start.x; if (Math.abs(far) > 4) start.moved = true; if (start.moved) { const by = -far / box.width * (start.to - start.from); view(start.from + by, start.to + by); } return; }
    M.tip(event, tip ? tip(timeAt(event), (event.clientY - box.top) / box.height) : M.clock(timeAt(event)));
  });
  canvas.addEventListener("pointerup", (event) => { if (start && !start.moved) seek(timeAt(event)); start = null; });
  canvas.addEventListener("pointercancel", () => { start = null; });
  canvas.addEventListener("pointerleave", (event) => M.tip(event));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : .8, timeAt(event));
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
}, { part: "full_mix", alt: `Waveform of the mix, ${M.clock(total)}`, controls: parts.length > 1 ? [button("mix", "mix", "Play the mix", mix)] : [], tip: (at) => {
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
const named = (text, color) => { const dot = el("i"); dot.style.background = `var(--${color})`; return el("span", {}, dot, text); };
const legend = (rows) => { const box = el("span"); rows.forEach(([name, color]) => box.append(named(name, color), " ")); return box; };
if (data.chords.some((c) => c.third !== "none")) lane("chords", legend([["major", "other"], ["minor", "vocals"]]), 40, (pen, w, h) => {
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
/* The value of a series at a time, from its byte: 0 is unknown, 1 to 255 is the range. */
const valueAt = (curve, bytes, offset, width, [low, high], at) => { const byte = bytes[Math.floor(at * curve.rate) * width + offset]; return byte ? low + (byte - 1) / 254 * (high - low) : null; };
const levelAt = (...series) => { const value = valueAt(...series); return value === null ? "–" : M.fixed(value, 1); };
const LOUDNESS = (C.loudness && C.loudness.range) || [-60, 0];
const loud = (C.loudness && C.loudness.parts) || {};
STEMS.filter((part) => loud[part] || data.audio[part]).forEach((part) => {
  const bytes = loud[part] && M.bytes(loud[part].data);
  lane(part, null, 40, (pen, w, h) => {
    grid(pen, w, h, false);
    if (!bytes) return;
    pen.fillStyle = M.color(part);
    line(loud[part], bytes, 0, 1, pen, w, (left, v, right) => { if (v) { const tall = v * v * (h - 8); pen.fillRect(left, (h - tall) / 2, Math.max(1, right - left - (right - left > 3 ? 1 : 0)), tall); } });
  }, { part, alt: `Loudness of the stem ${part} over time`, tip: (at) => `${M.clock(at)}${bytes ? `\n${part} ${levelAt(loud[part], bytes, 0, 1, LOUDNESS, at)} LUFS` : ""}`, controls: data.audio[part] ? [button("solo", "S", `Solo ${part}`, () => toggle(solo, part)), button("mute", "M", `Mute ${part}`, () => toggle(muted, part))] : [] });
});
const PITCHES = ["C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
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
  }, { color: file.stem, alt: `Notes of the stem ${file.stem}, ${pitchName(low)} to ${pitchName(high)}`, scale: [[(1.5) / rows, pitchName(high)], [(rows - 1.5) / rows, pitchName(low)]], tip: (at, y) => {
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
    });
  }, { color: "drums", alt: "Drum hits", scale: pitches.map((pitch, i) => [(18 * (pitches.length - i) - 4) / (18 * pitches.length + 10), String(NAMES[pitch] || pitch)]),
    tip: (at, y) => { const i = pitches.length - 1 - Math.floor(y * (18 * pitches.length + 10) / 18 - .25), pitch = pitches[Math.min(pitches.length - 1, Math.max(0, i))], hit = file.notes.find(([t, p]) => p === pitch && Math.abs(t - at) < (to - from) / 150); return `${M.clock(at)}  ${NAMES[pitch] || pitch}${hit ? `\nvelocity ${hit[2]}` : ""}`; } });
});
if (C.chroma) {
  const bytes = M.bytes(C.chroma.data);
  lane("chroma", C.chroma.of === "tonal" ? "bass, other, vocals" : "of the mix", 168, (pen, w, h) => {
    const tall = h / 12;
    pen.fillStyle = M.color("accent");
    for (let c = 0; c < 12; c++) line(C.chroma, bytes, c, 12, pen, w, (left, v, right) => { if (v > .04) { pen.globalAlpha = v * v * .95; pen.fillRect(left, h - (c + 1) * tall, right - left + .6, tall - 1); } });
    pen.globalAlpha = 1; grid(pen, w, h, false);
  }, { alt: "Weight of the twelve pitch classes over time", scale: PITCHES.map((name, i) => [(11.5 - i) / 12, name]), tip: (at, y) => {
    const pitch = Math.min(11, Math.max(0, 11 - Math.floor(y * 12))), weight = valueAt(C.chroma, bytes, pitch, 12, [0, 1], at);
    return `${M.clock(at)}  ${PITCHES[pitch]}${weight === null ? "" : `\nweight ${M.fixed(weight, 2)}`}`;
  } });
}
/* Lines on the part of the axis that their values fill; `own`: each line has an axis of its own, and no scale is written. */
function lines(label, description, tall, curve, rows, { unit = "", own = false } = {}) {
  const spans = rows.map(({ bytes, offset = 0, width = 1, range }) => {
    const known = [];
    for (let i = offset; i < bytes.length; i += width) if (bytes[i]) known.push(bytes[i]);
    known.sort((a, b) => a - b);
    return known.length ? [known[Math.floor(known.length * .02)], known[known.length - 1]].map((byte) => range[0] + (byte - 1) / 254 * (range[1] - range[0])) : null;
  });
  const all = spans.filter(Boolean);
  if (!all.length) return;
  const step = 10, common = [Math.floor(Math.min(...all.map(([low]) => low)) / step) * step, Math.ceil(Math.max(...all.map(([, high]) => high)) / step) * step];
  const y = (n, value, h) => { const [low, high] = own ? spans[n] : common; return h - 6 - (Math.max(low, value) - low) / (high - low || 1) * (h - 12); };
  const scale = own ? [] : M.ticks(...common, Math.max(1, Math.min(3, tall / 34))).map((value) => [y(0, value, tall) / tall, M.number(value)]);
  lane(label, rows.length > 1 ? el("span", {}, description, el("br"), legend(rows.map(({ name, color }) => [name, color]))) : description, tall, (pen, w, h) => {
    grid(pen, w, h, false);
    pen.fillStyle = M.color("line");
    scale.forEach(([at]) => pen.fillRect(0, Math.round(at * h), w, 1));
    rows.forEach(({ bytes, offset = 0, width = 1, range, color }, n) => {
      if (!spans[n]) return;
      pen.strokeStyle = M.color(color); pen.lineWidth = 1.5; pen.lineJoin = "round"; pen.beginPath();
      let down = false;
      line(curve, bytes, offset, width, pen, w, (left, v) => { if (v === null) { down = false; return; } const at = y(n, range[0] + v * (range[1] - range[0]), h); down ? pen.lineTo(left, at) : pen.moveTo(left, at); down = true; });
      pen.stroke();
    });
  }, { scale, alt: `${label} over time`, tip: (at) => [M.clock(at), ...rows.map(({ name, bytes, offset = 0, width = 1, range, show }) => {
    const value = valueAt(curve, bytes, offset, width, range, at);
    return `${name} ${value === null ? "–" : show ? show(value) : M.fixed(value, 1) + unit}`;
  })].join("\n") });
}
if (C.bands) { const bytes = M.bytes(C.bands.data); lines("bands", "dBFS", 112, C.bands, [["bass", "bass"], ["body", "drums"], ["mid", "other"], ["air", "vocals"]].map(([name, color], offset) => ({ name, color, bytes, offset, width: 4, range: C.bands.range })), { unit: " dBFS" }); }
if (loud.full_mix) lines("loudness", "LUFS, each 100 ms", 84, loud.full_mix, [{ name: "mix", color: "full_mix", bytes: M.bytes(loud.full_mix.data), range: LOUDNESS }], { unit: " LUFS" });
if (C.shape) lines("spectrum", "each on its own axis", 96, C.shape, Object.entries(C.shape.lines).map(([name, row], i) => ({ name, color: ["accent", "other", "drums"][i], bytes: M.bytes(row.data), range: row.range, show: (v) => name === "flatness" ? M.number(10 ** v, 2) : M.fixed(v, 2) + (name === "flux" ? " dB" : "") })), { own: true });
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
  const p = row.percentiles, unit = M.unit(row.unit);
  const text = `${row.description}\nthis track ${M.number(value)}${unit}\nall tracks: median ${M.number(p["50"])}, 5 to 95 % ${M.number(p["5"])} to ${M.number(p["95"])}`;
  M.fit(canvas, (pen, w, h) => M.shape(pen, w, h, row, value));
  M.hover(tr, () => text);
});
/* On a phone the groups are folded, so that the page stays short. */
if (M.isNarrow()) document.querySelectorAll(".columns > details").forEach((box, i) => { box.open = i === 0; });

/* ---- a command that excludes this track */
if (data.path && Shell.isPlain(data.path)) {
  const box = id("dialog");
  id("exclude").hidden = false;
  id("exclude").addEventListener("click", () => {
    box.replaceChildren(el("button", { class: "ghost close", type: "button", "aria-label": "Close", onclick: () => box.close() }, "✕"), el("h2", { id: "dialog-title" }, "Exclude this track"),
      el("p", {}, "Run this command in the folder ", el("b", {}, M.name(KEYS.folder)), ". The track stays where it is, and mirkit include takes it back."), M.command(Shell.exclude([data.path], "", Shell.isWindows())));
    box.showModal();
  });
}

/* ---- neighbors */
const here = KEYS.order.findIndex((row) => location.pathname.endsWith("/" + row.page));
for (const [name, row] of [["before", KEYS.order[here - 1]], ["after", here < 0 ? null : KEYS.order[here + 1]]]) if (row) { id(name).href = row.page; id(name).title = row.title; id(name).hidden = false; }
})();
