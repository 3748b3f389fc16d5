// Seats by place: which are in a rectangle, which is the nearest. Cells of a few seats, in two flat arrays.

const CELL = 4;

export class Grid {
  /** `leaveOut(index)` says which seats are at no place. */
  constructor(x, y, leaveOut) {
    Object.assign(this, { xs: x, ys: y });
    const placed = [];
    for (let index = 0; index < x.length; index += 1) if (!leaveOut(index)) placed.push(index);
    this.left = placed.reduce((least, index) => Math.min(least, x[index]), Infinity);
    this.top = placed.reduce((least, index) => Math.min(least, y[index]), Infinity);
    if (placed.length === 0) Object.assign(this, { left: 0, top: 0 });
    this.columns = 1 + this.column(placed.reduce((most, index) => Math.max(most, x[index]), this.left));
    this.lines = 1 + this.line(placed.reduce((most, index) => Math.max(most, y[index]), this.top));
    this.fill(placed);
  }

  fill(placed) {
    const cellOf = (index) => this.line(this.ys[index]) * this.columns + this.column(this.xs[index]);
    this.starts = new Int32Array(this.columns * this.lines + 1);
    for (const index of placed) this.starts[cellOf(index) + 1] += 1;
    for (let cell = 1; cell < this.starts.length; cell += 1) this.starts[cell] += this.starts[cell - 1];
    const next = this.starts.slice();
    this.seats = new Int32Array(placed.length);
    for (const index of placed) {
      const cell = cellOf(index);
      this.seats[next[cell]] = index;
      next[cell] += 1;
    }
  }

  column(x) { return Math.floor((x - this.left) / CELL); }

  line(y) { return Math.floor((y - this.top) / CELL); }

  /** Calls `visit(index)` for each seat whose centre is in the rectangle, until that returns true. */
  within(left, top, right, bottom, visit) {
    const [from, to] = [Math.max(0, this.column(left)), Math.min(this.columns - 1, this.column(right))];
    const end = Math.min(this.lines - 1, this.line(bottom));
    for (let line = Math.max(0, this.line(top)); line <= end; line += 1) {
      const stop = this.starts[line * this.columns + to + 1];
      for (let at = this.starts[line * this.columns + from]; at < stop; at += 1) {
        const index = this.seats[at];
        const [x, y] = [this.xs[index], this.ys[index]];
        if (x >= left && x <= right && y >= top && y <= bottom && visit(index)) return true;
      }
    }
    return false;
  }

  /** The seat nearest to a point, within `reach` of it and accepted by `accept`; -1 when none. */
  nearest(x, y, reach, accept = () => true) {
    let best = -1;
    let nearest = reach ** 2;
    this.within(x - reach, y - reach, x + reach, y + reach, (index) => {
      const distance = (this.xs[index] - x) ** 2 + (this.ys[index] - y) ** 2;
      if (distance < nearest && accept(index)) [best, nearest] = [index, distance];
    });
    return best;
  }
}
