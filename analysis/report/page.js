"use strict";
const charts = JSON.parse(document.getElementById("charts").textContent);
const rows = JSON.parse(document.getElementById("tables").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;
// ink and the darkest data colours have a light counterpart where the page is dark
const light = {"#1f2430": "#e7eaf1", "#8a90a0": "#9aa3b5", "#d9dde5": "#3a4150", "#0072b2": "#4aa8e0", "#882255": "#d05a94",
  "#6f4fbf": "#a58be8", "#a05a2c": "#c98250", "#6b7280": "#a3abba"};
const views = new Map();

function config() {
  const ink = getComputedStyle(root).getPropertyValue("--ink").trim(), line = getComputedStyle(root).getPropertyValue("--line").trim();
  const narrow = innerWidth < 640;
  return {background: "transparent", font: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", view: {stroke: null}, title: {color: ink},
    axis: {labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line, domain: false, labelFontSize: narrow ? 10 : 11.5, titleFontWeight: "normal", labelOverlap: false},
    axisX: {labelOverlap: true}, axisY: {labelLimit: narrow ? 130 : 330, minExtent: 0}, legend: {labelColor: ink, titleColor: ink, orient: "top", labelLimit: 300}};
}

async function draw(element) {
  const key = element.dataset.chart;
  const ratio = charts[key].usermeta && charts[key].usermeta.ratio;  // of a map: as long a unit on both axes
  const spec = ratio ? {...charts[key], height: Math.round(element.clientWidth * ratio)} : charts[key];
  let text = JSON.stringify(spec);
  if (root.dataset.theme === "dark") for (const [from, to] of Object.entries(light)) text = text.replaceAll(from, to);
  const made = await vegaEmbed(element, JSON.parse(text), {renderer: "svg", config: config(), tooltip: {theme: root.dataset.theme},
    actions: {export: true, source: false, compiled: false, editor: false}, downloadFileName: key});
  const menu = element.querySelector("details > summary");  // three dots, which say nothing to who cannot see them
  if (menu) menu.setAttribute("aria-label", "Save this figure");
  views.set(element, made.view);
  hide(element.closest("figure"));
}

// a chart in a closed section has no width yet: it is drawn when its section opens
const shown = element => { const section = element.closest("details.section"); return !section || section.open; };
const begun = new Set();
async function drawn(within) {
  for (const element of within.querySelectorAll(".chart")) {
    if (shown(element) && !begun.has(element)) { begun.add(element); await draw(element); }
  }
}
document.querySelectorAll("details.section").forEach(section => section.addEventListener("toggle", () => drawn(section)));
function redraw() { for (const [element, view] of [...views]) { view.finalize(); draw(element); } }

function theme(name) {
  root.dataset.theme = name;
  document.getElementById("theme").textContent = name === "dark" ? "Light" : "Dark";
  document.querySelectorAll(".swatch").forEach(swatch => {
    const colour = swatch.dataset.colour;
    swatch.style.backgroundColor = swatch.style.borderColor = name === "dark" && light[colour] || colour;
  });
  redraw();
}
document.getElementById("theme").addEventListener("click", () => theme(root.dataset.theme === "dark" ? "light" : "dark"));
dark.addEventListener("change", () => theme(dark.matches ? "dark" : "light"));
theme(dark.matches ? "dark" : "light");
drawn(document);
document.getElementById("contents").open = matchMedia("(min-width: 60rem)").matches;
let width = innerWidth;
addEventListener("resize", () => { if ((innerWidth < 640) !== (width < 640)) redraw(); width = innerWidth; });

function hide(figure) {
  if (!figure) return;
  const hidden = [...figure.querySelectorAll(".legend button[aria-pressed='false']")].map(b => b.dataset.name);
  for (const element of figure.querySelectorAll(".chart")) {
    const view = views.get(element);
    try { view && view.signal("hidden", hidden).run(); } catch { /* a chart without readers to hide */ }
  }
}
document.querySelectorAll(".legend button").forEach(button => button.addEventListener("click", () => {
  button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") === "true" ? "false" : "true");
  hide(button.closest("figure"));
}));

const cell = value => value === null ? "" : typeof value === "number" && !Number.isInteger(value) ? value.toFixed(4) : String(value);
function fill(details) {
  const table = rows[details.dataset.table], scroll = details.querySelector(".scroll");
  const body = order => order.map(row => "<tr>" + row.map(v => `<td${typeof v === "number" ? ' class="n"' : ""}></td>`).join("") + "</tr>").join("");
  const put = order => {
    const tbody = scroll.querySelector("tbody");
    tbody.innerHTML = body(order);
    order.forEach((row, i) => row.forEach((v, j) => { tbody.rows[i].cells[j].textContent = cell(v); }));
  };
  scroll.innerHTML = "<table><thead><tr></tr></thead><tbody></tbody></table>";
  table.columns.forEach((name, j) => {
    const th = document.createElement("th"), button = document.createElement("button");
    th.scope = "col"; button.textContent = name; th.append(button); scroll.querySelector("tr").append(th);
    button.addEventListener("click", () => {
      const down = th.getAttribute("aria-sort") === "ascending";
      scroll.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
      th.setAttribute("aria-sort", down ? "descending" : "ascending");
      const known = (a, b) => (a[j] === null) - (b[j] === null) || (a[j] < b[j] ? -1 : a[j] > b[j] ? 1 : 0) * (down ? -1 : 1);
      put([...table.rows].sort(known));
    });
  });
  put(table.rows);
  if (table.n_rows > table.rows.length) {
    const note = document.createElement("p");
    note.textContent = `The first ${table.rows.length} of ${table.n_rows} rows; the line above gives all.`;
    scroll.before(note);
  }
}
document.querySelectorAll("details.data").forEach(details => details.addEventListener("toggle", () => {
  if (details.open && !details.querySelector("table")) fill(details);
}));
const quoted = value => { const text = value === null ? "" : String(value); return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text; };
document.querySelectorAll("button.get[data-table]").forEach(button => button.addEventListener("click", () => {
  const table = rows[button.dataset.table];
  const text = [table.columns, ...table.rows].map(row => row.map(quoted).join(",")).join("\n") + "\n";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "text/csv"}));
  link.download = button.dataset.table + ".csv"; link.click(); URL.revokeObjectURL(link.href);
}));

// texts: each box has a list to choose from and a place to read
document.querySelectorAll(".reader").forEach(box => {
  const texts = JSON.parse(document.getElementById(box.dataset.texts).textContent), pick = box.querySelector("select.which");
  const narrow = box.querySelector("select.narrow"), place = box.querySelector(".story");
  const show = () => { const chosen = texts[pick.value]; place.replaceChildren();
    for (const [name, value] of chosen ? chosen.parts : []) { const p = document.createElement("p"), b = document.createElement("b");
      b.textContent = name + " "; p.append(b, value); place.append(p); } };
  const list = () => { pick.replaceChildren(); texts.forEach((t, i) => { if (t.group === narrow.value) pick.append(new Option(t.name, i)); }); show(); };
  for (const group of new Set(texts.map(t => t.group))) narrow.append(new Option(group, group));
  narrow.addEventListener("change", list); pick.addEventListener("change", show); list();
});

function reveal() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  const closed = target && target.closest("details");
  if (closed) closed.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", reveal); reveal();
addEventListener("beforeprint", () => document.querySelectorAll("details.section").forEach(d => { d.open = true; }));
document.getElementById("all").addEventListener("click", () => {
  const sections = [...document.querySelectorAll("details.section")], open = sections.some(d => !d.open);
  sections.forEach(d => { d.open = open; });
});
