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
  bytes: (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)),
  /* Draw a canvas when it comes into view, and again when its size or the theme changes. */
  fit(canvas, draw) {
    const again = () => {
      const box = canvas.getBoundingClientRect(), scale = window.devicePixelRatio || 1;
      if (!box.width || !canvas.dataset.seen) return;
      canvas.width = Math.round(box.width * scale); canvas.height = Math.round(box.height * scale);
      const pen = canvas.getContext("2d");
      pen.scale(scale, scale); pen.font = "12px system-ui, sans-serif";
      draw(pen, box.width, box.height);
    };
    canvas.redraw = again; M.drawn.add(canvas); M.sight.observe(canvas); M.sizes.observe(canvas);
    return again;
  },
  drawn: new Set(),
  number(value, digits = 4) {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number") return String(value);
    if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1);
    return String(+value.toPrecision(digits));
  },
  clock(seconds, tenths = true) {
    const t = Math.max(0, seconds), h = Math.floor(t / 3600), m = Math.floor(t / 60) % 60;
    const s = tenths ? (t % 60).toFixed(1).padStart(4, "0") : String(Math.floor(t % 60)).padStart(2, "0");
    return h ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
  },
  tip(event, text) {
    const box = M.id("tip");
    box.hidden = !text;
    if (!text) return;
    box.textContent = text;
    const x = Math.min(event.clientX + 14, window.innerWidth - box.offsetWidth - 8);
    box.style.left = x + "px";
    box.style.top = (event.clientY + 18 + box.offsetHeight > window.innerHeight ? event.clientY - box.offsetHeight - 10 : event.clientY + 18) + "px";
  },
  /* Draw a distribution: a histogram, or one line per track where there are few tracks; `at` marks a value. */
  bars(pen, w, h, row, at) {
    const place = (value) => Math.min(w - 2, Math.max(0, M.place(row, value) * (w - 2)));
    if (row.rug.length) {
      pen.fillStyle = M.color("line"); pen.fillRect(0, h - 1, w, 1);
      pen.fillStyle = M.color("shape");
      row.rug.forEach((value) => pen.fillRect(place(value), h * .18, 2, h * .82));
    } else {
      const top = Math.max(1, ...row.histogram), step = w / row.histogram.length;
      pen.fillStyle = M.color("shape");
      row.histogram.forEach((count, i) => { const tall = (count / top) * (h - 2); pen.fillRect(i * step + .5, h - tall, Math.max(1, step - 1), tall); });
    }
    if (at !== undefined) { pen.fillStyle = M.color("accent"); pen.fillRect(place(at), 0, 2, h); }
  },
  drawable: (row) => row.rug.length > 0 || row.histogram.length > 0,
  /* Ends of a feature's axis: P0.5 and P99.5, or minimum and maximum where there are few tracks. */
  ends: (row) => row.rug.length ? [row.low, row.high] : [row.edges[0], row.edges[row.edges.length - 1]],
  /* Position of a value on the axis: 0 to 1, outside of it less or more. */
  place(row, value) {
    let [low, high] = M.ends(row);
    if (!(high > low)) return .5;
    if (row.scale === "log" && low > 0 && value > 0) { low = Math.log(low); high = Math.log(high); value = Math.log(value); }
    return (value - low) / (high - low);
  },
};
M.sight = new IntersectionObserver((entries) => entries.forEach((entry) => {
  if (entry.isIntersecting && !entry.target.dataset.seen) { entry.target.dataset.seen = "1"; entry.target.redraw(); }
}), { rootMargin: "300px" });
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
