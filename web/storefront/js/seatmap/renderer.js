// Draws the hall on a canvas: the stage, areas by their outlines, tables, seats from tiles, words, and above
// all what somebody has picked. Far away an area is one shape in its price's colour; near, it is its seats.

import { t } from "../i18n.js";
import { boxOf, thickened } from "./geometry.js";
import { drawLost, drawPicked, drawRing, readInks } from "./glyphs.js";
import { Labels } from "./labels.js";
import { markOffscreen } from "./offscreen.js";
import { Tiles } from "./tiles.js";
import { labelAreas, labelRows, labelTables } from "./words.js";

export const SEATS_FROM = 3.4; // pixels a seat, from which seats are drawn and not the area's shape
const DENSITY_MAX = 2.5;
const TINT = { least: 0.1, most: 0.46, out: 0.04 };
const HATCH_PX = 9;

export class Renderer {
  /** `focus` is what the keyboard is at: {seat} or {area} or neither; `selected` a Map by seat_id. */
  constructor(canvas, model, viewport, filters, selected) {
    Object.assign(this, { canvas, model, viewport, filters, selected, focus: {}, hovered: null });
    this.context = canvas.getContext("2d", { alpha: false });
    this.paths = new Map(model.areas.map((area) => [area, pathOf(area.outline)]));
    const outline = thickened(model.plan.stage?.outline ?? []);
    this.stage = outline.length ? { path: pathOf(outline), box: boxOf(outline), words: model.plan.stage.label || t("map.stage") } : null;
    this.tables = model.hall.rows.filter((row) => row.table);
    this.tiles = new Tiles(model, (index) => filters.takes(index), (index) => model.isShown(model.areaOf(index)));
    this.labels = new Labels();
  }

  restyle() {
    this.inks = readInks(this.canvas);
    this.hatches = this.inks.tiers.map((ink) => hatchOf(this.context, ink));
    this.tiles.restyle(this.inks, this.density);
  }

  resize(width, height) {
    this.density = Math.min(window.devicePixelRatio || 1, DENSITY_MAX);
    this.canvas.width = Math.round(width * this.density);
    this.canvas.height = Math.round(height * this.density);
    if (this.inks) this.tiles.restyle(this.inks, this.density);
  }

  get near() {
    return this.viewport.scale >= SEATS_FROM;
  }

  /** True when another frame is needed to finish. */
  draw() {
    const { context, viewport, density, model } = this;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.fillStyle = this.inks.floor;
    context.fillRect(0, 0, viewport.width, viewport.height);
    this.labels.begin(context, this.inks.font, this.inks.label);
    const seen = model.areas.filter((area) => viewport.sees(area));
    this.toPlan();
    this.drawStage();
    for (const area of seen) this.drawArea(area);
    for (const row of this.tables) if (model.isShown(row.area) && viewport.sees(boxOfTable(row.table))) this.drawTable(row.table);
    this.toScreen();
    const more = this.near && this.tiles.draw(context, viewport);
    this.drawMarks();
    this.nameStage();
    labelAreas(this, seen);
    if (this.near) labelTables(this);
    if (this.near) labelRows(this);
    return more;
  }

  toPlan() {
    const { density, viewport: { scale, x, y } } = this;
    this.context.setTransform(density * scale, 0, 0, density * scale, density * x, density * y);
  }

  toScreen() {
    this.context.setTransform(this.density, 0, 0, this.density, 0, 0);
  }

  drawStage() {
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
    if (this.focus.area === area) this.ring(path);
  }

  ring(path) {
    const { context, inks, viewport: { scale } } = this;
    context.lineJoin = "round";
    for (const [ink, weight] of [[inks.block, 7], [inks.focus, 4]]) {
      context.strokeStyle = ink;
      context.lineWidth = weight / scale;
      context.stroke(path);
    }
    context.lineJoin = "miter";
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

  /** What somebody has picked, lost or looks at: over everything, and at every scale. */
  drawMarks() {
    const { context, viewport, model, inks, labels } = this;
    const at = (seat) => viewport.toScreen(seat.x, seat.y);
    const standing = (seat) => seat.area.kind === "standing";
    for (const seat_id of model.lost) {
      const { x, y } = at(model.byId(seat_id));
      drawLost(context, x, y, viewport.scale, inks);
    }
    const picked = [...this.selected.values()].filter((seat) => !standing(seat));
    for (const seat of picked) {
      const { x, y } = at(seat);
      drawPicked(context, x, y, viewport.scale, inks);
      if (!this.near) labels.reserve({ left: x - 9, top: y - 9, width: 18, height: 18 });
    }
    for (const seat of [this.hovered, this.focus.seat].filter(Boolean)) drawRing(context, at(seat).x, at(seat).y, viewport.scale, inks);
    this.markers = markOffscreen(this, picked);
  }
}

export function pathOf(outline) {
  const path = new Path2D();
  outline.forEach(([x, y], number) => (number ? path.lineTo(x, y) : path.moveTo(x, y)));
  path.closePath();
  return path;
}

function boxOfTable({ x, y, width, height }) {
  const reach = Math.hypot(width, height) / 2;
  return { x: x - reach, y: y - reach, width: 2 * reach, height: 2 * reach };
}

function hatchOf(context, ink) {
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
  return context.createPattern(cell, "repeat");
}
