// What comes, what becomes of it, and how long it takes.

import { h } from "/js/dom.js";
import { chart, spark } from "../chart.js";
import { panel } from "../panel.js";
import { clock, duration, number, rate, t } from "../say.js";

const REFUSED = "refused.";
const TILES = [
  { name: "arrivals", sum: (sale) => sale.arrivals },
  { name: "admitted", sum: (sale) => sale.admitted },
  { name: "limited", sum: (sale) => sale.limited },
  { name: "shed", sum: (sale) => sale.shed },
  { name: "holds", sum: (sale) => sale["holds.held"] },
  { name: "orders", sum: (sale) => sale.orders },
  { name: "paid", sum: (sale) => sale["orders_now.paid"] },
  { name: "refused", sum: refusedSum },
];

export function refusedSum(sale) {
  return Object.entries(sale).reduce((sum, [name, value]) => (name.startsWith(REFUSED) ? sum + value : sum), 0);
}

export function flowPanels(state, shown) {
  return [tiles(state, shown), traffic(state), sales(state), latency(state)];
}

/** A panel with one chart, whose numbers are as old as the frame. */
function plain(name, series, { say, pick, floor }) {
  const box = panel(name, t(`${name}.title`));
  const lines = chart({ series, say, label: () => t(`${name}.title`), floor });
  box.body.append(lines.node);
  return { ...box, ages: box.old, draw: (frame, window, most_s) => lines.draw(window, (one) => pick(frame, one), most_s) };
}

function traffic() {
  const series = [["arrivals", 1], ["admitted", 2], ["limited", 3], ["shed", 4], ["failed", 5]].map(named);
  return plain("traffic", series, { say: short, pick: (frame, name) => rate(frame.point[name]) });
}

function sales() {
  const series = [["holds", 1], ["orders", 2], ["paid", 3], ["refused", 4]].map(named);
  return plain("sales", series, { say: short, pick: (frame, name) => rate(frame.point[name]) });
}

function latency() {
  const series = [["p50_s", 2], ["p99_s", 1], ["orders_p50_s", 3], ["orders_p99_s", 4]].map(named);
  return plain("latency", series, { say: duration, pick: (frame, name) => duration(frame.answers[name]), floor: 0.01 });
}

function named([name, tone]) {
  return { name, tone, label: t(`series.${name}`) };
}

function short(value) {
  return value >= 10_000 ? `${number(value / 1000)}k` : number(value, value < 5 && value % 1 ? 1 : 0);
}

function tiles(state) {
  const box = panel("tiles", t("tiles.title"));
  const made = TILES.map(({ name, sum }) => {
    const now = h("b", { class: "tile-now" }, "–");
    const all = h("span", { class: "tile-sum" }, "–");
    const line = spark();
    const node = h("li", { class: `tile tile-${name}` }, h("span", { class: "tile-name" }, t(`series.${name}`)),
      h("span", { class: "tile-line" }, now, h("small", {}, t("per-second"))), all, line.node);
    const draw = (frame, window) => {
      now.textContent = rate(frame.point[name]);
      all.textContent = t("tiles.sum", { n: number(sum(frame.sale) ?? 0) });
      line.draw(window.series[name] ?? []);
    };
    return { node, draw };
  });
  const since = h("p", { class: "tiles-since" });
  box.body.append(h("ul", { class: "tiles" }, made.map(({ node }) => node)), since);
  const draw = (frame, window) => {
    for (const one of made) one.draw(frame, window);
    since.textContent = t("tiles.since", { time: clock(frame.sale_since) });
  };
  return { ...box, ages: box.old, draw };
}
