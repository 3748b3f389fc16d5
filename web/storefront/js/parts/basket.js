// The seats picked so far.

import { h, icon, put } from "../dom.js";
import { seatName } from "../format.js";
import { t } from "../i18n.js";
import { priceOf } from "../seatmap/telling.js";

export function basket(selected, cap, { remove, clear, reveal, categories }) {
  const node = h("div", { class: "basket" });
  const line = (seat) => {
    const name = seatName({ ...seat, area: seat.area.name });
    return h("li", { class: "basket-line" },
      h("button", { class: "basket-seat", type: "button", onclick: () => reveal(seat) },
        h("span", { class: `tier-mark tier-${seat.area.tier % 8}`, "aria-hidden": "true" }),
        h("span", {}, name), seat.accessible && icon("access")),
      categories.menu(seat, [...selected.values()]) ?? h("span", { class: "basket-price" }, priceOf(seat.area)),
      h("button", { class: "icon-button", type: "button", "aria-label": t("choose.remove", { seat: name }), onclick: () => remove(seat) }, icon("close")));
  };
  const refresh = () => {
    const seats = [...selected.values()];
    if (seats.length === 0) {
      put(node, h("div", { class: "basket-empty" }, h("b", {}, t("choose.own.none")), h("p", {}, t("choose.own.none.detail", { count: cap }))));
      return;
    }
    put(node,
      h("div", { class: "basket-head" }, h("h2", {}, t("choose.selected", { count: seats.length })),
        h("button", { class: "link-button", type: "button", onclick: clear }, t("choose.own.clear"))),
      h("ul", { class: "basket-lines" }, seats.map(line)));
  };
  refresh();
  return { node, refresh };
}
