// Choosing seats of one session: the map (or list) beside what is about to be ordered.

import * as api from "../api.js";
import { h, icon, put } from "../dom.js";
import { count, dayAndHour, dotted } from "../format.js";
import { t } from "../i18n.js";
import { mapFilters } from "../parts/mapfilters.js";
import { Ordering } from "../parts/ordering.js";
import { showWholePrices } from "../parts/prices.js";
import { liveBadge } from "../parts/sale.js";
import { SeatList } from "../parts/seatlist.js";
import { follow } from "../seatmap/live.js";
import { SeatMap } from "../seatmap/map.js";
import { SeatModel } from "../seatmap/model.js";

const COUNTS_MS = 400;

export async function chooseView({ params, signal }) {
  const [session, plan, state] = await Promise.all([
    api.session(params.id, signal), api.hall(params.id, signal), api.seats(params.id, null, signal),
  ]);
  const show = await api.show(session.show_id, signal);
  const model = new SeatModel(plan);
  model.takeSnapshot(state);
  const drawn = new Map(model.areas.map((area) => [area.area_id, area]));
  for (const area of session.seat_areas) {
    const { tier = 0, accessible = false } = drawn.get(area.area_id) ?? {};
    Object.assign(area, { tier, accessible });
  }

  showWholePrices(session, model.areas);
  const selected = new Map();
  const ordering = new Ordering(session, model, selected, signal);
  const told = { pick: (seat) => ordering.toggle(seat), enter: (area) => ordering.enter(area) };
  const map = new SeatMap(model, selected, told, signal);
  const list = new SeatList(model, selected, map.filters, told);
  const filters = mapFilters(model, map.filters, ordering.cap, () => { map.refilter(); list.refresh(null); });
  const live = h("span", { class: "live", role: "status" });
  ordering.onChange = (seats) => { map.refresh(seats); list.refresh(seats); };
  ordering.reveal = (seat) => map.reveal(seat);
  const counts = eventually(signal, () => { list.refresh(null); ordering.refresh(); });
  const changed = (seats) => { ordering.lose(seats); map.refresh(seats); counts(); };
  const status = (name) => { live.dataset.state = name; put(live, h("i", { "aria-hidden": "true" }), t(`map.${name}`)); };
  follow(session, model, { changed, status }, signal);
  ordering.resume();

  return h("div", { class: "choose" },
    head(session, show, model, [liveBadge(signal, () => ordering.status()), live]),
    h("div", { class: "choose-body" }, board(map, list, filters), ordering.node));
}

/** Calls `act` soon, and once for all that asks for it meanwhile: numbers need not change ten times a second. */
function eventually(signal, act) {
  let timer = null;
  signal.addEventListener("abort", () => clearTimeout(timer));
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      act();
    }, COUNTS_MS);
  };
}

function head(session, show, model, states) {
  return h("div", { class: "choose-head" }, h("div", { class: "wrap" },
    h("a", { class: "back", href: `#/shows/${session.show_id}?session=${session.session_id}`, "aria-label": t("back") }, icon("left")),
    h("div", { class: "choose-words" },
      h("h1", {}, show.title),
      h("p", {}, dotted(dayAndHour(session.date, session.time_zone), show.venue))),
    h("div", { class: "choose-state" }, states, h("span", { class: "only-wide" }, t("map.seats", { count: count(model.count) })))));
}

/** Map and list are one place under the filters; a button turns one into the other. */
function board(map, list, filters) {
  let listed = false;
  const words = h("span", { class: "board-switch-words" });
  const button = h("button", { class: "button quiet small board-switch", type: "button" });
  const draw = () => {
    map.node.hidden = listed;
    list.node.hidden = !listed;
    put(words, t(listed ? "map.map" : "map.list"));
    put(button, icon(listed ? "map" : "list"), words);
  };
  button.addEventListener("click", () => {
    listed = !listed;
    draw();
    list.refresh(null);
  });
  draw();
  return h("section", { class: "board", "aria-label": t("choose.title") }, h("div", { class: "board-tools" }, button, filters), map.node, list.node);
}
