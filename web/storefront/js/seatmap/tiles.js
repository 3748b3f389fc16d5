// Seats as pictures: squares of the hall, each drawn once at a scale and then only moved. A frame draws at
// most for a few milliseconds; what is not drawn yet is shown from another scale, or comes a frame later.

import { drawSeats } from "./glyphs.js";

const SIDE = 256; // pixels of the screen
const BUDGET_MS = 5;
const TILES_MAX = 180;
const REACH = 0.8; // how far a seat's drawing goes beyond its centre
const SETTLED_MS = 120;

class Level {
  constructor(scale, density) {
    Object.assign(this, { scale, density, tiles: new Map(), span: SIDE / (scale * density) });
  }

  /** Keys and places of the tiles over a rectangle of the plan. */
  over({ left, top, right, bottom }) {
    const found = [];
    for (let row = Math.floor(top / this.span); row * this.span < bottom; row += 1) {
      for (let column = Math.floor(left / this.span); column * this.span < right; column += 1) found.push({ key: `${column} ${row}`, column, row });
    }
    return found;
  }
}

export class Tiles {
  /** `passes(index)` is the filter, `isShown(index)` the storey that is looked at. */
  constructor(model, passes, isShown) {
    Object.assign(this, { model, passes, isShown, levels: [], scale: 0, changedAt: -Infinity });
  }

  restyle(inks, density) {
    Object.assign(this, { inks, density });
    this.forget();
  }

  forget() {
    this.levels = [];
  }

  /** These seats have changed: their tiles are drawn again. */
  repaint(seats) {
    for (const level of this.levels) {
      for (const { x, y } of seats) {
        for (const { key } of level.over({ left: x - REACH, top: y - REACH, right: x + REACH, bottom: y + REACH })) {
          const tile = level.tiles.get(key);
          if (tile) tile.stale = true;
        }
      }
    }
  }

  /** Everything has changed, but what is drawn may be shown until it is drawn again. */
  repaintAll() {
    for (const level of this.levels) for (const tile of level.tiles.values()) tile.stale = true;
  }

  /** Draws the seats in sight. True when there is more to draw. */
  draw(context, viewport) {
    const now = performance.now();
    if (viewport.scale !== this.scale) Object.assign(this, { scale: viewport.scale, changedAt: now });
    const moving = now - this.changedAt < SETTLED_MS;
    const seen = viewport.seen();
    const target = this.levelFor(viewport.scale, moving);
    const wanted = target.over(seen);
    const left = this.render(target, wanted, now);
    const whole = wanted.every(({ key }) => target.tiles.has(key));
    const shown = whole ? target : (this.levels.find((level) => level !== target && level.tiles.size > 0) ?? target);
    if (whole && !moving) this.levels = [target];
    blit(context, shown, shown === target ? wanted : shown.over(seen), viewport);
    this.trim();
    return left || moving;
  }

  /** While the scale changes, a level that is near enough; at rest the one of just this scale. */
  levelFor(scale, moving) {
    const ratio = (level) => Math.max(level.scale / scale, scale / level.scale);
    const best = this.levels.reduce((found, level) => (found && ratio(found) <= ratio(level) ? found : level), null);
    if (best && ratio(best) < (moving ? 1.8 : 1.0001)) return best;
    const level = new Level(scale, this.density);
    this.levels = [level, ...this.levels].slice(0, 3);
    return level;
  }

  render(level, wanted, began) {
    const missing = wanted.filter(({ key }) => !level.tiles.has(key));
    const stale = wanted.filter(({ key }) => level.tiles.get(key)?.stale);
    const todo = [...missing, ...stale];
    let done = 0;
    while (done < todo.length && (done === 0 || performance.now() - began < BUDGET_MS)) {
      this.renderTile(level, todo[done]);
      done += 1;
    }
    return done < todo.length;
  }

  renderTile(level, { key, column, row }) {
    const { span, scale, density } = level;
    const [left, top] = [column * span, row * span];
    const seats = [];
    this.model.grid.within(left - REACH, top - REACH, left + span + REACH, top + span + REACH, (index) => { if (this.isShown(index)) seats.push(index); });
    const canvas = seats.length ? (level.tiles.get(key)?.canvas ?? newCanvas()) : null;
    level.tiles.delete(key); // the newest last
    level.tiles.set(key, { canvas, stale: false });
    if (!canvas) return;
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, SIDE, SIDE);
    context.setTransform(density, 0, 0, density, 0, 0);
    drawSeats(context, this.model, seats, { scale, x: -left * scale, y: -top * scale }, this.passes, this.inks);
  }

  trim() {
    for (const { tiles } of this.levels) {
      for (const key of tiles.keys()) {
        if (tiles.size <= TILES_MAX) break;
        tiles.delete(key);
      }
    }
  }
}

function newCanvas() {
  const canvas = document.createElement("canvas");
  canvas.width = SIDE;
  canvas.height = SIDE;
  return canvas;
}

/** On whole pixels where the scale is the tiles' own, so that nothing is blurred. */
function blit(context, level, tiles, viewport) {
  const same = level.scale === viewport.scale;
  const { density } = level;
  const size = level.span * viewport.scale;
  const whole = (value) => (same ? Math.round(value * density) / density : value);
  const [x, y] = [whole(viewport.x), whole(viewport.y)];
  for (const { key, column, row } of tiles) {
    const canvas = level.tiles.get(key)?.canvas;
    if (canvas) context.drawImage(canvas, x + column * size, y + row * size, size, size);
  }
}
