// Streams in, series out: how many lines meet in each series, and that the sums stay what they were.
import * as words from "./words.js";

const $ = (id) => document.getElementById(id);
const DOTS = 5; // streams of a series that are drawn one by one
const STEP = 15;
const KEYS = 14;

function svg(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

function fan(family) {
  const parts = [];
  let y = STEP / 2 + 1;
  for (const streams of family.fan) {
    const drawn = Math.min(streams, DOTS);
    const middle = y + ((drawn - 1) * STEP) / 2;
    for (let at = 0; at < drawn; at++, y += STEP) {
      const more = at === drawn - 1 && streams > drawn;
      parts.push(svg("path", { class: "thread", d: `M12 ${y} C 70 ${y}, 80 ${middle}, 138 ${middle}` }));
      if (more) {
        parts.push(svg("text", { class: "more", x: 1, y: y + 4 }, `+${words.count(streams - drawn + 1)}`));
      } else parts.push(svg("circle", { class: "stream", cx: 8, cy: y, r: 4.5 }));
    }
    parts.push(svg("rect", { class: "series", x: 138, y: middle - 5.5, width: 11, height: 11, rx: 2 }));
    y += 4;
  }
  const label = `${words.many(family.streams, "stream", "streams")} became ${words.many(family.series, "series", "series")}`;
  return svg("svg", { viewBox: `0 0 156 ${y - 2}`, class: "fan", role: "img", "aria-label": label }, ...parts);
}

function drawn(family) {
  const text = `${words.many(family.streams, "stream", "streams")} → ${family.series} series${family.series > family.fan.length ? `, ${family.fan.length} of them drawn` : ""}`;
  const sums = element("p", "sums", element("span", "", `before ${words.count(family.before)}`), family.balances ? " = " : " ≠ ", element("span", "", `after ${words.count(family.after)}`));
  sums.dataset.before = family.before;
  sums.dataset.after = family.after;
  return element("li", family.balances ? "" : "bad", element("code", "", family.family), fan(family), element("p", "note", text), sums);
}

export function show(redaction) {
  $("streams").textContent = words.count(redaction.streams);
  $("series").textContent = words.count(redaction.series);
  const keys = Object.entries(redaction.keys);
  $("keys").replaceChildren(...keys.slice(0, KEYS).map(([key, streams]) => {
    const item = element("li", "", element("code", "", key), ` ${words.count(streams)}`);
    item.title = `taken from ${words.many(streams, "stream", "streams")} since the collector was started`;
    return item;
  }));
  if (!keys.length) $("keys").replaceChildren(element("li", "", "nothing so far"));
  if (keys.length > KEYS) $("keys").append(element("li", "", `and ${keys.length - KEYS} more keys`));
  $("families").replaceChildren(...redaction.families.map(drawn));
  const all = redaction.balanced === redaction.checked;
  $("balance").textContent = `${redaction.balanced} of ${words.many(redaction.checked, "family", "families")} that count: the sum over all streams is the sum over all series${all ? "." : " – THE OTHERS DIFFER."}${redaction.refused_points ? ` ${words.many(redaction.refused_points, "data point was", "data points were")} refused; the collector's own metrics tell why.` : ""}`;
  $("balance").className = all ? "note good" : "warn";
}
