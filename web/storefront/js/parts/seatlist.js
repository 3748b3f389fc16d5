// Every seat of the map as buttons, row by row: for keyboards, screen readers and small screens.

import { h, put } from "../dom.js";
import { t } from "../i18n.js";

export function seatList(model, selected, pick) {
  const areas = model.areas.filter((area) => area.kind !== "standing");
  if (areas.length === 0) return { node: h("div"), refresh: () => {} };
  const freeSeats = (row) => row.seats.filter((seat) => model.isFree(seat) || selected.has(seat.seat_id));
  let area = areas.find((one) => one.free > 0) ?? areas[0];
  let row = area.rows.find((one) => freeSeats(one).length > 0) ?? area.rows[0];

  const areaSelect = h("select", { id: "list-area", onchange: () => {
    area = areas[areaSelect.selectedIndex];
    row = area.rows.find((one) => freeSeats(one).length > 0) ?? area.rows[0];
    drawRows();
  } }, areas.map((one) => h("option", {}, one.name)));
  const rowSelect = h("select", { id: "list-row", onchange: () => {
    row = area.rows[rowSelect.selectedIndex];
    drawSeats();
  } });
  const seats = h("div", { class: "list-seats", role: "group" });

  const drawRows = () => {
    put(rowSelect, area.rows.map((one) => h("option", {}, t("list.row-option", { row: one.label, free: freeSeats(one).length }))));
    rowSelect.selectedIndex = area.rows.indexOf(row);
    drawSeats();
  };
  const drawSeats = () => {
    const focused = Number(document.activeElement?.dataset?.seat);
    seats.setAttribute("aria-label", t("list.seats", { area: area.name, row: row.label }));
    const open = freeSeats(row);
    put(seats, open.length ? open.map(seatButton) : h("p", { class: "hint" }, t("list.none")));
    if (focused) seats.querySelector(`[data-seat="${focused}"]`)?.focus();
  };
  const seatButton = (seat) => {
    const extra = seat.accessible ? ` · ${t("map.accessible")}` : "";
    return h("button", {
      class: `chip tier-edge tier-${area.tier % 6}`, type: "button", dataset: { seat: seat.seat_id }, "aria-pressed": String(selected.has(seat.seat_id)), onclick: () => pick(seat),
    }, t("list.seat", { number: seat.number }) + extra);
  };

  areaSelect.selectedIndex = areas.indexOf(area);
  drawRows();
  const refresh = (changed) => {
    if (!changed || changed.some((seat) => row.seats.includes(seat))) drawSeats();
  };
  const node = h("div", { class: "seat-list" },
    h("div", { class: "field" }, h("label", { for: "list-area" }, t("list.area")), areaSelect),
    h("div", { class: "field" }, h("label", { for: "list-row" }, t("list.row")), rowSelect),
    seats);
  return { node, refresh };
}
