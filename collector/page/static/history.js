// What was told, one moment after the other -> how fast counters grow.
export const WINDOW = 20; // s; workers push every 5 s, and a rate needs some of these
const KEPT = 300;

export class History {
  #moments = [];
  times = [];
  #lines = new Map(); // by name of a chart, of values by label: one number for each of `times`

  // Returns false where the collector has begun anew: nothing before compares with what follows.
  add(told) {
    const last = this.#moments.at(-1);
    const goesOn = !last || (last.started === told.started && last.exporter === told.exporter);
    if (!goesOn) {
      this.#moments = [];
      this.times = [];
      this.#lines.clear();
    }
    if (last && goesOn && told.time <= last.time) return true; // told before
    this.#moments.push(told);
    while (this.#moments.length > 2 && this.#moments[1].time <= told.time - WINDOW) this.#moments.shift();
    return goesOn;
  }

  // By value of the label, per second; null until there are two moments.
  rates(metric, label) {
    const now = this.#moments.at(-1);
    const seconds = now.time - this.#moments[0].time;
    return Object.fromEntries(
      Object.entries(now.metrics[metric][label]).map(([value, number]) => {
        // What was not there before counts from when it was first seen: it may have begun long ago.
        const base = this.#moments.find((one) => one.metrics[metric][label][value] != null).metrics[metric][label][value];
        // A counter that fell has begun anew.
        return [value, seconds ? (number < base ? number : number - base) / seconds : null];
      }),
    );
  }

  draw(chart, values) {
    if (!this.#lines.has(chart)) this.#lines.set(chart, new Map());
    const lines = this.#lines.get(chart);
    const before = this.times.length - 1;
    for (const name of Object.keys(values)) if (!lines.has(name)) lines.set(name, Array(before).fill(null));
    for (const [name, line] of lines) {
      line.push(values[name] ?? null);
      if (line.length > KEPT) line.shift();
    }
    return lines;
  }

  tick(time) {
    this.times.push(time);
    if (this.times.length > KEPT) this.times.shift();
  }
}
