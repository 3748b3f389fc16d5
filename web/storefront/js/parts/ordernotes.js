// What somebody must read about the seats of an order before they pay: they were not given just what they
// asked for, or they leave a seat that nobody is going to want.

import { h, icon } from "../dom.js";
import { t } from "../i18n.js";

const NOTES = { only_accessible_left: ["access", "order.only-accessible"], split: ["alert", "order.split"] };
const hints = new Map(); // by order: an order says it once, when it is placed

/** Keeps the hint that came with a new order until its page shows it. */
export function keepHint({ order_id, hint }) {
  if (hint) hints.set(order_id, hint);
}

export function orderNotes(order) {
  const [symbol, words] = NOTES[order.note] ?? [];
  const hint = hints.get(order.order_id);
  return [
    words && h("p", { class: "notice", role: "status" }, icon(symbol), h("span", {}, t(words))),
    hint?.code === "single-seat-left" && h("p", { class: "notice mild", role: "status" }, icon("alert"), h("span", {}, t("order.single-left", { count: hint.seats.length }))),
  ];
}
