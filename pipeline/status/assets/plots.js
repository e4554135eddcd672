// The last hour as four plots by uPlot. The table below each names its lines, tells the same in numbers to somebody who
// cannot see them, and follows the pointer.

import { byId, make, setAttribute, setText, show } from "./dom.js";
import { clock, count, exactly, lasted, rate, size, took } from "./format.js";

const HEIGHT = 170; // CSS pixels
const HOUR = 3600;
const GAP = 4; // intervals without a point from which a line is interrupted
// Steps of an axis, which are round in its units.
const POWERS = Array.from({ length: 50 }, (_, n) => 2 ** n);
const TENS = Array.from({ length: 16 }, (_, n) => 10 ** n).flatMap((power) => [power, 2 * power, 5 * power]);
const TIMES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400];
const DASHES = [[], [6, 3], [2, 3]]; // lines are told apart without colour too

const perSecond = (value) => `${rate(value)}/s`;
const none = (words) => (value) => (value === null || value === undefined ? "none" : words(value));

/** A line: name, values from the history, and its words. `unseen`: in the table only. */
const PLOTS = [
  {
    title: "Throughput",
    axis: (value) => count(value),
    steps: TENS,
    lines: [
      ["Lines read", (past) => past.lines, perSecond],
      ["Written", (past) => past.written, perSecond],
      ["Dead letters", (past) => past.dead_letters, perSecond],
    ],
  },
  {
    title: "Lag",
    axis: size,
    steps: POWERS,
    lines: [
      ["Lag", (past) => past.lag_bytes, size],
      ["Pending", (past) => past.pending_bytes, size],
      ["Oldest line", (past) => past.lag_seconds, lasted, "unseen"],
    ],
  },
  {
    title: "Latency, from append to durable",
    axis: (value) => (value ? took(value) : "0"),
    steps: TIMES,
    lines: [
      ["Median", (past) => past.latency_p50, took],
      ["99% within", (past) => past.latency_p99, took],
    ],
  },
  {
    title: "Memory, all processes",
    axis: size,
    steps: POWERS,
    lines: [
      ["Memory", (past) => past.memory_bytes, size],
      ["Ceiling", (past) => past.times.map(() => past.memory_ceiling), size],
    ],
  },
];

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Breaks the lines where nothing was noted for a while: a straight line there would be made up. */
function withGaps(times, series, interval) {
  const outTimes = [];
  const out = series.map(() => []);
  times.forEach((time, index) => {
    if (index && time - times[index - 1] > GAP * interval) {
      outTimes.push(times[index - 1] + interval);
      for (const values of out) values.push(null);
    }
    outTimes.push(time);
    series.forEach((values, line) => out[line].push(values[index] ?? null));
  });
  return [outTimes, ...out];
}

/** The points that no line leads to or from. */
function alone(chart, line) {
  const values = chart.data[line];
  const none = (at) => (values[at] ?? null) === null;
  return [...values.keys()].filter((at) => !none(at) && none(at - 1) && none(at + 1));
}

class Plot {
  #about;
  #chart = null;
  #data = [[], []];
  #place = make("div", { class: "plot", role: "img" });
  #when = make("th", { scope: "col" }, "Latest");
  #rows = [];
  #all = []; // values of every line of the table

  constructor(parent, about) {
    this.#about = about;
    const body = make("tbody");
    about.lines.forEach(([name, , , unseen], line) => {
      const cells = Array.from({ length: 3 }, () => make("td", { class: "number" }));
      const swatch = make("span", { class: unseen ? "swatch" : `swatch line${line}`, "aria-hidden": "true" });
      body.append(make("tr", {}, make("th", { scope: "row" }, swatch, name), ...cells));
      this.#rows.push(cells);
    });
    const head = make("tr", {}, make("td"), this.#when, make("th", { scope: "col" }, "Least"), make("th", { scope: "col" }, "Most"));
    const table = make("table", { class: "legend" }, make("caption", { class: "unseen" }, `${about.title} in numbers`), make("thead", {}, head), body);
    parent.append(make("figure", {}, make("figcaption", {}, make("h3", {}, about.title)), this.#place, table));
    // uPlot has a fixed size: it is told when its place has another.
    new ResizeObserver(() => this.#resize()).observe(this.#place);
    dark.addEventListener("change", () => this.#build());
  }

  update(past) {
    this.#all = this.#about.lines.map(([, values]) => values(past));
    const drawn = this.#about.lines.flatMap(([, , , unseen], line) => (unseen ? [] : [this.#all[line]]));
    this.#data = withGaps(past.times, drawn, past.interval);
    const told = this.#about.lines.map(([name, , words], line) => {
      const values = this.#all[line].filter((value) => value !== null);
      const say = none(words);
      const latest = say(this.#all[line].at(-1));
      const [least, most] = values.length ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))] : [null, null];
      this.#rows[line].latest = latest;
      setText(this.#rows[line][0], latest);
      setText(this.#rows[line][1], say(least));
      setText(this.#rows[line][2], say(most));
      return `${name}: latest ${latest}, least ${say(least)}, most ${say(most)}`;
    });
    setText(this.#when, "Latest");
    const span = past.times.length ? `from ${clock(past.times[0])} to ${clock(past.times.at(-1))}` : "no points yet";
    setAttribute(this.#place, "aria-label", `Plot of ${this.#about.title}, ${span}. ${told.join(". ")}`);
    if (this.#chart) this.#chart.setData(this.#data);
    else this.#build();
  }

  #resize() {
    const width = this.#place.clientWidth;
    if (this.#chart && width && width !== this.#chart.width) this.#chart.setSize({ width, height: HEIGHT });
    else if (!this.#chart) this.#build();
  }

  #build() {
    const width = this.#place.clientWidth;
    if (!width || !this.#data[0].length || !window.uPlot) return;
    this.#chart?.destroy();
    const style = getComputedStyle(this.#place);
    const colour = (name) => style.getPropertyValue(name).trim();
    const font = `12px ${style.fontFamily}`;
    const axis = { stroke: colour("--quiet"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const seen = this.#about.lines.filter(([, , , unseen]) => !unseen);
    this.#chart = new window.uPlot(
      {
        width,
        height: HEIGHT,
        padding: [8, 12, 0, 0],
        legend: { show: false }, // the table is the legend
        cursor: { y: false, drag: { x: false, y: false }, sync: { key: "hour" }, points: { size: 7 } },
        scales: {
          x: { time: true, range: (_, first, last) => [Math.max(last - HOUR, Math.min(first, last - 60)), last] },
          y: { range: (_, least, most) => [0, most > 0 ? most * 1.08 : 1] },
        },
        axes: [
          { ...axis, space: 70, size: 28, values: (_, times) => times.map((time) => clock(time)), incrs: [60, 300, 600, 900, 1800] },
          {
            ...axis,
            space: 28,
            size: (_, words) => Math.max(48, 12 + 7 * Math.max(0, ...(words ?? []).map((word) => word.length))),
            values: (_, values) => values.map((value) => this.#about.axis(value)),
            incrs: this.#about.steps,
          },
        ],
        series: [
          {},
          ...seen.map((_, line) => ({ stroke: colour(`--line${line}`), width: 1.75, dash: DASHES[line], points: { show: true, size: 5, filter: alone } })),
        ],
        hooks: { setCursor: [(chart) => this.#follow(chart.cursor.idx)] },
      },
      this.#data,
      this.#place,
    );
  }

  /** Shows the values at the pointer in place of the latest. */
  #follow(index) {
    const at = index === null || index === undefined ? null : this.#data[0][index];
    setText(this.#when, at === null ? "Latest" : exactly(at));
    let drawn = 0;
    this.#about.lines.forEach(([, , words, unseen], line) => {
      const value = unseen ? undefined : this.#data[++drawn][index];
      setText(this.#rows[line][0], at === null ? this.#rows[line].latest : unseen ? "" : none(words)(value));
    });
  }
}

/** The function that shows a history. */
export function makePlots() {
  const parent = byId("plots");
  const plots = PLOTS.map((about) => new Plot(parent, about));
  return (past) => {
    for (const plot of plots) plot.update(past);
    show(parent, true);
  };
}
