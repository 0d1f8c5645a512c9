"use strict";
// Figures come every two seconds; rates are differences of counters between two of them.
const EVERY = 2000, KEPT = 150, LINES = 6;
const $ = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");
const PALETTE = { light: ["#0b62c4", "#b3261e", "#1a7f4b", "#8a3ffc", "#9a5b00", "#00727d"],
                  dark: ["#6fb1ff", "#ff8a80", "#5fd39b", "#c6a1ff", "#f0b55b", "#58cfdb"] };
const number = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
let history = [], before = null, plot = null, names = "";

function rows(id, lines) {
  $(id).replaceChildren(...lines.map((cells) => {
    const tr = document.createElement("tr");
    cells.forEach((cell, at) => {
      const td = document.createElement(at ? "td" : "th");
      if (!at) td.scope = "row";
      td.textContent = typeof cell === "number" ? number.format(cell) : cell;
      if (typeof cell === "number") td.dataset.value = cell;
      tr.append(td);
    });
    return tr;
  }));
}

function draw() {
  const tasks = [...new Set(history.flatMap((one) => Object.keys(one.rates)))].sort().slice(0, LINES);
  const data = [history.map((one) => one.time), ...tasks.map((task) => history.map((one) => one.rates[task] ?? null))];
  if (plot && names === tasks.join("\n")) return plot.setData(data);
  names = tasks.join("\n");
  plot?.destroy();
  const style = getComputedStyle(document.documentElement);
  const colours = PALETTE[dark.matches ? "dark" : "light"];
  const axis = { stroke: style.getPropertyValue("--soft"), grid: { stroke: style.getPropertyValue("--line"), width: 1 } };
  plot = new uPlot({ width: $("chart").clientWidth, height: 220, axes: [axis, axis],
    scales: { y: { range: (_, low, high) => [0, Math.max(high || 0, 1)] } },
    series: [{}, ...tasks.map((label, at) => ({ label, stroke: colours[at], width: 2, points: { show: false } }))] }, data, $("chart"));
}

function show(told) {
  const of = (name, key) => told.shown[name][key] ?? 0;
  const started = told.shown.celery_task_started_total, rates = {};
  for (const task in started) {
    const earlier = before?.shown.celery_task_started_total[task];
    // A counter that fell began anew.
    if (before) rates[task] = Math.max(0, started[task] - (earlier > started[task] ? 0 : earlier ?? 0)) / (told.time - before.time);
  }
  if (before) history = [...history, { time: told.time, rates }].slice(-KEPT);
  before = told;
  rows("tasks", Object.keys(started).sort().map((task) => {
    const count = of("celery_task_runtime_seconds_count", task);
    const mean = count ? `${number.format(of("celery_task_runtime_seconds_sum", task) / count)} s` : "–";
    return [task, rates[task] ?? "–", started[task], ...["success", "failed", "retried", "lost"].map((one) => of(`celery_task_${one}_total`, task)), mean];
  }));
  rows("queues", Object.entries(told.shown.celery_queue_length).sort());
  rows("workers", Object.entries(told.shown.celery_worker_up).sort().map(([worker, up]) =>
    [worker, up ? "yes" : "no", of("celery_worker_tasks_active", worker), of("celery_worker_tasks_reserved", worker)]));
  rows("keys", Object.entries(told.redaction.keys).sort());
  $("streams").textContent = number.format(told.redaction.totals.portless_streams ?? 0);
  $("series").textContent = number.format(told.redaction.totals.portless_series ?? 0);
  if (history.length) draw();
}

async function look() {
  try {
    const answer = await fetch("figures.json", { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(`answer ${answer.status}`);
    show(await answer.json());
    if ($("state").textContent !== "Live") $("state").textContent = "Live";
  } catch (error) {
    $("state").textContent = `No answer from the collector (${error.message}); what is shown is old`;
  }
  setTimeout(look, EVERY);
}

addEventListener("resize", () => plot?.setSize({ width: $("chart").clientWidth, height: 220 }));
dark.addEventListener("change", () => { names = ""; if (history.length) draw(); });
look();
