// The sessions on sale: how many seats are left, and where. The number stands in every tile; the colour
// only says it faster.

import { h, put } from "/js/dom.js";
import { saleDrawer } from "../drawers/sale.js";
import { panel } from "../panel.js";
import { number, percent, t, whereAndWhen } from "../say.js";

const TAKEN = ["sold", "held", "blocked"];
const LEVELS = [0, 0.25, 0.5, 0.75, 0.95]; // a tile's colour: how many of these its share has passed

export function seatsPanel(state, signal) {
  const box = panel("seats", t("seats.title"));
  const list = h("ul", { class: "sessions" });
  const more = h("p", { class: "nothing" });
  box.body.append(list, more);
  const cards = new Map();
  const draw = ({ seats }) => {
    for (const session of seats.sessions) {
      if (!cards.has(session.session_id)) cards.set(session.session_id, card(session, signal));
      cards.get(session.session_id).draw(session);
    }
    for (const id of cards.keys()) if (!seats.sessions.some((one) => one.session_id === id)) cards.delete(id);
    const nodes = seats.sessions.map((one) => cards.get(one.session_id).node);
    if (nodes.length !== list.children.length || nodes.some((node, place) => node !== list.children[place])) put(list, nodes);
    more.textContent = nodes.length ? (seats.left_out ? t("seats.left-out", { count: seats.left_out }) : "") : t("seats.none");
    more.hidden = !more.textContent;
  };
  const ages = (age_s) => {
    const counted_s = state.frame?.seats.age_s ?? null;
    box.old(age_s === null || counted_s === null ? null : age_s + counted_s);
  };
  return { ...box, draw, ages };
}

function card(first, signal) {
  let session = first;
  const badge = h("span", { class: "sale-state" });
  const facts = h("p", { class: "session-facts" });
  const bar = seatBar();
  const numbers = h("dl", { class: "seat-numbers" });
  const areas = h("ul", { class: "heat" });
  const button = h("button", { class: "button small quiet", type: "button", onclick: () => saleDrawer(session, signal) }, t("seats.control"));
  const node = h("li", { class: "session" },
    h("div", { class: "session-head" }, h("h3", {}, first.title), badge, button), facts, bar, numbers, areas);
  let drawn = "";
  const draw = (next) => {
    session = next;
    const seen = JSON.stringify(next);
    if (seen === drawn) return;
    drawn = seen;
    const capacity = next.free + next.held + next.sold + next.blocked;
    badge.className = `sale-state is-${next.state}`;
    badge.textContent = t(`sale.${next.state}`);
    facts.textContent = whereAndWhen(next);
    fill(bar, next, capacity);
    put(numbers, ["sold", "held", "free", "blocked"].filter((state) => state !== "blocked" || next.blocked).map((state) =>
      h("div", { class: `of-${state}` }, h("dt", {}, t(`seat.${state}`)), h("dd", {}, number(next[state])))));
    put(areas, next.areas.map(tile));
  };
  return { node, draw };
}

/** Sold and held seats differ by a pattern too. */
function seatBar() {
  return h("div", { class: "seat-bar", "aria-hidden": "true" }, TAKEN.map((state) => h("span", { class: `seat-${state}` })));
}

function fill(bar, seats, capacity) {
  TAKEN.forEach((state, place) => bar.children[place].style.setProperty("--share", String(seats[state] / Math.max(1, capacity))));
}

function tile(area) {
  const capacity = area.free + area.held + area.sold + area.blocked;
  const share = 1 - area.free / Math.max(1, capacity);
  const level = area.free ? LEVELS.filter((least) => share > least).length : "full";
  const bar = seatBar();
  fill(bar, area, capacity);
  return h("li", { class: "heat-tile", dataset: { level } }, h("span", { class: "heat-name" }, area.name), bar,
    h("b", {}, area.free ? percent(Math.min(share, 0.99)) : t("heat.full")),
    h("small", {}, area.free ? t("heat.free", { n: number(area.free) }) : t("heat.sold", { n: number(area.sold), held: number(area.held) })));
}
