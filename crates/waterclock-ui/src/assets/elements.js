// Elements and texts. Records are other people's words: they only ever become text nodes.

/** An element with attributes, properties (`on..` are listeners) and children. */
export function el(name, given = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== undefined && child !== null));
  return made;
}

/** The same in a drawing. */
export function draw(name, given = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(given)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const whole = new Intl.NumberFormat("en");
const exact = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

export const count = (number) => whole.format(Math.round(number));

/** A number of things: `1 batch`, `2 batches`. */
export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A number that may have a fraction. */
export const figure = (number) => exact.format(number);

/** A time of so many microseconds, in the unit that fits. */
export function micros(given) {
  if (given === null || given === undefined) return "–";
  const units = [[1e3, "µs", 1], [1e6, "ms", 1e3], [6e7, "s", 1e6], [3.6e9, "min", 6e7], [8.64e10, "h", 3.6e9]];
  const [, unit, size] = units.find(([limit]) => given < limit) ?? [0, "days", 8.64e10];
  return `${short.format(given / size)} ${unit}`;
}

export function bytes(given) {
  let [size, unit] = [given, 0];
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  while (size >= 1024 && unit < units.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${short.format(size)} ${units[unit]}`;
}

/** A batch's time: its milliseconds only where batches are shorter than a second. */
export function batchTime(ms, interval = 0) {
  const date = new Date(ms);
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}/${two(date.getMonth() + 1)}/${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return interval < 1000 ? `${day} ${time}.${String(date.getMilliseconds()).padStart(3, "0")}` : `${day} ${time}`;
}

export const batchLink = (ms, interval) => el("a", { href: `#/batch/${ms}` }, batchTime(ms, interval));

/**
 * A table whose rows stay the same elements while what is in them changes, so that whoever is in one with the
 * keyboard stays there. Columns: { name, kind, value(row), show(row) }; `kind` is "number", "name" (not broken within
 * a word) or nothing; `show` answers with a text or an element.
 */
export function table(caption, columns, { sortable = false, pageful = 0, empty = "none." } = {}) {
  const body = el("tbody");
  const rowsByKey = new Map();
  const state = { rows: [], by: -1, down: true, page: 0 };
  const heads = columns.map((column, at) => {
    const button = sortable && column.value
      ? el("button", { type: "button", onclick: () => sort(at) }, column.name)
      : column.name;
    return el("th", { scope: "col", class: column.kind }, button);
  });
  const status = el("span", { role: "status" });
  const older = el("button", { type: "button", onclick: () => turn(1) }, "Older");
  const newer = el("button", { type: "button", onclick: () => turn(-1) }, "Newer");
  const pager = el("div", { class: "pager", hidden: true }, newer, older, status);
  const none = el("p", { class: "quiet" }, `${caption}: ${empty}`);
  const framed = el("div", { class: "scroll" }, el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, ...heads)), body));
  const element = el("div", {}, framed, none, pager);

  function sort(at) {
    state.down = state.by === at ? !state.down : true;
    [state.by, state.page] = [at, 0];
    heads.forEach((head, other) => {
      if (other === at) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    show();
  }
  function turn(by) {
    state.page += by;
    show();
  }
  function show() {
    let rows = state.rows;
    if (state.by >= 0) {
      const { value } = columns[state.by];
      const order = (a, b) => (value(a) > value(b) ? 1 : value(a) < value(b) ? -1 : 0) * (state.down ? -1 : 1);
      rows = [...rows].sort(order);
    }
    const pages = pageful ? Math.max(1, Math.ceil(rows.length / pageful)) : 1;
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    if (pageful) rows = rows.slice(state.page * pageful, (state.page + 1) * pageful);
    pager.hidden = pages < 2;
    [newer.disabled, older.disabled] = [state.page === 0, state.page === pages - 1];
    if (!pager.hidden) setText(status, `Page ${state.page + 1} of ${pages}`);
    framed.hidden = rows.length === 0;
    none.hidden = rows.length > 0;
    const seen = new Set();
    rows.forEach((row, at) => {
      seen.add(row.key);
      let known = rowsByKey.get(row.key);
      if (!known) {
        known = el("tr", {}, ...columns.map((column) => el("td", { class: column.kind })));
        rowsByKey.set(row.key, known);
      }
      columns.forEach((column, cell) => fill(known.cells[cell], column.show(row)));
      if (body.rows[at] !== known) body.insertBefore(known, body.rows[at] ?? null);
    });
    for (const [key, row] of rowsByKey) {
      if (!seen.has(key)) {
        row.remove();
        rowsByKey.delete(key);
      }
    }
  }
  return { element, update(rows) { state.rows = rows; show(); } };
}

/** Puts a text or an element into a cell, unless the same is there. */
function fill(cell, content) {
  if (content instanceof Node) {
    if (cell.firstChild && cell.firstChild.isEqualNode(content)) return;
    cell.replaceChildren(content);
  } else if (cell.textContent !== content) cell.textContent = content;
}

/** Names with values: `update` takes the values in order. */
export function tiles(names) {
  const values = names.map(() => el("dd"));
  const element = el("dl", { class: "tiles" }, ...names.map((name, at) => el("div", { class: "tile" }, el("dt", {}, name), values[at])));
  return { element, update(texts) { texts.forEach((text, at) => setText(values[at], text)); } };
}
