// Lines over time, by uPlot, and a key below that tells the value under the cursor, or the last one.
import * as words from "./words.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const HEIGHT = 210;

export class Chart {
  #plot = null;
  #drawn = "";
  #data = [[]];
  #names = [];

  // `colour` gives a name the class of its colour, c0 to c9; a dash tells the second half apart.
  constructor(id, colour) {
    this.place = document.getElementById(id);
    this.key = document.getElementById(`${id}-key`);
    this.colour = colour;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.place);
    dark.addEventListener("change", () => this.#again());
  }

  show(times, lines, names) {
    this.#names = names;
    this.#data = [times, ...names.map((name) => lines.get(name))];
    if (!this.#plot || this.#drawn !== names.join("\n")) return this.#again();
    this.#plot.setData(this.#data);
    this.#tell();
  }

  #size() {
    return { width: Math.max(200, this.place.clientWidth), height: HEIGHT };
  }

  #again() {
    this.#plot?.destroy();
    this.#drawn = this.#names.join("\n");
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: of("--soft"), grid: { stroke: of("--line"), width: 1 }, ticks: { stroke: of("--line"), width: 1 }, font: "12px system-ui, sans-serif" };
    this.key.replaceChildren(...this.#names.map((name) => {
      const item = document.createElement("li");
      const swatch = document.createElement("i");
      swatch.className = `swatch ${this.colour(name)}`;
      item.append(swatch, name, document.createElement("output"));
      return item;
    }));
    this.#plot = new uPlot({
      ...this.#size(),
      legend: { show: false },
      cursor: { y: false, points: { size: 7 } },
      axes: [{ ...axis, size: 34, space: 90, values: (_, at) => at.map(words.time) }, { ...axis, size: 44 }],
      scales: { y: { range: (_, low, high) => [0, Math.max((high || 0) * 1.1, 1)] } },
      hooks: { setCursor: [() => this.#tell()] },
      series: [{}, ...this.#names.map((label) => {
        const colour = this.colour(label);
        return { label, stroke: of(`--${colour.split(" ")[0]}`), width: 2, dash: colour.endsWith("dash") ? [6, 4] : [], points: { show: false } };
      })],
    }, this.#data, this.place);
    this.#tell();
  }

  #tell() {
    const at = this.#plot?.cursor.idx ?? this.#data[0].length - 1;
    this.key.querySelectorAll("output").forEach((output, line) => {
      output.textContent = words.rate(this.#data[line + 1]?.[at]);
    });
  }
}
