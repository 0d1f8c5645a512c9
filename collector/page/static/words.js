// Numbers -> words for a person. A number that is not there is a dash.
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const some = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });
export const NONE = "–";

export const count = (value) => (value == null ? NONE : Number.isInteger(value) ? whole.format(value) : some.format(value));

export function rate(value) {
  if (value == null) return NONE;
  return value >= 100 ? whole.format(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function duration(seconds) {
  if (seconds == null) return NONE;
  if (seconds === 0) return "0 s";
  if (seconds < 1) return `${some.format(seconds * 1000)} ms`;
  if (seconds < 90) return `${some.format(seconds)} s`;
  if (seconds < 5400) return `${some.format(seconds / 60)} min`;
  return seconds < 172800 ? `${some.format(seconds / 3600)} h` : `${some.format(seconds / 86400)} d`;
}

export const share = (part, of) => (of ? `${some.format((100 * part) / of)} %` : NONE);
export const time = (seconds) => clock.format(new Date(seconds * 1000));
export const many = (value, one, more) => `${count(value)} ${value === 1 ? one : more}`;
