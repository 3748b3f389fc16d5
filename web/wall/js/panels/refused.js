// Orders that were not placed, by reason: now, and since the sale began.

import { h, put } from "/js/dom.js";
import { panel } from "../panel.js";
import { named, number, rate, t } from "../say.js";
import { refusedSum } from "./flow.js";

const PREFIX = "refused.";
const SHOWN = 6;

export function refusedPanel() {
  const box = panel("refused", t("refused.title"));
  const draw = (frame) => {
    const all = refusedSum(frame.sale);
    const found = Object.entries(frame.sale).filter(([name]) => name.startsWith(PREFIX)).sort(([, a], [, b]) => b - a).slice(0, SHOWN);
    if (!found.length) return put(box.body, h("p", { class: "nothing" }, t("refused.none")));
    return put(box.body, h("ul", { class: "bars" }, found.map(([name, count]) => bar(name.slice(PREFIX.length), count, all, frame.rates[name] ?? 0))));
  };
  return { ...box, ages: box.old, draw };
}

function bar(reason, count, all, now) {
  const fill = h("span", { class: "bar-fill" });
  fill.style.setProperty("--share", String(count / all));
  return h("li", {}, h("span", { class: "bar-name" }, named("reason", reason)),
    h("span", { class: "bar-numbers" }, h("b", {}, number(count)), h("small", {}, t("bar.now", { n: rate(now) }))), h("span", { class: "bar" }, fill));
}
