// The pages. Each answers with an element, and with `update`, which brings it up to what is known.
import { colour, spread, timeline } from "./charts.js";
import { batchLink, batchTime, bytes, count, counted, el, figure, micros, setText, table, tiles } from "./elements.js";
import { drawing } from "./graph.js";

// What a point has where, see `Point` in live.rs.
const [TIME, RECORDS, WAITED, TOOK, TOTAL, FAILED, SUCCEEDED, OUTPUTS, ORIGIN, COVERS] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const ORIGINS = { Redone: "run again after a restart", CaughtUp: "formed for time without a program" };
const SHOWN = 1000;

const open = (ms) => (location.hash = `#/batch/${ms}`);
const perSecond = (rate) => `${count(rate)}/s`;
const place = (site) => `${site.file}:${site.line}`;
const nearby = (site) => `${site.file.split("/").at(-1)}:${site.line}`;
const rows = (points) => points.map((point) => ({ key: point[TIME], point }));

function batches(caption, known, options) {
  const at = (index, name, show) => ({ name, kind: "number", value: ({ point }) => point[index], show: ({ point }) => show(point[index]) });
  return table(caption, [
    { name: "Batch time", value: ({ point }) => point[TIME], show: ({ point }) => batchLink(point[TIME], known.live?.interval) },
    at(RECORDS, "Records", count),
    at(WAITED, "Scheduling delay", micros),
    at(TOOK, "Processing time", micros),
    at(TOTAL, "Total delay", micros),
    { name: "Outputs", kind: "number", show: ({ point }) => `${point[SUCCEEDED]}/${point[OUTPUTS]}` },
    {
      name: "Status",
      value: ({ point }) => Number(point[FAILED]),
      show: ({ point }) => (point[FAILED] ? el("span", { class: "failed" }, "failed") : ORIGINS[point[ORIGIN]] ?? "–"),
    },
  ], options);
}

function resultCard(result) {
  const title = el("h3", {}, result.name);
  const when = el("p", { class: "quiet" });
  const columns = Math.max(1, result.columns.length, ...result.rows.map((row) => row.length));
  const name = (at) => result.columns[at] ?? (columns === 1 ? "record" : columns === 2 ? ["key", "value"][at] : `${at + 1}`);
  const numeric = (text) => text !== "" && Number.isFinite(Number(text));
  const list = table(`Records of ${result.name}`, Array.from({ length: columns }, (_, at) => ({
    name: name(at),
    kind: result.rows.length > 0 && result.rows.every((row) => numeric(row[at] ?? "")) ? "number" : null,
    value: ({ cells }) => (numeric(cells[at] ?? "") ? Number(cells[at]) : cells[at] ?? ""),
    show: ({ cells }) => cells[at] ?? "",
  })), { sortable: true, pageful: 20, empty: "the newest batch has none." });
  const chart = timeline([], { height: 220, text: figure, legend: true, open });
  let shown = "";
  return {
    element: el("section", { class: "card" }, title, when, chart.place, list.element),
    columns,
    update(news, interval) {
      const more = news.more ? ", and the batch has more" : "";
      setText(when, news.time === null ? "No batch yet." : `Batch ${batchTime(news.time, interval)}: ${counted(news.rows.length, "record")}${more}.`);
      list.update(news.rows.map((cells, key) => ({ key, cells })));
      const keys = (news.history.at(-1)?.[1] ?? []).map(([key]) => key).slice(0, 8);
      if (keys.length === 0) return;
      const sorted = [...keys].sort();
      if (sorted.join("\n") !== shown) {
        shown = sorted.join("\n");
        chart.series(sorted.map((key, at) => ({ label: key || news.name, stroke: colour(at) })));
      }
      const lines = sorted.map((key) => news.history.map(([, values]) => values.find(([other]) => other === key)?.[1] ?? null));
      chart.update([news.history.map(([time]) => time / 1000), ...lines]);
    },
    end: () => chart.end(),
  };
}

/** A card for each result; a new one where its columns change. */
function resultCards() {
  const element = el("div", { class: "cards" });
  const cards = [];
  return {
    element,
    update({ results, live }) {
      results.forEach((result, at) => {
        const columns = Math.max(1, result.columns.length, ...result.rows.map((row) => row.length));
        if (cards[at]?.columns !== columns) {
          const card = resultCard(result);
          cards[at] ? cards[at].element.replaceWith(card.element) : element.append(card.element);
          cards[at]?.end();
          cards[at] = card;
        }
        cards[at].update(result, live.interval);
      });
    },
    end: () => cards.forEach((card) => card.end()),
  };
}

const PHASES = [
  ["making", "making its datasets"],
  ["logging", "waiting until what it reads is written down"],
  ["running", "running its outputs"],
  ["completing", "completing its state"],
  ["publishing", "publishing"],
  ["committing", "writing down how it ended"],
  ["cleaning", "settling and letting go"],
];

function phases(caption) {
  const list = table(caption, [
    { name: "Phase", show: ({ title }) => title },
    { name: "Time", kind: "number", show: ({ took }) => micros(took) },
    { name: "Share", show: ({ took, all }) => el("meter", { value: took, max: Math.max(all, 1), "aria-label": `${Math.round((100 * took) / Math.max(all, 1))} %` }) },
  ]);
  return {
    element: list.element,
    update(of) {
      const all = PHASES.reduce((sum, [name]) => sum + (of?.[name] ?? 0), 0);
      list.update(PHASES.map(([name, title]) => ({ key: name, title, took: of?.[name] ?? 0, all })));
    },
  };
}

function operators(caption) {
  const list = table(caption, [
    { name: "Operator", value: (of) => of.operator, show: (of) => of.operator },
    { name: "Where", value: (of) => place(of.site), show: (of) => el("span", { title: place(of.site) }, nearby(of.site)) },
    { name: "All batches", kind: "number", value: (of) => of.micros, show: (of) => micros(of.micros) },
    { name: "Newest batch", kind: "number", value: (of) => of.last_micros, show: (of) => micros(of.last_micros) },
    { name: "Share", show: (of) => el("meter", { value: of.micros, max: Math.max(of.all, 1), "aria-label": `${Math.round((100 * of.micros) / Math.max(of.all, 1))} %` }) },
  ], { sortable: true, pageful: 20, empty: "none was at work yet." });
  return {
    element: list.element,
    update(all) {
      const sum = all.reduce((sum, of) => sum + of.micros, 0);
      list.update(all.map((of) => ({ ...of, key: `${of.operator} ${of.site.file}:${of.site.line}:${of.site.column}`, all: sum })));
    },
  };
}

function states() {
  return table("State kept from batch to batch", [
    { name: "State", show: (of) => of.name },
    { name: "Keys", kind: "number", value: (of) => of.keys, show: (of) => count(of.keys) },
    { name: "Memory", kind: "number", value: (of) => of.bytes, show: (of) => bytes(of.bytes) },
  ], { sortable: true, empty: "no stream keeps any." });
}

/** Who has how much of the memory, and how batches follow a latency target. */
function load() {
  const list = table("Memory of data", [
    { name: "For", show: ({ what }) => what },
    { name: "Bytes", kind: "number", show: (of) => bytes(of.used) },
    { name: "Of all", show: (of) => (of.all ? el("meter", { value: of.used, max: of.all, "aria-label": `${Math.round((100 * of.used) / of.all)} %` }) : "–") },
  ]);
  const facts = tiles(["Latency target", "A batch spans", "A batch takes at most", "Left by the newest batch", "Target"]);
  const pacePart = el("section", { class: "card", "aria-label": "Pace" }, el("h3", {}, "Pace"), facts.element);
  return {
    element: el("div", { class: "cards" }, el("div", { class: "card" }, list.element), pacePart),
    update({ memory, pace }) {
      const { shares } = memory;
      const part = (what, used, all = shares.budget) => ({ key: what, what, used, all });
      list.update([
        part("received blocks", shares.received), part("shuffles", shares.shuffled), part("cached datasets", shares.cached), part("state", shares.state),
        part("on disk now, as memory is short", shares.on_disk, 0), part("moved to disk since the start", memory.spilled, 0),
      ]);
      pacePart.hidden = !pace;
      if (pace) facts.update([micros(pace.target_ms * 1000), micros(pace.span_ms * 1000), counted(pace.most_records, "record"), counted(pace.left_records, "record"), pace.overloaded ? "can't be met" : "is met"]);
    },
  };
}

export function overview(known) {
  const facts = tiles(["Input rate", "Processing time", "Total delay", "Waiting", "Memory", "Dropped records"]);
  const shown = resultCards();
  const shownPart = el("section", { "aria-label": "Results" }, el("h2", {}, "Results"), shown.element);
  const pace = known.live?.pace;
  const line = (label) => [{ label, stroke: colour(8), dash: [6, 4] }];
  // Where batches follow a latency target that is the limit, and else what a batch covers.
  const limits = pace ? [[], line("latency target")] : [line("batch interval"), []];
  const charts = [spread("Input rate", { text: perSecond, open }), spread("Scheduling delay", { open }), spread("Processing time", { open }, limits[0]), spread("Total delay", { open }, limits[1])];
  const heading = el("h2", {}, "Time lines");
  const tables = { running: batches("Running batches", known), waiting: batches("Waiting batches", known, { pageful: 20 }), completed: batches("Completed batches", known, { sortable: true, pageful: 20 }) };
  const [time, phase, state, loaded] = [operators("Time of each operator, in all tasks together"), phases("The newest completed batch, phase by phase"), states(), load()];
  const notes = table("Failures and warnings, newest first", [
    { name: "When", show: (of) => batchTime(of.at_micros / 1000) },
    { name: "What", show: (of) => el("pre", {}, of.text) },
  ], { pageful: 10 });
  const part = (title, ...content) => el("section", {}, el("h2", {}, title), ...content);
  const card = (content) => el("div", { class: "card" }, content);
  const element = el("div", {}, facts.element, shownPart,
    el("section", {}, heading, el("div", { class: "cards" }, ...charts.map((chart) => chart.element))),
    part("Batches", ...Object.values(tables).map((list) => card(list.element))),
    part("Where the time goes", el("div", { class: "cards" }, card(time.element), card(phase.element))),
    part("Load", loaded.element), part("State", card(state.element)), part("Notes", card(notes.element)));
  return {
    element,
    update(known) {
      const { live, points } = known;
      const latest = points.slice(-SHOWN);
      const [times, column] = [latest.map((point) => point[TIME] / 1000), (at) => latest.map((point) => point[at] ?? 0)];
      const rates = latest.map((point) => (point[RECORDS] * 1000) / Math.max(1, point[COVERS]));
      const rate = live.inputs.reduce((sum, input) => sum + input.records_per_second, 0);
      const { used, shares: { budget } } = live.memory;
      facts.update([perSecond(rate), micros(points.at(-1)?.[TOOK]), micros(points.at(-1)?.[TOTAL]), count(live.waiting.length), `${bytes(used)} of ${bytes(budget)}`, count(live.counts.dropped)]);
      shownPart.hidden = known.results.length === 0;
      shown.update(known);
      setText(heading, `Time lines (last ${counted(latest.length, "batch", "batches")}, ${live.running.length + live.waiting.length} active, ${count(live.counts.completed)} completed)`);
      charts[0].update(times, rates);
      charts[1].update(times, column(WAITED));
      const limit = times.map(() => (pace?.target_ms ?? live.interval) * 1000);
      charts[2].update(times, column(TOOK), ...limits[0].map(() => limit));
      charts[3].update(times, column(TOTAL), ...limits[1].map(() => limit));
      tables.running.update(rows(live.running));
      tables.waiting.update(rows(live.waiting));
      tables.completed.update(rows([...points].reverse()));
      time.update(live.operators);
      phase.update(live.phases);
      loaded.update(live);
      state.update(live.states.map((of) => ({ ...of, key: of.stream })));
      notes.update(live.notices.map((of, key) => ({ ...of, key })));
    },
    end() {
      shown.end();
      charts.forEach((chart) => chart.end());
    },
  };
}

export function results() {
  const shown = resultCards();
  const none = el("p", {}, "Nothing is shown yet. stream.show(\"name\") puts the results of a stream here.");
  return {
    element: el("div", {}, el("h2", {}, "Results"), none, shown.element),
    update(known) {
      none.hidden = known.results.length > 0;
      shown.update(known);
    },
    end: () => shown.end(),
  };
}

export function graph(known) {
  const [picture, stages] = [el("div", { class: "card" }), el("div", { class: "card" }, el("p", { class: "quiet" }, "No batch yet."))];
  const list = table("The same as a list", [
    { name: "Number", kind: "number", value: (of) => of.id, show: (of) => String(of.id) },
    { name: "Operation", value: (of) => of.operator, show: (of) => of.operator },
    { name: "Name", value: (of) => of.name ?? "", show: (of) => of.name ?? "–" },
    { name: "Made from", show: (of) => of.parents.join(", ") || "–" },
    { name: "Every", kind: "number", value: (of) => of.slide_ms, show: (of) => micros(of.slide_ms * 1000) },
    { name: "Where", show: (of) => place(of.site) },
    { name: "Time, newest batch", kind: "number", value: (of) => of.took, show: (of) => micros(of.took) },
  ], { sortable: true });
  let drawn = null;
  const timer = setInterval(() => newest(), 1000);
  async function newest() {
    const time = known.points.at(-1)?.[TIME];
    const answer = time === undefined ? null : await fetch(`/api/batches/${time}`).catch(() => null);
    if (answer?.ok) stages.replaceChildren(el("h3", {}, `Stages of batch ${batchTime(time, known.live.interval)}`), stageDrawing((await answer.json()).batch));
  }
  newest();
  return {
    element: el("div", {}, el("h2", {}, "Streams and outputs"), picture, el("h2", {}, "Stages"), stages, el("h2", {}, "Streams"), el("div", { class: "card" }, list.element)),
    update({ graph: of, live }) {
      const took = ({ operator, site }) => live.operators.filter((other) => other.operator === operator && other.site.file === site.file && other.site.line === site.line).reduce((sum, other) => sum + other.last_micros, 0);
      const most = Math.max(1, ...of.streams.map(took));
      const text = JSON.stringify(of.streams.map((stream) => Math.round((10 * took(stream)) / most)));
      list.update(of.streams.map((stream) => ({ ...stream, key: stream.id, took: took(stream) })));
      if (text === drawn) return;
      drawn = text;
      const { streams, scopeOf } = scopes(of.streams);
      const kind = (stream) => (!live.health.keeps_up && took(stream) === most ? "hot" : stream.is_input ? "input" : stream.has_state ? "state" : "");
      const boxes = streams.map((stream) => ({
        id: `s${stream.id}`,
        lines: [stream.name ?? stream.operator, stream.name ? stream.operator : nearby(stream.site), `newest batch: ${micros(took(stream))}`],
        kind: kind(stream),
        parents: stream.parents.map((parent) => `s${parent}`),
        title: `${stream.operator} ${stream.name ?? ""} at ${place(stream.site)}`,
      }));
      const outputs = of.outputs.map((output) => ({ id: `o${output.id}`, lines: [output.name, output.operator], kind: "output", parents: [`s${scopeOf.get(output.stream)}`] }));
      picture.replaceChildren(drawing("Streams and outputs; the list below says the same", [...boxes, ...outputs]));
    },
    end: () => clearInterval(timer),
  };
}

/** The streams that one call of the program defined as one: an operation that is made of others is one box. */
function scopes(all) {
  const [scopeOf, byScope] = [new Map(), new Map()];
  for (const stream of all) {
    const call = (other) => `${other.operator} ${place(other.site)}:${other.site.column}`;
    const inner = stream.parents.find((parent) => call(all.find((other) => other.id === parent) ?? stream) === call(stream) && scopeOf.has(parent));
    const scope = inner === undefined ? stream.id : scopeOf.get(inner);
    scopeOf.set(stream.id, scope);
    const known = byScope.get(scope) ?? { ...stream, parents: [], name: null, has_state: false };
    const parents = stream.parents.map((parent) => scopeOf.get(parent)).filter((parent) => parent !== scope && parent !== undefined);
    byScope.set(scope, { ...known, name: stream.name ?? known.name, has_state: known.has_state || stream.has_state, parents: [...new Set([...known.parents, ...parents])] });
  }
  return { streams: [...byScope.values()], scopeOf };
}

/** The stages of all jobs of a batch. */
function stageDrawing(batch) {
  const stages = batch.jobs.flatMap((job) => job.stages);
  const longest = Math.max(0, ...stages.map(({ info }) => info.task_micros));
  return drawing("Stages; the tables of the batch's page say the same", stages.map(({ info, finished_tasks }) => ({
    id: `${info.job}/${info.id}`,
    lines: [info.operator, `${finished_tasks}/${info.tasks} tasks, ${micros(info.task_micros)}`, info.operators.map((of) => of.operator).join(", ")],
    kind: longest > 0 && info.task_micros === longest ? "longest" : "",
    parents: info.after.map((id) => `${info.job}/${id}`),
    title: `${info.operator} at ${place(info.site)}: ${info.operators.map((of) => `${of.operator} ${micros(of.micros)}`).join(", ")}`,
  })));
}

export function inputs() {
  const list = table("Inputs and their receivers", [
    { name: "Input", value: (of) => of.name, show: (of) => of.name },
    { name: "Receiver", show: (of) => (of.receiver ? el("span", { class: of.receiver.active ? "good" : "failed" }, of.receiver.active ? "ACTIVE" : "INACTIVE") : "none") },
    { name: "Records", kind: "number", value: (of) => of.records, show: (of) => count(of.records) },
    { name: "Rate", kind: "number", value: (of) => of.records_per_second, show: (of) => perSecond(of.records_per_second) },
    { name: "Waiting", kind: "number", value: (of) => of.waiting_records ?? -1, show: (of) => (of.waiting_records === null ? "–" : count(of.waiting_records)) },
    { name: "Held back lately", kind: "number", value: (of) => of.held_back, show: (of) => `${Math.round(of.held_back * 100)} %` },
    { name: "Held back in all", kind: "number", value: (of) => of.held_back_micros, show: (of) => micros(of.held_back_micros) },
    { name: "Newest batch", show: (of) => of.description || "–" },
    { name: "Last error", show: (of) => (of.receiver?.last_error ? el("details", {}, el("summary", {}, `${batchTime(of.receiver.last_error_micros / 1000)}: ${of.receiver.last_error.slice(0, 100)}`), el("pre", {}, of.receiver.last_error)) : "–") },
  ], { sortable: true, empty: "the graph has none." });
  return {
    element: el("div", {}, el("h2", {}, "Inputs"), el("div", { class: "card" }, list.element)),
    update({ live }) {
      list.update(live.inputs.map((input) => ({ ...input, key: input.stream, receiver: live.receivers.find((of) => of.stream === input.stream) })));
    },
  };
}

export function checkpoints() {
  const about = el("p");
  const recovery = el("p");
  const list = table("Snapshots, newest first", [
    { name: "Newest batch in it", value: (of) => of.time, show: (of) => batchTime(of.time) },
    { name: "Written", show: (of) => batchTime(of.ended_micros / 1000) },
    { name: "Took", kind: "number", value: (of) => of.ended_micros - of.started_micros, show: (of) => micros(of.ended_micros - of.started_micros) },
    { name: "Size", kind: "number", value: (of) => of.bytes, show: (of) => bytes(of.bytes) },
    { name: "Status", show: (of) => (of.failure ? el("details", {}, el("summary", { class: "failed" }, "failed"), el("pre", {}, of.failure)) : el("span", { class: "good" }, "written")) },
  ], { sortable: true, pageful: 20, empty: "none in this run yet; one is written when the log has become long." });
  return {
    element: el("div", {}, el("h2", {}, "Checkpoints"), el("div", { class: "card" }, about, recovery, list.element)),
    update({ live: { checkpoint } }) {
      list.element.hidden = !checkpoint;
      setText(about, checkpoint ? `In ${checkpoint.dir}: ${count(checkpoint.written)} snapshots in this run, ${count(checkpoint.failed)} failed.` : "Nothing outlives this process: the program has no checkpoint directory.");
      const of = checkpoint?.recovery;
      setText(recovery, of ? `Start ${of.starts} of this application: went on after batch ${batchTime(of.ended)} with ${of.redone} batches to run again and ${of.missed} for time without a program; ready in ${micros(of.restored_micros - of.started_micros)}.` : "");
    },
  };
}

export function configuration() {
  const list = table("Settings in force", [
    { name: "Setting", kind: "name", value: ([name]) => name, show: ([name]) => name },
    { name: "Value", show: ([, value]) => value },
  ], { sortable: true });
  return {
    element: el("div", {}, el("h2", {}, "Configuration"), el("div", { class: "card" }, list.element)),
    update({ settings }) {
      list.update(settings.map((pair) => Object.assign([...pair], { key: pair[0] })));
    },
  };
}

export function batchPage(known, id) {
  const element = el("div", {}, el("h2", {}, "Batch"), el("p", {}, id ? "Looking…" : "The address is missing the batch's id."));
  let [over, timer] = [id === "", 0];
  async function look() {
    const answer = await fetch(`/api/batches/${encodeURIComponent(id)}`).catch(() => null);
    if (!answer) return;
    if (!answer.ok) {
      element.replaceChildren(el("h2", {}, "Batch"), el("p", {}, `Batch ${id} does not exist, or is no longer kept.`));
      over = true;
    } else {
      const { status, batch } = await answer.json();
      over = status === "COMPLETED";
      element.replaceChildren(...batchParts(status, batch, known));
    }
    if (over) clearInterval(timer);
  }
  if (!over) {
    look();
    timer = setInterval(look, 500);
  }
  return { element, update() {}, end: () => clearInterval(timer) };
}

function batchParts(status, batch, known) {
  const { info } = batch;
  const delay = (from, to) => (from === null || to === null ? null : to - from);
  const facts = tiles(["Status", "Covers", "Records", "Scheduling delay", "Processing time", "Total delay", "Why"]);
  facts.update([
    status.toLowerCase(), micros((info.interval.to - info.interval.from) * 1000), count(info.inputs.reduce((sum, of) => sum + of.records, 0)),
    micros(delay(info.submitted_micros, info.started_micros)), micros(delay(info.started_micros, info.ended_micros)), micros(delay(info.submitted_micros, info.ended_micros)),
    ORIGINS[info.origin] ?? "it was time",
  ]);
  const phase = phases("Phase by phase");
  phase.update(info.phases);
  const name = (stream) => known.live?.inputs.find((of) => of.stream === stream)?.name ?? `stream ${stream}`;
  const input = table("Input", [
    { name: "Input", show: (of) => name(of.stream) },
    { name: "Records", kind: "number", show: (of) => count(of.records) },
    { name: "What", show: (of) => of.description || "–" },
  ]);
  input.update(info.inputs.map((of) => ({ ...of, key: of.stream })));
  const sections = info.outputs.map((output) => outputPart(output, batch));
  const others = batch.jobs.filter((job) => job.info.owner?.output === null || job.info.owner?.output === undefined);
  if (others.length) sections.push(el("section", { class: "card" }, el("h3", {}, "Outside of outputs"), ...others.map(jobPart)));
  const card = (content) => el("div", { class: "card" }, content);
  return [
    el("h2", {}, `Batch ${batchTime(info.interval.to, known.live?.interval)}`), facts.element,
    el("h2", {}, "Outputs"), ...(sections.length ? sections : [el("p", { class: "quiet" }, "None has begun.")]),
    el("h2", {}, "Stages"), card(stageDrawing(batch)),
    el("h2", {}, "Input and phases"), el("div", { class: "cards" }, card(input.element), card(phase.element)),
  ];
}

function outputPart(output, batch) {
  const jobs = batch.jobs.filter((job) => job.info.owner?.output === output.id);
  const took = output.started_micros !== null && output.ended_micros !== null ? output.ended_micros - output.started_micros : null;
  const status = output.failure ? el("span", { class: "failed" }, "failed") : el("span", { class: "good" }, output.ended_micros === null ? "running" : "succeeded");
  const failure = output.failure && el("details", { open: true }, el("summary", {}, "Why"), el("pre", {}, output.failure));
  return el("section", { class: "card" }, el("h3", {}, `Output ${output.id}: ${output.name}`), el("p", {}, status, `, ${micros(took)}, ${counted(jobs.length, "job")}`), failure, ...jobs.map(jobPart));
}

function jobPart(job) {
  const took = job.info.ended_micros === null ? null : job.info.ended_micros - job.info.started_micros;
  const list = table(`Job ${job.info.id}: ${job.info.call} at ${place(job.info.site)}, ${micros(took)}`, [
    { name: "Stage", kind: "number", show: ({ info }) => String(info.id) },
    { name: "Operation", show: ({ info }) => `${info.operator} at ${place(info.site)}` },
    { name: "Tasks", kind: "number", show: (of) => `${of.finished_tasks}/${of.info.tasks}` },
    { name: "Time", kind: "number", show: ({ info }) => micros(info.ended_micros === null ? null : info.ended_micros - info.started_micros) },
    { name: "Longest task", kind: "number", show: ({ info }) => micros(info.longest_task_micros) },
    { name: "Hands on", kind: "number", show: ({ info }) => (info.output_bytes === null ? "–" : bytes(info.output_bytes)) },
    { name: "Operators", show: ({ info }) => info.operators.map((of) => `${of.operator} ${micros(of.micros)}`).join(", ") || "–" },
    { name: "Failure", show: (of) => (of.failure ? el("details", {}, el("summary", { class: "failed" }, `${of.info.failed_attempts} failed`), el("pre", {}, of.failure)) : "–") },
  ], { empty: "all of it was there already." });
  list.update(job.stages.map((stage) => ({ ...stage, key: stage.info.id })));
  return list.element;
}
