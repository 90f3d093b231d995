"use strict";
// Sorts a table by the column whose heading is pressed; numbers by value, a dash last.
function valueOf(cell) {
  const text = cell.textContent.trim();
  const number = parseFloat(text.replace(/^\[/, "").replace(/^<\s*/, ""));
  if (text.startsWith("–")) return Infinity;
  return Number.isNaN(number) ? text : number;
}
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a === b ? 0 : a - b;
  return String(a).localeCompare(String(b));
}
for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const heading = button.parentElement;
    const table = heading.closest("table");
    const column = [...heading.parentElement.children].indexOf(heading);
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => compare(valueOf(a.cells[column]), valueOf(b.cells[column])));
    if (!ascending) rows.reverse();
    body.append(...rows);
  });
}

// Leaves the rows, and the curves, of strategies whose names contain what is typed.
const filter = document.querySelector("#filter");
const told = document.querySelector("#filtered");
function shown(label) {
  return label.toLowerCase().includes(filter.value.trim().toLowerCase());
}
function applyFilter() {
  for (const row of document.querySelectorAll("table.strategies tbody tr")) {
    row.hidden = !shown(row.cells[0].textContent);
  }
  const labels = Object.keys(data.colours);
  const left = labels.filter(shown).length;
  told.textContent = left === labels.length ? "" : `${left} of ${labels.length} strategies`;
}

// Charts: Vega-Lite draws the rows that the chosen task and kind have.
const data = JSON.parse(document.querySelector("#chart-data").textContent);
const specs = JSON.parse(document.querySelector("#chart-specs").textContent);
const choices = Object.fromEntries(
  ["task", "kind", "axes"].map(name => [name, document.querySelector(`#${name}`)])
);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
function curveRows() {
  const found = data.curves[choices.task.value][choices.kind.value];
  if (!found) return [];
  return Object.entries(found.strategies).filter(([label]) => shown(label)).flatMap(([strategy, curve]) =>
    found.x.map((x, i) => ({strategy, x, mean: curve.mean[i], low: curve.low[i], high: curve.high[i]}))
  ).filter(row => row.mean !== null).map(row => ({...row, from: bandFrom(row)}));
}
// A band that reaches zero must not stretch a logarithmic axis: there it is cut off at half the mean.
function bandFrom(row) {
  return choices.axes.value.endsWith("-log") ? Math.max(row.low, row.mean / 2) : row.low;
}
function finalRows() {
  return Object.entries(data.finals[choices.task.value]).filter(([label]) => shown(label))
    .map(([strategy, [mean, low, high]]) => ({strategy, mean, low, high}))
    .sort((a, b) => a.mean - b.mean);
}
function styled(spec, rows) {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim(), line = style.getPropertyValue("--line").trim();
  const labels = Object.keys(data.colours).filter(shown);
  const made = structuredClone(spec);
  made.data = {values: rows};
  made.background = null;
  made.autosize = {type: "fit-x", contains: "padding"};
  made.config = {
    view: {stroke: null},
    font: "system-ui, sans-serif",
    axis: {labelFontSize: 12, titleFontSize: 12, labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line},
    legend: {labelFontSize: 12, labelColor: ink, columns: window.innerWidth < 640 ? 2 : 4},
  };
  for (const layer of made.layer.filter(layer => layer.encoding.color)) {
    const colours = labels.map(label => data.colours[label] === "#000000" ? ink : data.colours[label]);
    layer.encoding.color.scale = {domain: labels, range: colours};
  }
  return made;
}
function titled(spec, axis, title) {
  for (const layer of spec.layer) {
    if (layer.encoding[axis]) layer.encoding[axis].title = title;
  }
}
function drawn(place, spec, description) {
  spec.description = description;
  return vegaEmbed(place, spec, {
    mode: "vega-lite",
    renderer: "svg",
    actions: {export: true, source: false, compiled: false, editor: false},
  }).catch(problem => console.error(problem));
}
function drawCurves() {
  const kind = choices.kind.value, task = choices.task.value, rows = curveRows();
  const what = `${data.kinds[kind]} on ${task}`;
  document.querySelector("#no-curves").hidden = rows.length > 0;
  const spec = styled(specs.curves, rows);
  titled(spec, "x", kind === "seconds_curve" ? document.querySelector("#charts").dataset.seconds : "evaluations");
  titled(spec, "y", `regret (${data.units[task]})`);
  const [x, y] = choices.axes.value.split("-");
  for (const layer of spec.layer) {
    layer.encoding.x.scale.type = x;
    layer.encoding.y.scale.type = y;
    if (y === "linear") layer.encoding.y.scale.zero = true;
  }
  return drawn("#curve-chart", spec, `Line chart: ${what}. The numbers are in the tables of this page.`);
}
function drawFinals() {
  const rows = finalRows();
  const spec = styled(specs.finals, rows);
  spec.height = 24 * Math.max(rows.length, 1);
  titled(spec, "x", ["final test regret", `(${data.units[choices.task.value]})`]);
  return drawn("#final-chart", spec, `Final test regret on ${choices.task.value} with intervals; see the tables.`);
}
// Results over costs: rows of the picks, and of the front of the table; on a page whose tables record a cost.
const cost = document.querySelector("#cost");
const view = document.querySelector("#view");
// Leaves where the picks are, but for the worst twentieth of them.
function lookCloser(spec, {picks: rows, higher}) {
  const results = rows.map(row => row.y).sort((a, b) => a - b), costs = rows.map(row => row.x);
  const best = Math.max(...results), worst = Math.min(...results);
  const place = Math.floor(results.length / 20);
  const [from, to] = higher ? [results[place], best] : [worst, results[results.length - 1 - place]];
  const margin = 0.08 * (to - from) || 1;
  for (const layer of spec.layer) {
    layer.mark.clip = true;
    layer.encoding.y.scale = {domain: [from - margin, to + margin], nice: false};
    layer.encoding.x.scale.domain = [0.97 * Math.min(...costs), 1.03 * Math.max(...costs)];
  }
}
function drawFront() {
  if (!cost) return null;
  const task = choices.task.value, known = data.fronts[task] || {}, before = cost.value;
  cost.replaceChildren(...Object.keys(known).map(name => new Option(name, name, false, name === before)));
  const found = known[cost.value];
  const place = document.querySelector("#front-chart");
  document.querySelector("#no-front").hidden = Boolean(found);
  place.hidden = !found;
  if (!found) return null;
  const spec = styled(specs.fronts, []), [front, picks] = spec.layer;
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
  delete spec.data;
  front.data = {values: found.front};
  front.mark.color = ink;
  front.mark.point.color = ink;
  picks.data = {values: found.picks.filter(row => shown(row.strategy))};
  titled(spec, "x", `${cost.value} (${found.unit})`);
  titled(spec, "y", `test result (${data.results[task]})`);
  const costs = [...found.front, ...found.picks].map(row => row.x);
  const wide = Math.min(...costs) > 0 && Math.max(...costs) > 5 * Math.min(...costs);
  for (const {encoding: {x}} of spec.layer) x.scale = wide ? {type: "log", nice: false} : {zero: false};
  if (view.value === "picks") lookCloser(spec, found);
  return drawn(place, spec, `Test result over ${cost.value} on ${task}: what runs ended with, and the table's front.`);
}
function drawAll() {
  return Promise.all([drawCurves(), drawFinals(), drawFront()]);
}
for (const choice of [cost, view]) if (choice) choice.addEventListener("change", drawFront);
filter.addEventListener("input", () => { applyFilter(); drawAll(); });
for (const choice of Object.values(choices)) choice.addEventListener("change", drawAll);
dark.addEventListener("change", drawAll);
// What is taken away is made of what the page holds.
for (const link of document.querySelectorAll(".downloads a")) {
  const content = document.getElementById(link.dataset.from).textContent;
  link.href = URL.createObjectURL(new Blob([JSON.parse(content)], {type: link.type}));
}
drawAll().then(() => { document.documentElement.dataset.ready = "yes"; });
