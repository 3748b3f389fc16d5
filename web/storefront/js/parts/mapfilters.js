// What to look for on the map and in the list: a price, a storey, places for wheelchairs, seats side by side,
// a clear view. Only what this hall has to tell apart is offered.

import { announce, h, icon, put } from "../dom.js";
import { count } from "../format.js";
import { t } from "../i18n.js";
import { priceOf } from "../seatmap/telling.js";

const TOGETHER_MAX = 8;

/** `changed()` after each change of the filters or the level. */
export function mapFilters(model, filters, cap, changed) {
  const { hall } = model;
  const told = () => {
    let found = 0;
    for (let index = 0; index < model.count; index += 1) found += Number(model.isFree({ index }) && filters.takes(index));
    announce(t("filter.found", { count: count(found) }));
  };
  const set = (changes) => {
    filters.set(changes);
    draw();
    changed();
    told();
  };
  const chips = [
    ...(model.prices.length > 1 ? model.prices.map((price, tier) => priceChip(model, price, tier, () => set({ price: filters.price === price ? null : price }))) : []),
    hall.rows.some((row) => row.accessible?.length) && chip(() => filters.accessible, [icon("access"), t("filter.accessible")], () => set({ accessible: !filters.accessible })),
    hall.rows.some((row) => row.restricted?.length) && chip(() => filters.clear, t("filter.clear"), () => set({ clear: !filters.clear })),
  ].filter(Boolean);
  const draw = () => {
    for (const { node, isOn, price } of chips) node.setAttribute("aria-pressed", String(isOn ? isOn() : filters.price === price));
  };
  draw();
  const level = levelMenu(model, changed);
  const node = h("div", { class: "map-filters", role: "group", "aria-label": t("filter.label") },
    level, hall.rows.length > 0 && togetherMenu(Math.min(cap, TOGETHER_MAX), (together) => set({ together })), chips.map((one) => one.node));
  return node;
}

function chip(isOn, words, act) {
  return { isOn, node: h("button", { class: "chip", type: "button", onclick: act }, words) };
}

function priceChip({ areas }, price, tier, act) {
  const area = areas.find((one) => one.price === price);
  const node = h("button", { class: "chip", type: "button", dataset: { price }, onclick: act },
    h("span", { class: `tier-mark tier-${tier % 8}`, "aria-hidden": "true" }), priceOf(area));
  return { price, node };
}

function togetherMenu(most, set) {
  const option = (many) => h("option", { value: many }, many === 1 ? t("filter.alone") : t("filter.together", { count: many }));
  const select = h("select", { class: "chip", "aria-label": t("filter.together.label"), name: "together", onchange: () => {
    select.classList.toggle("on", Number(select.value) > 1);
    set(Number(select.value));
  } });
  return put(select, Array.from({ length: most }, (_, before) => option(before + 1)));
}

function levelMenu(model, changed) {
  if (model.levels.length < 2) return null;
  const select = h("select", { class: "chip", "aria-label": t("filter.level"), name: "level", onchange: () => {
    model.level = select.value || null;
    select.classList.toggle("on", model.level !== null);
    changed();
  } });
  return put(select, h("option", { value: "" }, t("filter.level.all")), model.levels.map(({ key, name }) => h("option", { value: key }, name)));
}
