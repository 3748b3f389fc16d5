// The plan of a session and the live state over it, as flat arrays: 20,000 seats stay light.
//
// Seats are counted 0 … n-1 in seat_id order; that number is a seat's `index`, and the index-th
// character of the live state is its state. x and y are in units of one seat, its upper left corner.

const FREE = ".";

export class SeatModel {
  constructor(plan) {
    this.areas = plan.areas.map((area, number) => ({ ...area, number, first: 0, last: -1, tier: 0, free: 0 }));
    this.seats = [];
    this.rows = new Map();
    this.version = -1;
    this.lost = new Set();
    for (const area of this.areas) this.takeArea(area);
    this.states = new Array(this.seats.length).fill("b");
    this.byId = new Map(this.seats.map((seat) => [seat.seat_id, seat]));
    this.grid = gridOf(this.seats);
    this.width = plan.width ?? Math.max(...this.seats.map((seat) => seat.x + 1));
    this.height = plan.height ?? Math.max(...this.seats.map((seat) => seat.y + 1));
    this.rank();
  }

  takeArea(area) {
    area.first = this.seats.length;
    const rows = [];
    for (const row of area.rows) {
      const seats = row.seats.map((seat, position) => ({ ...seat, index: this.seats.length + position, area }));
      this.seats.push(...seats);
      rows.push({ label: row.label ?? seats[0]?.row ?? "", seats });
    }
    area.last = this.seats.length - 1;
    area.rows = rows;
    area.accessible = rows.some((row) => row.seats.some((seat) => seat.accessible));
    Object.assign(area, boundsOf(area, this.seats));
  }

  /** Tiers: areas of one price share a colour, the dearest first. */
  rank() {
    const prices = [...new Set(this.areas.map((area) => area.price))].sort((one, two) => two - one);
    for (const area of this.areas) area.tier = prices.indexOf(area.price);
    this.prices = prices;
  }

  /**
   * Takes a whole state; false when it is not this plan's. A version may go back: the server counts
   * anew when it has rebuilt its state.
   */
  takeSnapshot({ version, seats }) {
    if (seats.length !== this.states.length) return false;
    this.version = version;
    this.states = seats.split("");
    for (const area of this.areas) {
      area.free = this.states.slice(area.first, area.last + 1).filter((state) => state === FREE).length;
    }
    return true;
  }

  /** Takes changes `[[seat_id, state], …]`; returns the seats that changed. */
  takeDelta({ version, changes }) {
    if (version <= this.version) return [];
    this.version = version;
    const changed = [];
    for (const [seat_id, state] of changes) {
      const seat = this.byId.get(seat_id);
      if (!seat || this.states[seat.index] === state) continue;
      seat.area.free += Number(state === FREE) - Number(this.states[seat.index] === FREE);
      this.states[seat.index] = state;
      changed.push(seat);
    }
    return changed;
  }

  state(seat) {
    return this.states[seat.index];
  }

  isFree(seat) {
    return this.state(seat) === FREE;
  }

  /** The seat at a point of the plan, or the nearest within half a seat of it; null when none. */
  seatAt(x, y) {
    let best = null;
    let nearest = 0.75 ** 2;
    for (const [dx, dy] of NEIGHBOURS) {
      for (const seat of this.grid.get(cell(Math.floor(x) + dx, Math.floor(y) + dy)) ?? []) {
        const distance = (seat.x + 0.5 - x) ** 2 + (seat.y + 0.5 - y) ** 2;
        if (distance < nearest) [best, nearest] = [seat, distance];
      }
    }
    return best;
  }

  areaAt(x, y) {
    const margin = 0.8;
    return this.areas.find((area) => x >= area.x - margin && x <= area.x + area.width + margin && y >= area.y - margin && y <= area.y + area.height + margin) ?? null;
  }
}

const NEIGHBOURS = [-1, 0, 1].flatMap((dx) => [-1, 0, 1].map((dy) => [dx, dy]));

function cell(x, y) {
  return x * 100_003 + y;
}

function gridOf(seats) {
  const grid = new Map();
  for (const seat of seats) {
    if (seat.area.kind === "standing") continue;
    const key = cell(Math.floor(seat.x), Math.floor(seat.y));
    if (grid.has(key)) grid.get(key).push(seat);
    else grid.set(key, [seat]);
  }
  return grid;
}

/** The area's rectangle: given with the plan, or that of its seats. */
function boundsOf(area, all) {
  if (area.width !== undefined && area.x !== undefined) return {};
  const seats = all.slice(area.first, area.last + 1);
  const extent = (name) => seats.reduce(([low, high], seat) => [Math.min(low, seat[name]), Math.max(high, seat[name] + 1)], [Infinity, -Infinity]);
  const [[left, right], [top, bottom]] = [extent("x"), extent("y")];
  return { x: left, y: top, width: right - left, height: bottom - top };
}
