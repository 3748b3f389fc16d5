// The card of what the mouse is over or a finger rests on. It repeats what the list and the ear are told.

import { h, icon, put } from "../dom.js";
import { count } from "../format.js";
import { t } from "../i18n.js";
import { lookOf, nameOf, priceOf, traitsOf, viewOf } from "./telling.js";

const OFF_POINTER = 18;
const EDGE = 8;

export class Card {
  constructor(model, selected, viewport) {
    Object.assign(this, { model, selected, viewport });
    this.node = h("div", { class: "map-card", hidden: true, "aria-hidden": "true" });
  }

  hide() {
    this.node.hidden = true;
  }

  showSeat(seat, px, py) {
    const { model } = this;
    const look = lookOf(model, this.selected, seat);
    const said = look === "free" ? null : h("span", { class: `card-state ${look}` }, t(`map.${look}`));
    const beside = look === "free" && model.together[seat.index] > 1 && t("seat.together", { count: model.together[seat.index] });
    this.show(px, py, h("b", {}, nameOf(seat)), priceLine(seat.area, said), traits(model, seat),
      h("span", { class: "card-view" }, viewOf(model, seat).join(" · ")), beside && h("span", { class: "card-view" }, beside));
  }

  showArea(area, px, py) {
    const left = area.free > 0 ? t("area.available", { available: count(area.free) }) : t("area.none");
    const entrance = area.entrance && t("area.entrance", { entrance: area.entrance });
    this.show(px, py, h("b", {}, area.name), priceLine(area, h("span", {}, left)),
      [entrance, area.view].filter(Boolean).map((words) => h("span", { class: "card-view" }, words)));
  }

  show(px, py, ...content) {
    put(this.node, content);
    this.node.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.node;
    const left = Math.min(Math.max(px - width / 2, EDGE), Math.max(EDGE, this.viewport.width - width - EDGE));
    const above = py - height - OFF_POINTER;
    const top = above >= EDGE ? above : Math.min(py + OFF_POINTER, this.viewport.height - height - EDGE);
    this.node.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(EDGE, top))}px)`;
  }
}

function priceLine(area, said) {
  return h("span", { class: "card-price" }, h("span", { class: `tier-mark tier-${area.tier % 8}` }), h("b", {}, priceOf(area)), said);
}

function traits(model, seat) {
  return traitsOf(model, seat).map((words, number) => h("span", { class: "card-trait" }, number === 0 && seat.accessible && icon("access"), words));
}
