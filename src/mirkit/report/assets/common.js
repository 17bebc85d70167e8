"use strict";
/* Shared by both kinds of pages: elements, canvases that follow size and theme, number formats, the tooltip. */
const M = {
  el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== undefined && child !== null));
    return node;
  },
  id: (name) => document.getElementById(name),
  color: (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim(),
  isDark: () => parseInt(M.color("paper").slice(1, 3), 16) < 128,
  /* The one of two colors that is easier to read on a color that lies between two others. */
  readable(front, back, share, choices) {
    const parts = (color) => [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
    const light = (rgb) => { const [r, g, b] = rgb.map((c) => (c /= 255) <= .04 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b + .05; };
    const under = light(parts(front).map((c, i) => share * c + (1 - share) * parts(back)[i]));
    const contrast = (color) => { const over = light(parts(color)); return Math.max(over, under) / Math.min(over, under); };
    return choices.reduce((best, color) => contrast(color) > contrast(best) ? color : best);
  },
  bytes: (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)),
  /* A name from a stranger: marks of direction in it change nothing around it. */
  name: (text) => M.el("bdi", {}, text),
  /* A name of a feature, which may be broken after its underscores. */
  breakable: (name) => name.split("_").flatMap((part, i) => i ? ["_", M.el("wbr"), part] : [part]),
  isNarrow: () => matchMedia("(max-width: 760px)").matches,
  /* Draw a canvas when it is shown, and again when its size or the theme changes. */
  fit(canvas, draw) {
    canvas.redraw = () => {
      const box = canvas.getBoundingClientRect(), scale = window.devicePixelRatio || 1;
      if (!box.width) return;
      canvas.width = Math.round(box.width * scale); canvas.height = Math.round(box.height * scale);
      const pen = canvas.getContext("2d");
      pen.scale(scale, scale); pen.font = "12px system-ui, sans-serif";
      draw(pen, box.width, box.height);
    };
    M.drawn.add(canvas); M.sizes.observe(canvas);
  },
  drawn: new Set(),
  number(value, digits = 4) {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number") return String(value);
    if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1).replace("-", "−").replace("-", "−");
    return String(+value.toPrecision(digits)).replace("-", "−");
  },
  fixed: (value, digits) => value.toFixed(digits).replace("-", "−"),
  counted: (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`,
  unit: (unit) => ["1", "ratio", "flag", "count", "0-100", "1-10", ""].includes(unit) ? "" : ` ${unit}`,
  clock(seconds, tenths = true) {
    const whole = tenths ? Math.round(Math.max(0, seconds) * 10) / 10 : Math.round(Math.max(0, seconds));
    const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60;
    const s = tenths ? (whole % 60).toFixed(1).padStart(4, "0") : String(whole % 60).padStart(2, "0");
    return h ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
  },
  /* Show a text at the pointer; without a text, hide it. */
  tip(event, text) {
    const box = M.id("tip");
    box.hidden = !text;
    if (!text) return;
    box.textContent = text;
    const right = window.innerWidth - box.offsetWidth - 8, below = event.clientY + 18;
    box.style.left = Math.max(8, Math.min(event.clientX + 14, right)) + "px";
    box.style.top = (below + box.offsetHeight > window.innerHeight ? event.clientY - box.offsetHeight - 10 : below) + "px";
  },
  /* Tooltip of a canvas: `text` receives the position in it, in pixels, and its size. */
  hover(canvas, text) {
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      M.tip(event, text(event.clientX - box.left, event.clientY - box.top, box.width, box.height));
    });
    canvas.addEventListener("pointerleave", (event) => M.tip(event));
  },
  /* Select a part of a canvas by dragging: `drag` gets two corners while the pointer moves, `done` when it is released;
     a pointer that hardly moved is a click. */
  brush(canvas, { drag, done, click }) {
    let start = null;
    const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top, box.width, box.height]; };
    canvas.classList.add("brush");
    canvas.addEventListener("pointerdown", (event) => { if (event.button === 0) { start = at(event); canvas.setPointerCapture(event.pointerId); } });
    canvas.addEventListener("pointermove", (event) => { if (start) { const end = at(event); if (Math.hypot(end[0] - start[0], end[1] - start[1]) > 4) drag(start, end); } });
    canvas.addEventListener("pointerup", (event) => {
      if (!start) return;
      const from = start, end = at(event);
      start = null; drag(null);
      if (Math.hypot(end[0] - from[0], end[1] - from[1]) > 4) done(from, end); else if (click) click(...end);
    });
    canvas.addEventListener("pointercancel", () => { start = null; drag(null); });
  },
  /* Round numbers within a range, about `count` of them. */
  ticks(low, high, count) {
    const rough = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough || 1));
    const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough * .999) || power;
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(+(i * step).toPrecision(12));
    return found;
  },
  /* Places of values as dots of a radius in a width: a dot that would cover another stands above it. */
  dots(values, w, radius) {
    const level = [];
    return values.map((value) => {
      const x = Math.min(w - radius, Math.max(radius, value * (w - 2 * radius) + radius));
      let up = 0;
      while ((level[up] || []).some((other) => Math.abs(other - x) < 2 * radius)) up++;
      (level[up] ||= []).push(x);
      return [x, up];
    });
  },
  /* Draw a distribution: a histogram, or one dot per track where there are few tracks; `at` marks a value. */
  shape(pen, w, h, row, at) {
    const place = (value) => Math.min(1, Math.max(0, M.place(row, value)));
    pen.fillStyle = M.color("line"); pen.fillRect(0, h - 1, w, 1);
    pen.fillStyle = M.color("shape");
    if (row.rug.length) {
      const radius = Math.max(1.5, Math.min(4.5, h / 12)), placed = M.dots(row.rug.map(place), w, radius);
      const tall = Math.max(...placed.map(([, up]) => up)), step = Math.min(2 * radius + .5, (h - 2 * radius - 2) / Math.max(1, tall));
      placed.forEach(([x, up]) => { pen.beginPath(); pen.arc(x, h - 2 - radius - up * step, radius, 0, 7); pen.fill(); });
    } else {
      const top = Math.max(1, ...row.histogram), step = w / row.histogram.length;
      row.histogram.forEach((count, i) => { const tall = (count / top) * (h - 2); pen.fillRect(i * step + .5, h - tall, Math.max(1, step - 1), tall); });
    }
    if (at !== undefined) { pen.fillStyle = M.color("ink"); pen.fillRect(Math.round(place(at) * (w - 2)), 0, 2, h); }
  },
  /* What is at a place of a drawn distribution. */
  shapeTip(row, x, w) {
    const unit = M.unit(row.unit);
    if (row.rug.length) {
      const near = row.rug.reduce((best, value) => Math.abs(M.place(row, value) - x / w) < Math.abs(M.place(row, best) - x / w) ? value : best);
      return `${M.number(near)}${unit}`;
    }
    const i = Math.min(row.histogram.length - 1, Math.max(0, Math.floor(x / w * row.histogram.length)));
    return `${M.number(row.edges[i], 3)} to ${M.number(row.edges[i + 1], 3)}${unit}\n${M.counted(row.histogram[i], "track")}`;
  },
  drawable: (row) => row.rug.length > 0 || row.histogram.length > 0,
  /* Ends of a feature's axis: P0.5 and P99.5, or minimum and maximum where there are few tracks. */
  ends: (row) => row.rug.length ? [row.low, row.high] : [row.edges[0], row.edges[row.edges.length - 1]],
  isLog: (row) => row.scale === "log" && M.ends(row)[0] > 0,
  /* Position of a value on the axis: 0 to 1, outside of it less or more. */
  place(row, value) {
    let [low, high] = M.ends(row);
    if (!(high > low)) return .5;
    if (M.isLog(row)) { if (!(value > 0)) return 0; low = Math.log(low); high = Math.log(high); value = Math.log(value); }
    return (value - low) / (high - low);
  },
  /* The value at a position of the axis. */
  valueAt(row, place) {
    const [low, high] = M.ends(row);
    return M.isLog(row) ? low * (high / low) ** place : low + place * (high - low);
  },
  copy: async (field) => {
    try { await navigator.clipboard.writeText(field.value); } catch { field.focus(); field.select(); document.execCommand("copy"); }
  },
  /* A command to copy: what it does, the text in a field, and a button. */
  command(text, description) {
    const field = M.el("textarea", { readonly: "", spellcheck: "false", rows: Math.min(8, Math.max(1, Math.ceil(text.length / 60))), "aria-label": "Command" });
    field.value = text;
    const done = M.el("span", { class: "hint", role: "status" });
    return M.el("div", { class: "command" }, description ? M.el("p", {}, description) : null,
      M.el("div", { class: "bar" }, field, M.el("button", { class: "strong", type: "button", onclick: async () => { await M.copy(field); done.textContent = "Copied."; } }, "Copy"), done));
  },
};
M.sizes = new ResizeObserver((entries) => entries.forEach((entry) => entry.target.redraw()));
M.theme = () => M.drawn.forEach((canvas) => canvas.redraw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", M.theme);
M.id("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("mirkit-theme", root.dataset.theme); } catch { /* some browsers store nothing for pages from the disk */ }
  M.theme();
});
window.addEventListener("scroll", () => { M.id("tip").hidden = true; }, { capture: true, passive: true });
/* Paper is light. */
let screenTheme;
window.addEventListener("beforeprint", () => { screenTheme = document.documentElement.dataset.theme; document.documentElement.dataset.theme = "light"; M.theme(); });
window.addEventListener("afterprint", () => { if (screenTheme) document.documentElement.dataset.theme = screenTheme; else delete document.documentElement.dataset.theme; M.theme(); });
