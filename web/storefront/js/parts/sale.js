// Whether a session or a show can be bought now, by the server's clock, and how that is said.

import { now, until } from "../clock.js";
import { every, h, put } from "../dom.js";
import { count, remaining, two } from "../format.js";
import { t } from "../i18n.js";

const FEW = 20;
const OPENING_SOON_MS = 365 * 86_400_000; // beyond a year a countdown says nothing
const LOOK_EVERY_MS = 250;
const past = (iso) => Boolean(iso) && until(iso) <= 0;

/** The status by the times of the session, so that a page left open opens by itself. */
export function saleStatus(session) {
  if (["draft", "cancelled"].includes(session.status)) return session.status;
  if (now() < Date.parse(session.sale_opens_at)) return "scheduled";
  if (now() >= Date.parse(session.sale_closes_at)) return "closed";
  const left = (session.seat_areas ?? []).some((area) => area.available > 0);
  if (!left && session.status !== "scheduled") return "sold_out";
  return session.paused ? "paused" : "on_sale";
}

/** Of a show in a list: what the list said, and what has opened or closed since. */
export function showState({ sale_state, sale_opens_at, sale_closes_at }) {
  if (past(sale_opens_at)) return "open";
  if (past(sale_closes_at)) return sale_opens_at ? "upcoming" : "closed";
  return sale_state;
}

/** Calls `changed(status)` with what `read()` says now, and again whenever it says something else. */
export function watchSale(signal, read, changed) {
  let last = null;
  every(signal, LOOK_EVERY_MS, () => {
    const status = read();
    if (status === last) return;
    last = status;
    changed(status);
  });
}

/** A badge that turns by itself. */
export function liveBadge(signal, read, make = badge) {
  const place = h("span", { class: "badge-place" });
  watchSale(signal, read, (status) => put(place, make(status)));
  return place;
}

export function badge(status, words = t(`sale.${status}`)) {
  return h("span", { class: `badge ${status}` }, words);
}

export function areaLeft(area) {
  if (area.available <= 0) return h("span", { class: "left none" }, t("area.none"));
  if (area.available <= FEW) return h("span", { class: "left few" }, t("area.few", { available: count(area.available) }));
  return h("span", { class: "left" }, t("area.available", { available: count(area.available) }));
}

/** A clock that runs down to `iso`. Screen readers hear the minutes only. */
export function countdown(iso, signal) {
  const box = h("div", { class: "countdown", role: "timer", "aria-label": t("countdown.label") });
  every(signal, LOOK_EVERY_MS, () => {
    const left_ms = until(iso);
    if (left_ms > OPENING_SOON_MS) return put(box);
    return put(box, h("span", { class: "countdown-label" }, t("countdown.label")), h("span", { class: "countdown-parts" }, digits(left_ms)));
  });
  return box;
}

function digits(left_ms) {
  const parts = remaining(left_ms);
  const shown = parts.days > 0 ? ["days", "hours", "minutes", "seconds"] : ["hours", "minutes", "seconds"];
  return shown.map((name) => h("span", { class: "countdown-part" },
    h("b", {}, name === "days" ? String(parts.days) : two(parts[name])), h("small", {}, t(`countdown.${name}`))));
}
