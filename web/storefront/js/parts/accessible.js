// Accessible seats: asking for one with the best available, and saying what an order has of them.

import { h, icon } from "../dom.js";
import { t } from "../i18n.js";

/** A box to tick where the chosen area has such seats; `choice.accessible` is changed in place. */
export function accessibleField(session, choice, changed) {
  const input = h("input", { type: "checkbox", name: "accessible", onchange: () => { choice.accessible = input.checked; changed(); } });
  const node = h("label", { class: "accessible-field" }, input, icon("access"),
    h("span", {}, h("b", {}, t("choose.accessible")), h("small", {}, t("choose.accessible.hint"))));
  const draw = () => {
    node.hidden = !session.seat_areas.find((area) => area.area_id === choice.area_id)?.accessible;
    input.checked = Boolean(choice.accessible);
  };
  draw();
  return { node, draw, wanted: () => !node.hidden && input.checked };
}

/** What somebody must know before they pay who has accessible seats without having asked for any. */
export function accessibleNote(order) {
  if (order.note !== "only_accessible_left") return null;
  return h("p", { class: "notice", role: "status" }, icon("access"), h("span", {}, t("order.only-accessible")));
}

/** The mark of an accessible seat in a list. */
export function accessibleMark(seat) {
  return seat.accessible && h("span", { class: "accessible-mark" }, icon("access"), h("span", { class: "visually-hidden" }, t("map.accessible")));
}
