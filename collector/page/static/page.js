// Asks for the figures every two seconds and shows them; what a browser needs to know is all here.
import { Chart } from "./chart.js";
import { History, WINDOW } from "./history.js";
import * as redaction from "./redaction.js";
import { rows } from "./tables.js";
import * as words from "./words.js";

const EVERY = 2000;
const PATIENCE = 5000;
const LINES = 8;
const OTHERWISE = ["ignored", "rejected", "revoked", "discarded"];
const OUTCOME_COLOURS = { succeeded: "good", retried: "c1", failed: "bad", lost: "c4 dash", otherwise: "c7 dash" };
const $ = (id) => document.getElementById(id);
const history = new History();
let charted = [], last = null, path = "figures.json";

const taskColour = (task) => {
  const at = charted.indexOf(task);
  return `c${at}${at > 3 ? " dash" : ""}`;
};
const charts = {
  rate: new Chart("rate", taskColour),
  outcome: new Chart("outcome", (name) => OUTCOME_COLOURS[name]),
};

const number = (value, text = words.count, mark = "") => ({ text: text(value), value, mark: value ? mark : "zero" });
const total = (by) => Object.values(by).reduce((sum, one) => sum + (one ?? 0), 0);
const named = (value, otherwise = "(all)") => value || otherwise;

// The busiest tasks have a line; it keeps its colour until another task is much busier.
function chart(rates) {
  const rate = (task) => rates[task] ?? -1;
  const others = Object.keys(rates).filter((task) => rate(task) >= 0 && !charted.includes(task)).sort((a, b) => rate(b) - rate(a));
  for (const task of others) {
    const least = charted.reduce((at, one, other) => (rate(one) < rate(charted[at]) ? other : at), 0);
    if (charted.length < LINES) charted.push(task);
    else if (rate(task) > 1.5 * rate(charted[least])) charted[least] = task;
    else break;
  }
}

function tasks(told) {
  const of = (name) => told.metrics[`celery.task.${name}`].task_name;
  const rates = history.rates("celery.task.started", "task_name");
  chart(rates);
  const all = new Set(["started", ...told.outcomes].flatMap((name) => Object.keys(of(name))));
  rows("tasks", [...all].sort().map((task) => {
    const runtime = told.metrics["celery.task.runtime"].task_name[task];
    const one = (name) => of(name)[task] ?? 0;
    const otherwise = OTHERWISE.reduce((sum, name) => sum + one(name), 0);
    return [task, [
      { text: named(task), mark: charted.includes(task) ? `swatched ${taskColour(task)}` : "", title: task },
      number(rates[task], words.rate), number(one("started")), number(one("success")), number(one("failed"), words.count, "bad"),
      number(one("retried")), number(one("lost"), words.count, "bad"),
      { ...number(otherwise), title: OTHERWISE.map((name) => `${name} ${one(name)}`).join(", ") },
      ...told.quantiles.map((q) => number(runtime?.[q], words.duration)),
    ]];
  }), "No task has come to a worker yet.");
  return rates;
}

function failures(told) {
  const found = [["celery.task.failed", "exception", "failed"], ["celery.task.lost", "reason", "lost"]].flatMap(([metric, label, how]) => {
    const rates = history.rates(metric, label);
    return Object.entries(told.metrics[metric][label]).filter(([, tasks]) => tasks).map(([value, tasks]) =>
      ({ key: `${how} ${value}`, text: `${how}: ${named(value, "(not told)")}`, tasks, rate: rates[value] }));
  });
  found.sort((a, b) => b.tasks - a.tasks || (a.key < b.key ? -1 : 1));
  rows("failures", found.slice(0, 12).map(({ key, text, tasks, rate }) => [key, [text, number(rate, words.rate), number(tasks)]]), "Nothing has failed, and nothing was lost.");
}

function queues(told) {
  const of = (name) => told.metrics[`celery.queue.${name}`].queue_name;
  const all = new Set(["length", "oldest_age", "reserved"].flatMap((name) => Object.keys(of(name))));
  rows("queues", [...all].sort().map((queue) => [queue, [
    named(queue), number(of("length")[queue]), number(of("oldest_age")[queue], words.duration), number(of("reserved")[queue]),
  ]]), "Nobody looks at the broker: on PostgreSQL a worker does by itself, elsewhere `portless observe`.");
  const reasons = Object.entries(told.metrics["celery.broker.blind"].reason).filter(([, blind]) => blind).map(([reason]) => reason);
  $("blind").hidden = !reasons.length;
  $("blind").textContent = `Not everything about the broker can be read: ${reasons.join(", ")}`;
}

const ready = (is, up) => ({ text: is == null ? words.NONE : is ? "ready" : "not ready", value: is, mark: is ? "good" : up && is != null ? "bad" : "zero" });

function workers(told) {
  const of = (name) => told.metrics[`celery.${name}`].hostname;
  const lost = of("canary.failures");
  rows("workers", Object.keys(of("worker.up")).sort().map((worker) => {
    const up = of("worker.up")[worker];
    const canary = of("canary.round_trip")[worker];
    return [worker, [
      named(worker), { text: up ? "up" : "DOWN", value: up, mark: up ? "good" : "bad" }, ready(of("worker.ready")[worker], up),
      ...["pool.processes", "tasks.active", "tasks.reserved"].map((name) => number(of(`worker.${name}`)[worker])),
      number(canary?.p50, words.duration), number(canary?.p95, words.duration), number(canary || worker in lost ? lost[worker] ?? 0 : null, words.count, "bad"),
    ]];
  }), "No worker has told of itself yet.");
  const stages = Object.entries(told.metrics["celery.canary.failures"].stage).filter(([, messages]) => messages);
  const checks = Object.entries(told.metrics["celery.api.ready"].check).sort();
  $("api").hidden = !checks.length;
  $("api").className = checks.every(([, well]) => well) ? "note good" : "warn";
  $("api").textContent = `API readiness: ${checks.map(([check, well]) => `${check} ${well ? "ready" : "NOT READY"}`).join(", ")}`;
  $("stages").hidden = !stages.length;
  $("stages").textContent = `Canaries lost at the stage ${stages.map(([stage, messages]) => `${stage} (${words.count(messages)})`).join(", ")}`;
}

function outcomes(told) {
  const per = (name) => {
    const rates = Object.values(history.rates(`celery.task.${name}`, "task_name")).filter((one) => one != null);
    return rates.length ? rates.reduce((sum, one) => sum + one, 0) : null;
  };
  const sum = (names) => names.map(per).reduce((all, one) => (one == null ? all : (all ?? 0) + one), null);
  return { succeeded: per("success"), retried: per("retried"), failed: per("failed"), lost: per("lost"), otherwise: sum(OTHERWISE) };
}

// Who is up and does not take tasks is what matters; workers of old say only that they are up.
function workersTile(up, known, takes, about) {
  return takes == null ? ["Workers up", words.count(up), about, up < known] : ["Workers ready", `${words.count(takes)} of ${words.count(up)}`, about, takes < up || up < known];
}

function tiles(told, rates, ended) {
  const of = (name, label) => told.metrics[`celery.${name}`][label];
  const all = Object.values(ended).reduce((sum, one) => sum + (one ?? 0), 0);
  const bad = (ended.failed ?? 0) + (ended.lost ?? 0);
  const running = total(of("worker.tasks.active", "hostname")), slots = total(of("worker.pool.processes", "hostname"));
  const up = total(of("worker.up", "hostname")), known = Object.keys(of("worker.up", "hostname")).length;
  const isReady = of("worker.ready", "hostname");
  const ages = Object.values(of("queue.oldest_age", "queue_name")).filter((age) => age != null);
  const seen = Object.keys(of("queue.length", "queue_name")).length;
  const { streams, series, balanced, checked } = told.redaction;
  const shown = [
    ["Tasks a second", words.rate(Object.keys(rates).length ? total(rates) : null), "started"],
    ["Failed or lost", all ? words.share(bad, all) : words.NONE, "of what ended", bad > 0],
    ["Waiting", seen ? words.count(total(of("queue.length", "queue_name"))) : words.NONE, ages.length ? `oldest ${words.duration(Math.max(...ages))}` : "in the broker"],
    workersTile(up, known, Object.values(isReady).length ? total(isReady) : null, slots ? `${words.count(running)} of ${words.count(slots)} slots busy` : "none has told of itself"),
    ["Canaries lost", Object.keys(of("canary.round_trip", "hostname")).length ? words.count(total(of("canary.failures", "stage"))) : words.NONE, "messages to oneself", total(of("canary.failures", "stage")) > 0],
    ["Streams → series", `${words.count(streams)} → ${words.count(series)}`, balanced === checked ? "sums equal" : "SUMS DIFFER", balanced !== checked],
  ];
  if ($("tiles").children.length !== shown.length) {
    $("tiles").replaceChildren(...shown.map(() => {
      const tile = document.createElement("div");
      tile.append(document.createElement("dt"), document.createElement("dd"), document.createElement("dd"));
      return tile;
    }));
  }
  shown.forEach(([what, value, about, isBad], at) => {
    const [name, first, second] = $("tiles").children[at].children;
    name.textContent = what;
    first.textContent = value;
    first.className = isBad ? "bad" : "";
    second.textContent = about;
  });
}

function exporters(told) {
  const names = Object.keys(told.exporters);
  $("source").textContent = told.exporter;
  $("choice").hidden = names.length < 2;
  if ($("exporter").length === names.length) return;
  $("exporter").replaceChildren(...names.map((name) => new Option(name, told.exporters[name])));
  $("exporter").value = path;
}

function show(told) {
  if (!history.add(told)) charted = [];
  exporters(told);
  $("empty").hidden = told.lines > 0;
  $("push-to").textContent = told.push_to ? `http://${told.push_to}` : "http://HOST:4318";
  $("lines").textContent = words.count(told.lines);
  const rates = tasks(told), ended = outcomes(told);
  if (last?.time !== told.time) {
    history.tick(told.time);
    const lines = history.draw("rate", rates), ways = history.draw("outcome", ended);
    charts.rate.show(history.times, lines, charted);
    charts.outcome.show(history.times, ways, Object.keys(ended));
  }
  tiles(told, rates, ended);
  failures(told);
  queues(told);
  workers(told);
  redaction.show(told.redaction);
  last = told;
}

function state(text, kind) {
  if ($("state").textContent !== text) $("state").textContent = text;
  $("state").className = `pill ${kind}`;
}

async function look() {
  const asked = path;
  try {
    const answer = await fetch(asked, { signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    const told = await answer.json();
    if (asked === path) show(told);
    state(told.lines ? "Live" : "Waiting for the first worker", told.lines ? "good" : "soft");
    $("updated").textContent = `as of ${words.time(told.time)}`;
    $("stale").hidden = true;
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof DOMException || error.message.startsWith("it answers"))) throw error;
    const since = last ? `Stale since ${words.time(last.time)}` : "No answer";
    const why = error.message.startsWith("it answers") ? error.message : "it cannot be reached";
    if ($("stale").hidden) $("stale").textContent = `${since}: ${why}. ${last ? "The numbers are from then; the page goes on by itself when the collector is back." : "Is the collector running?"}`;
    $("stale").hidden = false;
    state(last ? "Stale" : "No answer", "bad");
  } finally {
    document.body.classList.toggle("old", !$("stale").hidden);
    setTimeout(look, EVERY);
  }
}

$("window").textContent = WINDOW;
$("exporter").addEventListener("change", () => { path = $("exporter").value; });
look();
