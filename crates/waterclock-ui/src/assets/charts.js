// Charts, drawn by uPlot. What a chart shows is also said in words beside it.
import { batchTime, el, micros, setText } from "./elements.js";

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const colour = (at) => ink(`--s${at % 10}`);

function axes(valueText, timed) {
  const look = { stroke: ink("--quiet"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line"), width: 1 } };
  const x = timed ? { space: 80, values: (_, splits) => splits.map((seconds) => batchTime(seconds * 1000, 1000).slice(11)) } : { space: 60 };
  return [{ ...look, ...x }, { ...look, size: 70, values: (_, splits) => splits.map(valueText) }];
}

/** Keeps a chart as wide as its place. */
function fit(place, chart, height) {
  const observer = new ResizeObserver(() => {
    const width = place.clientWidth;
    if (width > 0 && Math.abs(width - chart.width) > 1) chart.setSize({ width, height });
  });
  observer.observe(place);
  return () => {
    observer.disconnect();
    chart.destroy();
  };
}

/** Lines over time. Series: [{ label, stroke, dash }]; `open(ms)` is called for a point that is clicked. */
export function timeline(series, { height = 170, text = micros, open, legend = false } = {}) {
  const place = el("div", { class: "chart", "aria-hidden": "true" });
  let [chart, end] = [null, () => {}];
  function begin(data) {
    const line = ({ label, stroke, dash }) => ({ label, stroke, dash, width: 1.5, points: { show: data[0].length < 2 }, value: (_, v) => (v === null || v === undefined ? "–" : text(v)) });
    chart = new uPlot({
      width: Math.max(place.clientWidth, 120),
      height,
      series: [{}, ...series.map(line)],
      axes: axes(text, true),
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
      legend: { show: legend },
      cursor: { drag: { x: false, y: false }, y: false },
    }, data, place);
    chart.over.addEventListener("click", () => {
      const at = chart.cursor.idx;
      if (open && at !== null && at !== undefined) open(Math.round(chart.data[0][at] * 1000));
    });
    end = fit(place, chart, height);
  }
  return {
    place,
    update(data) {
      if (!place.isConnected || data[0].length === 0) return;
      if (chart) chart.setData(data);
      else begin(data);
    },
    series(next) {
      series = next;
      end();
      [chart, end] = [null, () => {}];
      place.replaceChildren();
    },
    end: () => end(),
  };
}

const BINS = 24;

/** How values are spread. */
export function histogram({ height = 170, text = micros } = {}) {
  const place = el("div", { class: "chart", "aria-hidden": "true" });
  let [chart, end] = [null, () => {}];
  return {
    place,
    update(values) {
      if (!place.isConnected || values.length === 0) return;
      const most = Math.max(...values) || 1;
      const counts = new Array(BINS).fill(0);
      for (const value of values) counts[Math.min(BINS - 1, Math.floor((value / most) * BINS))] += 1;
      const data = [counts.map((_, at) => ((at + 0.5) * most) / BINS), counts];
      if (chart) return chart.setData(data);
      const [x, y] = axes((n) => String(n), false);
      chart = new uPlot({
        width: Math.max(place.clientWidth, 120),
        height,
        scales: { x: { time: false, range: (u) => [0, (u.data[0].at(-1) ?? 1) * (BINS / (BINS - 0.5))] }, y: { range: (_, __, high) => [0, Math.max(high, 1) * 1.1] } },
        series: [{}, { label: "batches", fill: ink("--accent"), paths: uPlot.paths.bars({ size: [0.9] }), points: { show: false } }],
        axes: [{ ...x, values: (_, splits) => splits.map(text), space: 80 }, { ...y, size: 45 }],
        legend: { show: false },
        cursor: { show: false },
      }, data, place);
      end = fit(place, chart, height);
    },
    end: () => end(),
  };
}

/** The spread of values in words. */
export function inWords(values, text = micros) {
  if (values.length === 0) return "no batch yet";
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => text(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]);
  return `now ${text(values.at(-1))} · median ${at(0.5)} · 99th percentile ${at(0.99)} · most ${text(sorted.at(-1))}`;
}

/** A time line and its histogram with what they say in words. `series` has the lines beyond the first. */
export function spread(title, options = {}, more = []) {
  const words = el("figcaption");
  const line = timeline([{ label: title, stroke: ink("--accent") }, ...more], options);
  const bars = histogram(options);
  const element = el("section", { class: "card" }, el("h3", {}, title), el("figure", {}, words, el("div", { class: "charts" }, line.place, bars.place)));
  return {
    element,
    update(times, values, ...others) {
      setText(words, inWords(values, options.text));
      line.update([times, values, ...others]);
      bars.update(values);
    },
    end() {
      line.end();
      bars.end();
    },
  };
}
