// What the page knows, where it is, and what tells it more.
import { count, counted, el, micros, setText } from "./elements.js";
import { batchPage, checkpoints, configuration, graph, inputs, overview, results } from "./views.js";

/** What is known: replaced piece by piece as messages come. */
const known = { live: null, graph: null, settings: [], results: [], points: [] };
const pages = [
  ["", "Overview", overview],
  ["results", "Results", results],
  ["graph", "Graph", graph],
  ["inputs", "Inputs", inputs],
  ["checkpoints", "Checkpoints", checkpoints],
  ["configuration", "Configuration", configuration],
];
const [main, banner, link] = ["main", "banner", "link"].map((id) => document.getElementById(id));
let view = null;

const nav = pages.map(([name, title]) => el("a", { href: `#/${name}` }, title));
document.getElementById("nav").append(el("ul", {}, ...nav.map((entry) => el("li", {}, entry))));
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

/** Shows what the address names. Links move the focus to what they open, as a page load would. */
function go(moved) {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const at = pages.findIndex(([other]) => other === name);
  view?.end?.();
  const [, title, make] = name === "batch" ? [name, `Batch ${rest[0] ?? ""}`, batchPage] : (pages[at] ?? pages[0]);
  nav.forEach((entry, other) => (other === Math.max(at, 0) && name !== "batch" ? entry.setAttribute("aria-current", "page") : entry.removeAttribute("aria-current")));
  view = make(known, rest[0] ?? "");
  // Before the first message nothing is known: not even that there is none of something.
  main.replaceChildren(...(known.live ? [view.element] : []));
  document.title = `${title} – ${known.live?.app ?? "Waterclock"}`;
  if (known.live) view.update(known);
  if (moved) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

function summary({ live }) {
  setText(document.getElementById("app"), live.app);
  const uptime = live.started === null ? "not started" : `for ${micros(live.now - live.started)}`;
  const { counts } = live;
  const failed = counts.failed ? `, ${count(counts.failed)} failed` : "";
  setText(
    document.getElementById("summary"),
    `${live.stopped ? "Ran" : "Running"} batches ${live.pace ? `within ${micros(live.pace.target_ms * 1000)}` : `of ${micros(live.interval * 1000)}`} ${uptime} · ${counted(counts.completed, "completed batch", "completed batches")}${failed} · ${counted(counts.processed, "record")}`,
  );
  const { health } = live;
  const where = health.slowest_stage ? ` Most of the time (${Math.round(health.share * 100)} %) goes into ${health.slowest_stage}.` : "";
  const behind = health.keeps_up ? [] : [`The job does not keep up: ${health.why}.${where}`];
  const strained = health.strains.length ? [`${health.strains.join("; ").replace(/^./, (first) => first.toUpperCase())}.`] : [];
  const said = [...behind, ...strained].join(" ");
  banner.hidden = said === "";
  setText(banner, said);
}

/** Completed batches, oldest first; each message repeats the newest. */
function merge(points, completed, retained) {
  const last = points.at(-1)?.[0] ?? -Infinity;
  for (const point of [...completed].reverse()) {
    if (point[0] > last) points.push(point);
  }
  points.splice(0, Math.max(0, points.length - retained));
}

let due = false;
function refresh() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    if (!known.live) return;
    summary(known);
    view.update(known);
  });
}

const source = new EventSource("/api/live");
source.addEventListener("known", ({ data }) => {
  Object.assign(known, JSON.parse(data));
  [known.points, known.results] = [[], []];
});
source.addEventListener("live", ({ data }) => {
  const first = known.live === null;
  known.live = JSON.parse(data);
  merge(known.points, known.live.completed, known.live.retained);
  if (first) go(false);
  refresh();
});
source.addEventListener("result", ({ data }) => {
  const news = JSON.parse(data);
  const before = known.results[news.place]?.history ?? [];
  const last = before.at(-1)?.[0] ?? -Infinity;
  news.history = [...before, ...news.history.filter(([time]) => time > last)].slice(-300);
  known.results[news.place] = news;
  refresh();
});
source.addEventListener("open", () => (link.hidden = true));
source.addEventListener("error", () => {
  link.hidden = false;
  setText(link, "The program does not answer: it has ended, or can't be reached. What is shown is how it was.");
});
addEventListener("hashchange", () => go(true));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => go(false));
go(false);
