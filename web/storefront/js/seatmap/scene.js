// The hall as a picture: the stage, areas by their outlines, tables, seats from tiles, words. Far away an area
// is one shape in its price's colour; near, it is its seats.

import { t } from "../i18n.js";
import { boxOf, thickened } from "./geometry.js";
import { Labels } from "./labels.js";
import { marksOffscreen } from "./offscreen.js";
import { Tiles } from "./tiles.js";
import { labelArea, labelRows, labelTables, largestFirst } from "./words.js";

export const SEATS_FROM = 3.4; // pixels a seat, from which seats are drawn and not the area's shape
const TINT = { least: 0.1, most: 0.46, out: 0.04 };
const HATCH_PX = 9;

export class Scene {
  /** `selected`, a Map by seat_id: words keep clear of what is picked. */
  constructor(model, filters, selected) {
    Object.assign(this, { model, filters, selected });
    this.paths = new Map(model.areas.map((area) => [area, pathOf(area.outline)]));
    const outline = thickened(model.plan.stage?.outline ?? []);
    this.stage = outline.length ? { path: pathOf(outline), box: boxOf(outline), words: model.plan.stage.label || t("map.stage") } : null;
    this.tables = model.hall.rows.filter((row) => row.table);
    this.tiles = new Tiles(model, (index) => filters.takes(index), (index) => model.isShown(model.areaOf(index)));
    this.labels = new Labels();
  }

  restyle(inks, density) {
    Object.assign(this, { inks, density });
    this.hatches = inks.tiers.map((ink) => hatchOf(ink));
    this.tiles.restyle(inks, density);
  }

  /** Paints a picture {context, view, about} and yields wherever it may be left for another frame. */
  *paint({ context, view, about }, moving) {
    Object.assign(this, { context, about, viewport: view, near: view.scale >= SEATS_FROM });
    const seen = this.model.areas.filter((area) => view.sees(area, about));
    this.toScreen();
    context.fillStyle = this.inks.floor;
    context.fillRect(-about, -about, view.width + 2 * about, view.height + 2 * about);
    this.drawStage();
    for (const area of seen) {
      this.drawArea(area);
      yield;
    }
    for (const row of this.tables) if (this.model.isShown(row.area) && view.sees(boxOfTable(row.table), about)) this.drawTable(row.table);
    this.toScreen();
    if (this.near) yield* this.tiles.draw(context, view, about, moving);
    yield* this.write(seen);
  }

  *write(seen) {
    this.labels.begin(this.context, this.inks.font, this.inks.label);
    this.reserve();
    this.nameStage();
    for (const area of largestFirst(this.model, seen)) {
      labelArea(this, area);
      yield;
    }
    if (!this.near) return;
    labelTables(this);
    yield;
    labelRows(this);
  }

  /** Where something picked is drawn, no word is. */
  reserve() {
    const picked = pickedSeats(this.selected);
    for (const mark of marksOffscreen(this.viewport, picked)) this.labels.reserve(mark);
    if (this.near) return;
    for (const seat of picked) {
      const { x, y } = this.viewport.toScreen(seat.x, seat.y);
      this.labels.reserve({ left: x - 9, top: y - 9, width: 18, height: 18 });
    }
  }

  toPlan() {
    const { density, about, viewport: { scale, x, y } } = this;
    this.context.setTransform(density * scale, 0, 0, density * scale, density * (x + about), density * (y + about));
  }

  toScreen() {
    const { density, about } = this;
    this.context.setTransform(density, 0, 0, density, density * about, density * about);
  }

  drawStage() {
    this.toPlan();
    if (!this.stage) return;
    const { context } = this;
    context.fillStyle = this.inks.stage;
    context.fill(this.stage.path);
    context.strokeStyle = this.inks.faint;
    context.lineWidth = 1 / this.viewport.scale;
    context.stroke(this.stage.path);
  }

  nameStage() {
    if (!this.stage) return;
    const { words } = this.stage;
    const { left, top, width, height } = this.viewport.boxOnScreen(this.stage.box);
    const size = Math.min(16, Math.max(8, height * 0.34));
    const fits = (box) => box.width <= width + 8 && size <= height;
    this.labels.place([[{ words, size, weight: 700, ink: this.inks.onStage }]], left + width / 2, top + height / 2, { fits });
  }

  drawArea(area) {
    const { context, inks, viewport: { scale } } = this;
    const path = this.paths.get(area);
    const shown = this.model.isShown(area);
    const wanted = shown && this.filters.takesArea(area);
    const ink = inks.tiers[area.tier % inks.tiers.length];
    const share = area.free / Math.max(1, area.capacity);
    if (shown) {
      context.fillStyle = inks.block;
      context.fill(path);
      context.globalAlpha = wanted && area.free > 0 ? TINT.least + (TINT.most - TINT.least) * share : TINT.out;
      context.fillStyle = ink;
      if (area.kind === "standing") this.hatch(path, area.tier);
      else if (!this.near) context.fill(path);
    }
    context.globalAlpha = shown ? (wanted ? (this.near ? 0.55 : 0.95) : 0.4) : 0.18;
    context.strokeStyle = area.free > 0 && shown ? ink : inks.taken;
    context.lineWidth = (this.near ? 1.25 : 1.75) / scale;
    context.stroke(path);
    context.globalAlpha = 1;
  }

  hatch(path, tier) {
    const pattern = this.hatches[tier % this.hatches.length];
    pattern.setTransform(new DOMMatrix().scale(1 / this.viewport.scale));
    this.context.globalAlpha = Math.min(1, this.context.globalAlpha * 1.3);
    this.context.fillStyle = pattern;
    this.context.fill(path);
  }

  drawTable({ shape, x, y, width, height, rotation = 0 }) {
    const { context, inks } = this;
    context.save();
    context.translate(x, y);
    context.rotate((rotation * Math.PI) / 180);
    context.beginPath();
    if (shape === "round") context.ellipse(0, 0, width / 2, height / 2, 0, 0, Math.PI * 2);
    else context.roundRect(-width / 2, -height / 2, width, height, 0.25);
    context.fillStyle = inks.floor;
    context.fill();
    context.strokeStyle = inks.taken;
    context.lineWidth = 1.25 / this.viewport.scale;
    context.stroke();
    context.restore();
  }
}

/** Those picked that have a place of their own. */
export const pickedSeats = (selected) => [...selected.values()].filter((seat) => seat.area.kind !== "standing");

function pathOf(outline) {
  const path = new Path2D();
  outline.forEach(([x, y], number) => (number ? path.lineTo(x, y) : path.moveTo(x, y)));
  path.closePath();
  return path;
}

function boxOfTable({ x, y, width, height }) {
  const reach = Math.hypot(width, height) / 2;
  return { x: x - reach, y: y - reach, width: 2 * reach, height: 2 * reach };
}

function hatchOf(ink) {
  const cell = document.createElement("canvas");
  cell.width = HATCH_PX;
  cell.height = HATCH_PX;
  const drawn = cell.getContext("2d");
  drawn.strokeStyle = ink;
  drawn.lineWidth = 3;
  drawn.beginPath();
  for (const shift of [-HATCH_PX, 0, HATCH_PX]) {
    drawn.moveTo(shift - 2, HATCH_PX + 2);
    drawn.lineTo(shift + HATCH_PX + 2, -2);
  }
  drawn.stroke();
  return drawn.createPattern(cell, "repeat");
}
