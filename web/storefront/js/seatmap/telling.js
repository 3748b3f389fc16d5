// What is said of a seat or an area: on the card, in the list and to screen readers, the same each time.

import { count, money, seatName } from "../format.js";
import { t } from "../i18n.js";

const STATES = { ".": "free", h: "held", s: "sold", b: "blocked" };

/** free, selected, held, sold, blocked or lost. */
export function lookOf(model, selected, seat) {
  if (selected.has(seat.seat_id)) return "selected";
  if (model.lost.has(seat.seat_id)) return "lost";
  return STATES[model.state(seat)] ?? "blocked";
}

/** What a ticket of the area costs in all; `total_price` where fees come on top. */
export const priceOf = ({ total_price, price, currency }) => money(total_price ?? price, currency);

export const nameOf = (seat) => seatName({ ...seat, area: seat.area.name });

/** What a seat is, other than its place: for a wheelchair, beside one, restricted view, sold as a whole. */
export function traitsOf(model, seat) {
  const beside = model.companionOf(seat);
  return [
    seat.accessible && t("map.accessible"),
    seat.companion && (beside ? t("seat.companion-of", { number: beside.number }) : t("seat.companion")),
    seat.restricted && t("seat.restricted"),
    seat.whole && t("seat.whole", { count: model.seatsOf(seat.whole).length }),
  ].filter(Boolean);
}

/** What to expect of the view. */
export function viewOf(model, seat) {
  const side = model.sideOf(seat);
  const metres = Math.max(1, Math.round(model.metresToStage(seat)));
  return [t("seat.metres", { count: count(metres) }), side && t(`seat.side.${side}`), seat.area.view].filter(Boolean);
}

/** One sentence of everything, for the ear. */
export function saySeat(model, selected, seat) {
  const look = lookOf(model, selected, seat);
  const price = ["free", "selected"].includes(look) && priceOf(seat.area);
  return [nameOf(seat), look !== "free" && t(`map.${look}`), price, ...traitsOf(model, seat), ...viewOf(model, seat)].filter(Boolean).join(", ");
}

export function sayArea(area) {
  const left = area.free > 0 ? t("area.available", { available: count(area.free) }) : t("area.none");
  const kind = area.kind === "standing" && t("area.standing");
  return [area.name, kind, priceOf(area), left].filter(Boolean).join(", ");
}
