// A panel, which says how old its numbers are once they are too old.

import { h, icon, put } from "/js/dom.js";
import { age, t } from "./say.js";

export const LATE_AFTER_S = 5;

/** `.old(age_s)`: null for numbers that nobody reports. `.body` holds what it shows. */
export function panel(name, title, ...tools) {
  const id = `panel-${name}`;
  const late = h("span", { class: "late", hidden: true });
  const body = h("div", { class: "panel-body" });
  const node = h("section", { class: `panel panel-${name}`, "aria-labelledby": id },
    h("div", { class: "panel-head" }, h("h2", { id }, title), late, tools), body);
  const old = (age_s) => {
    const isLate = age_s === null || age_s > LATE_AFTER_S;
    late.hidden = !isLate;
    node.classList.toggle("is-late", isLate);
    if (isLate) put(late, icon("alert"), age_s === null ? t("late.nobody") : t("late.by", { age: age(age_s) }));
  };
  return { node, body, old };
}

/** Rows of a name and its numbers. `tone`: bad, warn or good, which the mark before it says too. */
export function rows(list) {
  return h("dl", { class: "rows" }, list.filter(Boolean).map(({ name, value, note, tone }) =>
    h("div", { class: tone ? `row-line is-${tone}` : "row-line" }, h("dt", {}, tone && light(tone), name), h("dd", {}, h("b", {}, value), note && h("small", {}, note)))));
}

const LIGHTS = { good: "✓", warn: "!", bad: "✕" };

export function light(tone) {
  return h("span", { class: `light light-${tone}`, "aria-hidden": "true" }, LIGHTS[tone]);
}

/** What is added up over the labels of a gauge, and the largest. */
export function total(gauge) {
  return Object.values(gauge ?? {}).reduce((sum, one) => sum + one, 0);
}

export function largest(gauge) {
  return Math.max(0, ...Object.values(gauge ?? {}));
}
