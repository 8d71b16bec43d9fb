// A drawing of boxes in layers, each to the right of what it reads.
import { draw, el } from "./elements.js";

const [WIDTH, HEIGHT, RIGHT, DOWN, EDGE] = [205, 66, 36, 20, 12];
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** Boxes: [{ id, lines, kind, parents, title }]; parents come before their children. */
export function drawing(title, boxes) {
  const layer = new Map();
  const columns = [];
  for (const box of boxes) {
    const depth = Math.max(-1, ...box.parents.map((parent) => layer.get(parent) ?? -1)) + 1;
    layer.set(box.id, depth);
    (columns[depth] ??= []).push(box);
  }
  const at = new Map();
  columns.forEach((column, x) => column.forEach((box, y) => at.set(box.id, [EDGE + x * (WIDTH + RIGHT), EDGE + y * (HEIGHT + DOWN)])));
  const width = columns.length * (WIDTH + RIGHT) - RIGHT + 2 * EDGE;
  const height = Math.max(0, ...columns.map((column) => column.length)) * (HEIGHT + DOWN) - DOWN + 2 * EDGE;
  const svg = draw("svg", { class: "graph", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  // Made smaller to fit, as far as its texts stay legible.
  svg.style.minWidth = `${0.8 * width}px`;
  for (const box of boxes) {
    const [x, y] = at.get(box.id);
    for (const parent of box.parents.filter((parent) => at.has(parent))) {
      const [px, py] = at.get(parent);
      const [fx, fy, ty] = [px + WIDTH, py + HEIGHT / 2, y + HEIGHT / 2];
      svg.append(draw("path", { d: `M${fx} ${fy} C${fx + RIGHT / 2} ${fy} ${x - RIGHT / 2} ${ty} ${x} ${ty}` }));
    }
  }
  for (const box of boxes) {
    const [x, y] = at.get(box.id);
    const group = draw("g", { class: box.kind ?? "" }, draw("title", {}, box.title ?? box.lines.join(", ")));
    group.append(draw("rect", { x, y, width: WIDTH, height: HEIGHT, rx: 8 }));
    box.lines.slice(0, 3).forEach((line, row) => group.append(draw("text", { x: x + 10, y: y + 20 + row * 18, class: row ? "more" : "" }, cut(line, row ? 27 : 25))));
    svg.append(group);
  }
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": title }, svg);
}
