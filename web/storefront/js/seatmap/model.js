// A session's hall and the live state over it: what there is, what is free, what is where.

import { boxOf, distanceTo, isInside, roomAt } from "./geometry.js";
import { Grid } from "./grid.js";
import { ACCESSIBLE, COMPANION, RESTRICTED, STANDING, indexOf, layOut } from "./hall.js";

const FREE = ".".charCodeAt(0);
const BLOCKED = "b".charCodeAt(0);
const METRES = 0.5; // a unit
const REACH = 0.75; // how far from its centre a seat is still meant

/** A seat as the page knows it: one object for each that anybody has looked at. */
class Seat {
  constructor(hall, index) {
    const run = hall.runs[hall.runOf[index]];
    const at = index - run.first;
    const flags = hall.flags[index];
    Object.assign(this, {
      index, seat_id: hall.ids[index], area: run.area, row: run.row?.label ?? "", number: run.numbers?.[at] ?? run.first_number + at * run.step,
      x: hall.x[index], y: hall.y[index], whole: run.row?.whole ? run.row : null, accessible: Boolean(flags & ACCESSIBLE),
      companion: Boolean(flags & COMPANION), restricted: Boolean(flags & RESTRICTED),
    });
  }
}

export class SeatModel {
  /** `plan` as GET /sessions/{id}/hall gives it. */
  constructor(plan) {
    this.hall = layOut(plan);
    Object.assign(this, { plan, areas: this.hall.areas, count: this.hall.count, levels: plan.levels ?? [], level: null, version: -1, lost: new Set(), alone: new Set(), known: new Map() });
    this.states = new Uint8Array(this.count).fill(BLOCKED);
    this.together = new Uint16Array(this.count);
    this.grid = new Grid(this.hall.x, this.hall.y, (index) => this.hall.flags[index] & STANDING);
    for (const area of this.areas) this.measure(area);
    this.rank();
  }

  measure(area) {
    const [x, y] = area.label_at;
    Object.assign(area, boxOf(area.outline), { room: roomAt(area.outline, x, y) });
    area.accessible = area.rows.some((row) => row.accessible?.length > 0);
  }

  /** Tiers: areas of one price share a colour, the dearest first. */
  rank() {
    this.prices = [...new Set(this.areas.map((area) => area.price))].sort((one, two) => two - one);
    for (const area of this.areas) area.tier = this.prices.indexOf(area.price);
  }

  seat(index) {
    let seat = this.known.get(index);
    if (!seat) this.known.set(index, (seat = new Seat(this.hall, index)));
    return seat;
  }

  /** The seat with this id, or null. */
  byId(seat_id) {
    const index = indexOf(this.hall.ids, seat_id);
    return index < 0 ? null : this.seat(index);
  }

  areaOf(index) {
    return this.hall.runs[this.hall.runOf[index]].area;
  }

  /** The seats of a row in their order, over its aisles. */
  seatsOf(row) {
    return row.runs.flatMap((run) => Array.from({ length: run.count }, (_, at) => this.seat(run.first + at)));
  }

  /** The seat that this companion's place belongs to, or null. */
  companionOf(seat) {
    const of = this.hall.companionOf.get(seat.index);
    return of === undefined ? null : this.seat(of);
  }

  /**
   * Takes a whole state; false when it is not this plan's. A version may go back: the server counts
   * anew when it has rebuilt its state.
   */
  takeSnapshot({ version, seats }) {
    if (seats.length !== this.count) return false;
    this.version = version;
    for (let index = 0; index < this.count; index += 1) this.states[index] = seats.charCodeAt(index);
    for (const area of this.areas) area.free = 0;
    for (const run of this.hall.runs) this.countRun(run);
    return true;
  }

  countRun(run) {
    for (let index = run.first; index < run.first + run.count; index += 1) run.area.free += Number(this.states[index] === FREE);
    this.measureRun(run);
  }

  /** Takes changes `[[seat_id, state], …]`; returns the seats that changed. */
  takeDelta({ version, changes }) {
    if (version <= this.version) return [];
    this.version = version;
    const changed = [];
    const runs = new Set();
    for (const [seat_id, state] of changes) {
      const index = indexOf(this.hall.ids, seat_id);
      const code = state.charCodeAt(0);
      if (index < 0 || this.states[index] === code) continue;
      const run = this.hall.runs[this.hall.runOf[index]];
      run.area.free += Number(code === FREE) - Number(this.states[index] === FREE);
      this.states[index] = code;
      runs.add(run);
      changed.push(this.seat(index));
    }
    for (const run of runs) this.measureRun(run);
    return changed;
  }

  /** `together`: of a free seat, how many free ones are side by side there, itself counted. A place for a
      wheelchair and its companion's are a run of their own: nobody is sat there for want of others. */
  measureRun({ first, count }) {
    const kind = (index) => (this.states[index] === FREE ? 1 + Number((this.hall.flags[index] & (ACCESSIBLE | COMPANION)) > 0) : 0);
    for (let start = first; start < first + count;) {
      let end = start + 1;
      while (end < first + count && kind(end) === kind(start)) end += 1;
      this.together.fill(kind(start) ? end - start : 0, start, end);
      start = end;
    }
  }

  /** `.` free, `h` held, `s` sold, `b` blocked. */
  state(seat) {
    return String.fromCharCode(this.states[seat.index]);
  }

  isFree(seat) {
    return this.states[seat.index] === FREE;
  }

  /** All the places of a table or box that is sold whole, else the seat alone. */
  unitOf(seat) {
    return seat.whole ? this.seatsOf(seat.whole) : [seat];
  }

  isShown(area) {
    return this.level === null || area.level === this.level;
  }

  /** The seat at a point of the plan, or the nearest within reach of it; null when none. */
  seatAt(x, y) {
    const index = this.grid.nearest(x, y, REACH, (at) => this.isShown(this.areaOf(at)));
    return index < 0 ? null : this.seat(index);
  }

  areaAt(x, y) {
    return this.areas.findLast((area) => this.isShown(area) && isInside(area.outline, x, y)) ?? null;
  }

  /** From the seat to the stage's nearest edge. */
  metresToStage(seat) {
    const { stage, focal_point } = this.plan;
    return METRES * distanceTo(stage?.outline?.length ? stage.outline : [focal_point], seat.x, seat.y);
  }

  /** From where the stage is seen: front, half, side or behind; null in the round. */
  sideOf(seat) {
    const { facing, focal_point: [x, y] } = this.plan;
    if (facing === null || facing === undefined) return null;
    const angle = (Math.atan2(seat.y - y, seat.x - x) * 180) / Math.PI - facing;
    const off = Math.abs(((angle + 540) % 360) - 180);
    return off <= 30 ? "front" : off <= 60 ? "half" : off <= 100 ? "side" : "behind";
  }
}
