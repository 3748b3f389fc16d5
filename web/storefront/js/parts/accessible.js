// Accessible seats: asking for some with the best available, and the mark of one in a list.

import { h, icon, put } from "../dom.js";
import { t } from "../i18n.js";

/** How many of the tickets are places for wheelchairs, where the choice has any. `choice.accessible` is
    changed in place; `draw(offered, quantity)` is told whether there are some. */
export function accessibleField(choice, changed) {
  const select = h("select", { id: "best-accessible", name: "accessible", onchange: () => { choice.accessible = Number(select.value); changed(); } });
  const node = h("div", { class: "accessible-field" }, icon("access"),
    h("label", { for: "best-accessible" }, h("b", {}, t("choose.accessible")), h("small", {}, t("choose.accessible.hint"))), select);
  const draw = (offered, quantity) => {
    node.hidden = !offered;
    choice.accessible = offered ? Math.min(choice.accessible, quantity) : 0;
    if (select.length !== quantity + 1) put(select, Array.from({ length: quantity + 1 }, (_, many) => h("option", { value: many }, String(many))));
    select.value = String(choice.accessible);
  };
  return { node, draw };
}

/** The mark of an accessible seat in a list. */
export function accessibleMark(seat) {
  return seat.accessible && h("span", { class: "accessible-mark" }, icon("access"), h("span", { class: "visually-hidden" }, t("map.accessible")));
}
