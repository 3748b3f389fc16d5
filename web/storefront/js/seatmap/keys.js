// The map by keyboard: it is at an area or at a seat, and says where.

import { announce } from "../dom.js";
import { t } from "../i18n.js";
import { zoom } from "./gestures.js";
import { sayArea, saySeat } from "./telling.js";
import { directionOf, firstArea, firstSeat, nextArea, nextSeat, rowEnd } from "./walking.js";

const STEP_ZOOM = 1.5;

/** `map` is the SeatMap; its `focus` is {area} or {seat}, and changed through `map.focusOn`. */
export function listenToKeys(canvas, map) {
  canvas.addEventListener("focus", () => {
    if (!map.focus.seat && !map.focus.area && canvas.matches(":focus-visible")) atArea(map, firstArea(map.model));
    map.schedule();
  });
  canvas.addEventListener("blur", () => map.schedule());
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !press(map, event.key)) return;
    event.preventDefault();
  });
}

function press(map, key) {
  const { viewport } = map;
  if (directionOf(key)) walk(map, directionOf(key));
  else if (key === "Enter" || key === " ") choose(map);
  else if (key === "Escape") return stepBack(map);
  else if ((key === "Home" || key === "End") && map.focus.seat) atSeat(map, rowEnd(map.model, map.focus.seat, key === "End" ? 1 : -1));
  else if (key === "+" || key === "=") zoom(viewport, STEP_ZOOM);
  else if (key === "-") zoom(viewport, 1 / STEP_ZOOM);
  else if (key === "0") map.showAll();
  else return false;
  return true;
}

function walk(map, direction) {
  const { model, focus } = map;
  if (focus.seat) return atSeat(map, nextSeat(model, focus.seat, direction));
  return atArea(map, focus.area ? nextArea(model, focus.area, direction) : firstArea(model));
}

function choose(map) {
  const { seat, area } = map.focus;
  if (seat) return map.pick(seat);
  if (!area) return atArea(map, firstArea(map.model));
  map.enter(area);
  if (area.kind === "standing") return null;
  const first = firstSeat(map.model, area, (index) => map.filters.takes(index));
  return first && atSeat(map, first);
}

/** From a seat to its area, from a part to the whole; false when there is nothing to step back from. */
function stepBack(map) {
  const { seat } = map.focus;
  if (!seat && map.viewport.isWhole()) return false;
  map.showAll();
  if (seat) atArea(map, seat.area);
  return true;
}

function atSeat(map, seat) {
  if (!seat) return announce(t("map.edge"));
  map.focusOn({ seat });
  return announce(saySeat(map.model, map.selected, seat));
}

function atArea(map, area) {
  if (!area) return announce(t("map.edge"));
  map.focusOn({ area });
  return announce(sayArea(area));
}
