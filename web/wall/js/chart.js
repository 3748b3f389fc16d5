// Lines over time, as SVG: colours come from the style sheet, lines differ by dashes too, and the numbers
// beside them say what a picture cannot.

import { h, put, svg } from "/js/dom.js";
import { clock } from "./say.js";

const WIDTH = 600;
const HEIGHT = 170;

const TOP = 8;
const SHORT_TICKS_S = 600;

/** `series`: [{ name, label, tone }]; `say(value)`: a number on the axis. `.draw(window, name)` draws. */
export function chart({ series, say, label, floor = 1 }) {
  const picture = svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  const values = new Map();
  const legend = h("ul", { class: "legend" }, series.map(({ name, label: words, tone }) => {
    const value = h("b", {}, "–");
    values.set(name, value);
    return h("li", { class: `tone-${tone}` }, mark(), h("span", {}, words), value);
  }));
  const axis = h("div", { class: "chart-axis", "aria-hidden": "true" });
  const times = h("div", { class: "chart-times", "aria-hidden": "true" });
  const node = h("div", { class: "chart-box" }, legend, h("div", { class: "chart-frame" }, axis, picture, times));
  const draw = (window, now, most_s) => {
    const end = window.at.at(-1) ?? 1;
    const span = [Math.max(window.at[0] ?? 0, end - most_s), end];
    const all = series.flatMap(({ name }) => window.series[name] ?? []).filter((one) => one !== null);
    const top = ceiling(Math.max(floor, ...all));
    put(picture, grid(), series.map(({ name, tone }) => line(window, name, tone, span, top)));
    put(axis, [top, top / 2, 0].map((one) => h("span", {}, say(one))));
    put(times, ticks(span).map((at) => h("span", {}, clock(at, span[1] - span[0] < SHORT_TICKS_S))));
    for (const { name } of series) values.get(name).textContent = now(name);
    picture.setAttribute("aria-label", `${label()}: ${series.map(({ name, label: words }) => `${words} ${now(name)}`).join(", ")}`);
  };
  return { node, draw };
}

function mark() {
  return svg("svg", { class: "legend-mark", viewBox: "0 0 24 8", "aria-hidden": "true" }, svg("path", { d: "M0 4H24" }));
}

function grid() {
  return [0, 0.5, 1].map((share) => svg("path", { class: "grid", d: `M${0} ${y(share, 1)}H${WIDTH}` }));
}

const y = (value, top) => TOP + (HEIGHT - TOP - 4) * (1 - value / top);

function line(window, name, tone, [from, to], top) {
  const scale = WIDTH / Math.max(1e-9, to - from);
  let pen = "M";
  let path = "";
  (window.series[name] ?? []).forEach((value, index) => {
    if (value === null || window.at[index] < from) {
      pen = "M";
      return;
    }
    path += `${pen}${((window.at[index] - from) * scale).toFixed(1)} ${y(value, top).toFixed(1)}`;
    pen = "L";
  });
  return svg("path", { class: `line tone-${tone}`, d: path || "M0 0" });
}

function ticks([from, to]) {
  return to > from ? [from, (from + to) / 2, to] : [];
}

/** 1, 2 or 5 times a power of ten. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= value);
}

/** A small line without an axis. */
export function spark() {
  const picture = svg("svg", { class: "spark", viewBox: `0 0 120 28`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const draw = (values) => {
    const seen = values.filter((one) => one !== null && one !== undefined);
    const top = Math.max(1, ...seen);
    const step = 120 / Math.max(1, values.length - 1);
    const points = values.map((value, index) => `${(index * step).toFixed(1)},${(26 - 24 * ((value ?? 0) / top)).toFixed(1)}`);
    put(picture, svg("polyline", { class: "spark-area", points: `0,28 ${points.join(" ")} 120,28` }), svg("polyline", { class: "spark-line", points: points.join(" ") }));
  };
  return { node: picture, draw };
}

