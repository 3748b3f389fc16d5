// Walking over the hall by arrow keys, as it lies on the screen: from area to area, from seat to seat within
// a row and to the rows before and behind.

const REACH = 14; // units
const ASIDE = 2; // a unit to the side counts as so many ahead
const AHEAD_MIN = 0.4;
const CHORD_MIN = 0.35; // of a row's length, for it to have a direction

const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The direction of an arrow key as [dx, dy]; undefined for other keys. */
export const directionOf = (key) => DIRECTIONS[key];

/** The area that lies next in a direction, or null. */
export function nextArea(model, from, [dx, dy]) {
  let [best, least] = [null, Infinity];
  for (const area of model.areas) {
    if (area === from || !model.isShown(area)) continue;
    const [x, y] = [area.label_at[0] - from.label_at[0], area.label_at[1] - from.label_at[1]];
    const ahead = x * dx + y * dy;
    const cost = ahead + ASIDE * Math.abs(x * dy - y * dx);
    if (ahead > AHEAD_MIN && cost < least) [best, least] = [area, cost];
  }
  return best;
}

/** The area to begin with: the nearest to the stage that has something left. */
export function firstArea(model) {
  const [x, y] = model.plan.focal_point;
  const far = (area) => Math.hypot(area.label_at[0] - x, area.label_at[1] - y) + (area.free > 0 ? 0 : 1e6);
  return model.areas.filter((area) => model.isShown(area)).reduce((best, area) => (best && far(best) <= far(area) ? best : area), null);
}

/** The seat to begin with in an area: the nearest to the stage that is free and looked for; else any. */
export function firstSeat(model, area, passes) {
  const [x, y] = model.plan.focal_point;
  let [best, least] = [null, Infinity];
  for (const { first, count } of area.rows.flatMap((row) => row.runs)) {
    for (let index = first; index < first + count; index += 1) {
      const seat = { index };
      const fits = model.isFree(seat) && passes(index);
      const far = Math.hypot(model.hall.x[index] - x, model.hall.y[index] - y) + (fits ? 0 : 1e6);
      if (far < least) [best, least] = [index, far];
    }
  }
  return best === null ? null : model.seat(best);
}

/** The next seat in a direction; taken ones too, but none that is never for sale. Null at the hall's edge. */
export function nextSeat(model, seat, direction) {
  const row = rowOf(model, seat.index);
  if (row.table) return ahead(model, seat, direction, () => true);
  const tangent = [Math.cos(model.hall.angle[seat.index]), Math.sin(model.hall.angle[seat.index])];
  const axis = axisOf(model, row) ?? tangent;
  const elsewhere = (index) => rowOf(model, index) !== row;
  if (Math.abs(axis[0]) >= Math.abs(axis[1]) === (direction[0] !== 0)) {
    const step = Math.sign(dot(axis, direction));
    return beside(model, row, seat, step) ?? ahead(model, seat, tangent.map((part) => part * step), elsewhere);
  }
  const turn = Math.sign(dot([-axis[1], axis[0]], direction));
  return ahead(model, seat, [-tangent[1] * turn, tangent[0] * turn], elsewhere);
}

/** From a row's first seat to its last; null where it closes a circle. All of an area go one way: so left and
    right stay left and right along a curve. */
function axisOf({ hall }, { area }) {
  if (area.axis !== undefined) return area.axis;
  let [x, y, length] = [0, 0, 0];
  for (const { runs } of area.rows.filter((row) => !row.table)) {
    const [first, last] = [runs[0].first, runs.at(-1).first + runs.at(-1).count - 1];
    x += hall.x[last] - hall.x[first];
    y += hall.y[last] - hall.y[first];
    length += last - first;
  }
  area.axis = Math.hypot(x, y) > CHORD_MIN * length ? [x, y] : null;
  return area.axis;
}

const dot = (one, two) => one[0] * two[0] + one[1] * two[1];

/** The first or last seat of the seat's row, as they lie on the screen. */
export function rowEnd(model, seat, direction) {
  const row = rowOf(model, seat.index);
  const seats = model.seatsOf(row).filter((one) => model.state(one) !== "b");
  return seats.reduce((best, one) => ((one.x - best.x) * direction > 0 ? one : best), seats[0]);
}

const rowOf = (model, index) => model.hall.runs[model.hall.runOf[index]].row;

function beside(model, row, seat, step) {
  const seats = model.seatsOf(row);
  let at = seats.indexOf(seat) + step;
  while (seats[at] && model.state(seats[at]) === "b") at += step;
  return seats[at] ?? null;
}

function ahead(model, seat, [dx, dy], accept) {
  let [best, least] = [-1, Infinity];
  model.grid.within(seat.x - REACH, seat.y - REACH, seat.x + REACH, seat.y + REACH, (index) => {
    const [x, y] = [model.hall.x[index] - seat.x, model.hall.y[index] - seat.y];
    const [forward, aside] = [x * dx + y * dy, Math.abs(x * dy - y * dx)];
    const cost = forward + ASIDE * aside;
    if (forward < AHEAD_MIN || aside > forward + 1 || cost >= least || !accept(index)) return;
    if (model.state({ index }) !== "b" && model.isShown(model.areaOf(index))) [best, least] = [index, cost];
  });
  return best < 0 ? null : model.seat(best);
}
