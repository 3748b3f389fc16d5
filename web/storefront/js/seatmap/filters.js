// What somebody looks for: seats that do not fit are dimmed on the map and left out of nothing.

import { ACCESSIBLE, COMPANION, RESTRICTED } from "./hall.js";

export const NOTHING = { price: null, accessible: false, together: 1, clear: false };

export class Filters {
  constructor(model) {
    Object.assign(this, { model, ...NOTHING });
  }

  /** price: one of the session's or null; together: n side by side; clear: no restricted view. */
  set(changes) {
    Object.assign(this, changes);
  }

  get active() {
    return Object.keys(NOTHING).some((name) => this[name] !== NOTHING[name]);
  }

  /** Whether an area may hold what is looked for. */
  takesArea(area) {
    if (this.price !== null && area.price !== this.price) return false;
    return !this.accessible || area.accessible;
  }

  takes(index) {
    const { hall, together } = this.model;
    if (!this.takesArea(this.model.areaOf(index))) return false;
    if (this.accessible && !(hall.flags[index] & (ACCESSIBLE | COMPANION))) return false;
    if (this.clear && hall.flags[index] & RESTRICTED) return false;
    return together[index] >= this.together || this.together === 1;
  }
}
