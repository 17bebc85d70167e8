"use strict";
/* The page of a data set: its views, what needs a look, coverage, captions. */
(() => {
const { el, id, number } = M, { known } = L, count = SET.names.length;
const line = (first, ...rest) => el("div", {}, el("span", {}, first), ...rest);

/* ---- facts */
const seconds = SET.rows.reduce((sum, row) => sum + (row.seconds || 0), 0);
const cells = KEYS.keys.length * KEYS.tracks, filled = KEYS.keys.reduce((sum, row) => sum + row.count, 0);
const look = SET.look.reduce((sum, group) => sum + (group.note ? 0 : group.count), 0);
const fact = (label, value, view) => id("facts").append(el("div", {}, el("dt", {}, label), el("dd", {}, view ? el("a", { href: view }, value) : value)));
fact("tracks", KEYS.tracks.toLocaleString("en"));
fact("length", seconds >= 36000 ? `${Math.round(seconds / 3600).toLocaleString("en")} h` : seconds >= 3600 ? `${(seconds / 3600).toFixed(1)} h` : `${M.clock(seconds, false)} min`);
fact("values known", cells ? `${number(100 * filled / cells, 3)} %` : "–", "#coverage");
fact("need a look", look.toLocaleString("en"), "#look");
if (Object.keys(SET.excluded).length) fact("excluded", Object.keys(SET.excluded).length.toLocaleString("en"), "#look");
if (SET.texts) fact("with captions", SET.texts.toLocaleString("en"), "#texts");
if (look) document.querySelectorAll('[data-count="look"]').forEach((mark) => { mark.textContent = mark.tagName === "OPTION" ? `Needs a look (${look})` : look; });

/* ---- views: one at a time */
const views = [...document.querySelectorAll("main > .view")], menu = id("views");
function show() {
  const wanted = views.find((view) => "#" + view.dataset.view === location.hash) || views[0], name = wanted.dataset.view;
  views.forEach((view) => { view.hidden = view !== wanted; });
  document.querySelectorAll(".top nav a").forEach((link) => { if (link.hash === "#" + name) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current"); });
  menu.value = name;
  id("to-list").hidden = name === "tracks";
  id("tip").hidden = true;
  window.scrollTo(0, 0);
  if (name === "texts") loadTexts();
}
menu.addEventListener("change", () => { location.hash = menu.value; });
window.addEventListener("hashchange", show);

/* ---- what needs a look */
const STEP = 25;
SET.look.forEach((group) => {
  const list = el("div", { class: "list" }), tracks = new Set(group.rows.map(([i]) => i).filter((i) => i >= 0));
  const more = el("button", { type: "button", class: "ghost", onclick: () => add() });
  let made = 0;
  const add = () => {
    group.rows.slice(made, made + STEP).forEach(([i, name, ...texts]) => {
      const track = i >= 0 ? L.trackLink(i) : name ? M.name(name) : null, under = i >= 0 ? L.under(i) : "";
      list.append(el("div", {}, track ? el("span", {}, track, under ? el("small", {}, M.name(under)) : null) : null, el("span", { class: track ? "why" : "" }, ...texts.flatMap((text, n) => [n ? el("br") : null, M.name(text)]))));
    });
    made = Math.min(group.rows.length, made + STEP);
    more.hidden = made >= group.rows.length; more.textContent = `Show ${Math.min(STEP, group.rows.length - made)} more`;
  };
  add();
  id("look-groups").append(el("section", { class: "panel", id: "look-" + group.id, "aria-label": group.title },
    el("div", { class: "bar" }, el("h3", {}, group.title), group.count ? el("span", { class: "count" }, group.count.toLocaleString("en")) : null, el("span", { class: "grow" }),
      tracks.size > 1 ? el("button", { type: "button", class: "ghost", onclick: () => { L.filter.only = { label: group.title.toLowerCase(), tracks }; L.update(); L.showList(); } }, "List these tracks") : null),
    group.hint ? el("p", { class: "hint" }, group.hint) : null, group.rows.length ? list : null, more,
    group.count > group.rows.length ? el("p", { class: "hint" }, `The first ${group.rows.length.toLocaleString("en")} of ${group.count.toLocaleString("en")}.`) : null,
    group.command ? M.command(group.command) : null));
});
if (!SET.look.some((group) => group.count)) id("look-groups").prepend(el("p", { class: "panel" }, "Nothing stands out: no track failed, is silent, or has a value that is unsure or out of its range."));
const excluded = Object.entries(SET.excluded);
if (excluded.length) id("look-groups").append(el("details", { class: "panel" }, el("summary", {}, el("h3", {}, "Excluded"), el("span", { class: "hint" }, `${M.counted(excluded.length, "track")}; mirkit include TRACK takes one back`)),
  el("div", { class: "list" }, ...excluded.slice(0, 500).map(([track, why]) => el("div", {}, el("span", {}, M.name(track)), el("span", { class: "why" }, M.name(why)))))));

/* ---- coverage */
const modules = [...new Set(KEYS.keys.map((row) => row.module))], reasons = {};
KEYS.keys.forEach((row) => Object.entries(row.nulls).forEach(([why, n]) => { reasons[why] = (reasons[why] || 0) + n; }));
modules.forEach((label) => {
  const rows = KEYS.keys.filter((row) => row.module === label), share = KEYS.tracks ? rows.reduce((sum, row) => sum + row.count, 0) / rows.length / KEYS.tracks : 0;
  const bar = el("i"); bar.style.width = 100 * share + "%";
  id("covered").append(line(`${label}, ${M.counted(rows.length, "value")}`, el("span", { class: "meter", "aria-hidden": "true" }, bar), el("span", { class: "number" }, `${number(100 * share, 3)} %`)));
});
Object.entries(reasons).sort((a, b) => b[1] - a[1]).slice(0, 20).forEach(([why, n]) => id("nulls").append(line(why, el("span", { class: "number" }, M.counted(n, "value")))));
if (!id("nulls").children.length) id("nulls").append(line("All values are known."));
Object.entries(SET.methods).filter(([, methods]) => Object.keys(methods).some((method) => method !== "none")).forEach(([stage, methods]) =>
  id("methods").append(line(stage, el("span", { class: "number" }, Object.entries(methods).map(([method, n]) => `${method} ${n}`).join(", ")))));
if (!id("methods").children.length) id("methods").append(line("No stage has run yet. Measure the tracks, in the folder of the tracks, with: mirkit run ."));

/* ---- captions, read when they are looked at */
const texts = () => {
  const wanted = id("find-text").value.toLowerCase(), found = TEXTS.filter((row) => Object.entries(row).some(([field, text]) => field !== "track" && text.toLowerCase().includes(wanted)));
  id("texts-count").textContent = `${found.length} of ${M.counted(count, "track")}`;
  id("texts-list").replaceChildren(...found.slice(0, 40).map((row) => {
    const [field, text] = Object.entries(row).find(([field, text]) => field !== "track" && (!wanted || text.toLowerCase().includes(wanted)));
    return line(el("span", {}, L.trackLink(row.track), el("br"), M.name(text)), el("span", { class: "number" }, field.replace("music_flamingo_", "").replace("_", " ")));
  }));
};
let asked = false;
function loadTexts() {
  if (!SET.texts || asked) return;
  asked = true;
  document.body.append(el("script", { src: "data/texts.js", onload: texts }));
}
id("find-text").addEventListener("input", () => window.TEXTS && texts());
id("captions").hidden = !SET.texts; id("no-captions").hidden = Boolean(SET.texts);
if (!KEYS.keys.some((row) => row.count)) id("unmeasured").hidden = false;
document.querySelectorAll("[data-command]").forEach((place) => place.append(M.command(place.dataset.command)));

L.update(); show();
})();
