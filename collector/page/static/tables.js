// Rows of a table, kept where they are: only what has changed is written, so that whoever reads or
// selects is not disturbed.
const bodies = new Map();

// `lines` are [key, cells]; a cell is a text, or { text, value, mark, title } with the number in `value`.
export function rows(id, lines, otherwise) {
  const body = document.getElementById(id);
  const known = bodies.get(id) ?? bodies.set(id, new Map()).get(id);
  const wanted = new Set(lines.map(([key]) => key));
  for (const [key, row] of known) if (!wanted.has(key)) { row.remove(); known.delete(key); }
  body.querySelector(".nothing")?.remove();
  lines.forEach(([key, cells], at) => {
    let row = known.get(key);
    if (!row) {
      row = document.createElement("tr");
      cells.forEach((_, column) => {
        const cell = document.createElement(column ? "td" : "th");
        if (!column) cell.scope = "row";
        row.append(cell);
      });
      known.set(key, row);
    }
    if (body.children[at] !== row) body.insertBefore(row, body.children[at] ?? null);
    cells.forEach((cell, column) => write(row.children[column], cell));
  });
  if (!lines.length) body.append(nothing(body, otherwise));
}

function write(place, cell) {
  const { text, value, mark = "", title } = typeof cell === "string" ? { text: cell } : cell;
  if (place.textContent !== text) place.textContent = text;
  if (place.className !== mark) place.className = mark;
  if (value == null) delete place.dataset.value;
  else place.dataset.value = value;
  if (title && place.title !== title) place.title = title;
}

function nothing(body, text) {
  const row = document.createElement("tr");
  row.className = "nothing";
  const cell = document.createElement("td");
  cell.colSpan = body.closest("table").tHead.rows[0].cells.length;
  cell.textContent = text;
  row.append(cell);
  return row;
}
