// Every seat of the map as buttons, row by row: for keyboards, screen readers and small screens. It says all
// that the map shows: prices, what is taken, places to stand, who sits beside whom, what to expect of the view.

import { h, icon, put } from "../dom.js";
import { count } from "../format.js";
import { t } from "../i18n.js";
import { lookOf, priceOf, traitsOf, viewOf } from "../seatmap/telling.js";

/** `pick(seat)` and `enter(area)` are told; `filters` say which seats are looked for. */
export class SeatList {
  constructor(model, selected, filters, { pick, enter }) {
    Object.assign(this, { model, selected, filters, pick, enter });
    this.area = model.areas.find((area) => area.free > 0) ?? model.areas[0];
    this.areaMenu = h("select", { id: "list-area", onchange: () => this.chooseArea(this.shown[this.areaMenu.selectedIndex]) });
    this.rowMenu = h("select", { id: "list-row", onchange: () => { this.row = this.area.rows[this.rowMenu.selectedIndex]; this.drawSeats(); } });
    this.rowField = h("div", { class: "field" }, h("label", { for: "list-row" }, t("list.row")), this.rowMenu);
    this.about = h("p", { class: "list-about" });
    this.seats = h("div", { class: "list-seats", role: "group" });
    this.node = h("div", { class: "seat-list", hidden: true },
      h("div", { class: "field" }, h("label", { for: "list-area" }, t("list.area")), this.areaMenu), this.rowField, this.about, this.seats);
    this.chooseArea(this.area);
  }

  isOpen(seat) {
    return this.selected.has(seat.seat_id) || (this.model.isFree(seat) && this.filters.takes(seat.index));
  }

  open(row) {
    return this.model.seatsOf(row).filter((seat) => this.isOpen(seat));
  }

  chooseArea(area) {
    this.area = area;
    this.row = area.rows.find((row) => this.open(row).length > 0) ?? area.rows[0];
    this.draw();
  }

  /** Seats have changed (null: all, or what is looked for). A list that nobody sees is drawn when it is. */
  refresh(seats) {
    if (this.node.hidden) return;
    if (!seats || seats.some((seat) => seat.area === this.area)) this.draw();
  }

  draw() {
    this.shown = this.model.areas.filter((area) => this.model.isShown(area) || area === this.area);
    put(this.areaMenu, this.shown.map((area) => h("option", {}, areaWords(area))));
    this.areaMenu.selectedIndex = this.shown.indexOf(this.area);
    this.rowField.hidden = this.area.kind === "standing";
    put(this.rowMenu, this.area.rows.map((row) => h("option", {}, t("list.row-option", { row: row.label, free: this.open(row).length }))));
    this.rowMenu.selectedIndex = this.area.rows.indexOf(this.row);
    this.drawSeats();
  }

  drawSeats() {
    const { area, row, model } = this;
    const focused = this.seats.contains(document.activeElement) ? document.activeElement.dataset.seat : null;
    const entrance = area.entrance && t("area.entrance", { entrance: area.entrance });
    if (!row) {
      put(this.about, [t("area.standing"), priceOf(area), entrance, area.view].filter(Boolean).join(" · "));
      put(this.seats, h("button", { class: "button quiet", type: "button", disabled: area.free <= 0, onclick: () => this.enter(area) }, t("list.standing")));
      return;
    }
    const seats = model.seatsOf(row).filter((seat) => model.state(seat) !== "b");
    this.seats.setAttribute("aria-label", t("list.seats", { area: area.name, row: row.label }));
    const middle = seats[seats.length >> 1];
    put(this.about, [priceOf(area), entrance, ...(middle ? viewOf(model, middle) : [])].filter(Boolean).join(" · "));
    put(this.seats, seats.map((seat) => this.button(seat)), this.open(row).length === 0 && h("p", { class: "hint" }, t("list.none")));
    if (focused) this.seats.querySelector(`[data-seat="${focused}"]`)?.focus();
  }

  /** A taken seat can be reached and read, and not be picked. */
  button(seat) {
    const look = lookOf(this.model, this.selected, seat);
    const words = [t("list.seat", { number: seat.number }), look !== "free" && t(`map.${look}`), ...traitsOf(this.model, seat)].filter(Boolean).join(" · ");
    const shut = !["free", "selected"].includes(look);
    return h("button", {
      class: `chip tier-edge tier-${seat.area.tier % 8} ${look}${shut || this.isOpen(seat) ? "" : " dim"}`, type: "button", dataset: { seat: seat.seat_id },
      "aria-pressed": String(look === "selected"), "aria-disabled": shut && "true", onclick: () => { if (!shut) this.pick(seat); },
    }, seat.accessible && icon("access"), words);
  }
}

function areaWords(area) {
  const left = area.free > 0 ? t("area.available", { available: count(area.free) }) : t("area.none");
  return [area.name, area.kind === "standing" && t("area.standing"), priceOf(area), left].filter(Boolean).join(" · ");
}
