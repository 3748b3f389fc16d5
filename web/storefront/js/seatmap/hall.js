// A session's hall, from its compact form (GET /sessions/{id}/hall) to flat arrays: a seat is a number there.
//
// Seats are counted 0 … n-1 in seat_id order; that number is a seat's `index`, and the index-th character of
// the live state is its state. x and y are seats' centres in units of one seat, about half a metre.

export const ACCESSIBLE = 1;
export const COMPANION = 2;
export const RESTRICTED = 4;
export const BLOCKED = 8;
export const STANDING = 16;

const RADIANS = Math.PI / 180;

/** `rows` and `runs` in the order of the seats' indices; a run is a stretch of neighbouring seats. */
export function layOut(plan) {
  const rows = [];
  const runs = [];
  const areas = plan.areas.map((area, number) => ({ ...area, number, currency: plan.currency, tier: 0, free: 0, rows: [] }));
  for (const area of areas) takeArea(area, plan.areas[area.number].rows, rows, runs);
  runs.sort((one, two) => one.first_seat_id - two.first_seat_id);
  const count = runs.reduce((sum, run) => sum + run.count, 0);
  const hall = { areas, rows, runs, count, ...arraysFor(count), companionOf: new Map() };
  let index = 0;
  runs.forEach((run, number) => {
    Object.assign(run, { number, first: index });
    placeRun(hall, run);
    index += run.count;
  });
  for (const row of rows) mark(hall, row);
  return hall;
}

function arraysFor(count) {
  return {
    ids: new Int32Array(count), x: new Float32Array(count), y: new Float32Array(count),
    angle: new Float32Array(count), flags: new Uint8Array(count), runOf: new Int32Array(count),
  };
}

function takeArea(area, given, rows, runs) {
  if (area.kind === "standing") {
    runs.push({ area, row: null, first_seat_id: area.first_seat_id, first_number: 1, step: 1, count: area.capacity });
    return;
  }
  for (const { segments, ...row } of given) {
    const taken = { ...row, area, runs: [] };
    for (const segment of segments) taken.runs.push({ step: 1, ...segment, area, row: taken });
    runs.push(...taken.runs);
    rows.push(taken);
    area.rows.push(taken);
  }
}

/** Where each seat of a run is, and where it faces; places to stand are nowhere in particular. */
function placeRun(hall, run) {
  const [kind, ...course] = run.course ?? ["nowhere"];
  for (let at = 0; at < run.count; at += 1) {
    const index = run.first + at;
    hall.ids[index] = run.first_seat_id + at;
    hall.runOf[index] = run.number;
    if (kind === "line") placeOnLine(hall, index, at, course);
    else if (kind === "arc") placeOnArc(hall, index, at, course);
    else hall.flags[index] |= STANDING;
  }
}

function placeOnLine(hall, index, at, [x, y, dx, dy]) {
  hall.x[index] = x + at * dx;
  hall.y[index] = y + at * dy;
  hall.angle[index] = Math.atan2(dy, dx);
}

function placeOnArc(hall, index, at, [x, y, radius, start, step]) {
  const angle = (start + at * step) * RADIANS;
  hall.x[index] = x + radius * Math.cos(angle);
  hall.y[index] = y + radius * Math.sin(angle);
  hall.angle[index] = angle + Math.sign(step || 1) * (Math.PI / 2);
}

function mark(hall, row) {
  const set = (seat_ids, flag) => { for (const seat_id of seat_ids ?? []) hall.flags[indexOf(hall.ids, seat_id)] |= flag; };
  set(row.accessible, ACCESSIBLE);
  set(row.restricted, RESTRICTED);
  set(row.blocked, BLOCKED);
  for (const [seat_id, of_seat_id] of row.companions ?? []) {
    set([seat_id], COMPANION);
    hall.companionOf.set(indexOf(hall.ids, seat_id), indexOf(hall.ids, of_seat_id));
  }
}

/** The index of a seat_id in the ascending ids; -1 when there is no such seat. */
export function indexOf(ids, seat_id) {
  let [low, high] = [0, ids.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (ids[middle] === seat_id) return middle;
    if (ids[middle] < seat_id) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
