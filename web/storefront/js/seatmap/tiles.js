// Seats as pictures: squares of the hall, each drawn once at a scale and then only copied.

import { drawSeats } from "./glyphs.js";

const SIDE = 128; // pixels of the screen: so small that drawing one is a few milliseconds' work
const TILES_MAX = 700;
const REACH = 0.8; // how far a seat's drawing goes beyond its centre
const NEAR_ENOUGH = 1.5; // of a scale, while it changes
const LEVELS = 2;

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
    Object.assign(this, { model, passes, isShown, levels: [] });
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

  /** Draws the seats in sight and `about` pixels round it, and yields after each tile. While somebody moves,
      a scale near enough will do, and seats as they were. */
  *draw(context, view, about, moving) {
    const level = this.levelFor(view.scale, moving);
    const size = level.span * view.scale;
    const whole = (value) => (level.scale === view.scale ? Math.round(value * level.density) / level.density : value);
    const [x, y] = [whole(view.x), whole(view.y)];
    for (const { key, column, row } of level.over(view.seen(about))) {
      let tile = level.tiles.get(key);
      if (!tile || (tile.stale && !moving)) {
        tile = this.renderTile(level, key, column, row);
        yield;
      }
      if (tile.canvas) context.drawImage(tile.canvas, x + column * size, y + row * size, size, size);
    }
    this.trim();
  }

  levelFor(scale, moving) {
    const ratio = (level) => Math.max(level.scale / scale, scale / level.scale);
    const best = this.levels.reduce((found, level) => (found && ratio(found) <= ratio(level) ? found : level), null);
    if (best && ratio(best) < (moving ? NEAR_ENOUGH : 1.0001)) return best;
    const level = new Level(scale, this.density);
    this.levels = [level, ...this.levels].slice(0, LEVELS);
    return level;
  }

  renderTile(level, key, column, row) {
    const { span, scale, density } = level;
    const [left, top] = [column * span, row * span];
    const seats = [];
    this.model.grid.within(left - REACH, top - REACH, left + span + REACH, top + span + REACH, (index) => { if (this.isShown(index)) seats.push(index); });
    const tile = { canvas: seats.length ? (level.tiles.get(key)?.canvas ?? newCanvas()) : null, stale: false };
    level.tiles.delete(key); // the newest last
    level.tiles.set(key, tile);
    if (!tile.canvas) return tile;
    const context = tile.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, SIDE, SIDE);
    context.setTransform(density, 0, 0, density, 0, 0);
    drawSeats(context, this.model, seats, { scale, x: -left * scale, y: -top * scale }, this.passes, this.inks);
    return tile;
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
