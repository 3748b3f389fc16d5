// Draws the plan on a canvas. Far away, all seats come from one picture that is kept up to date seat
// by seat; near, the few seats in sight are drawn each. So a frame costs the same at 300 and at
// 200,000 seats.

import { money } from "../format.js";
import { t } from "../i18n.js";
import { drawSeat, readInks } from "./glyphs.js";

export const NEAR = 9; // pixels a seat, from which seats are drawn one by one
const ROW_LABELS_FROM = 15;
const HEADING_ROOM = 120; // pixels of an area that must be in sight for its name
const PILL_PADDING = 10;
const LINE = 1.35;
const STAGE_WORDS_FROM = 7;
const LABEL_ROOM = 24; // pixels that a label may take however small its area is drawn
const PICTURE_PIXELS_MAX = 4_000_000;
const PICTURE_SCALE_MAX = 8;

export class Renderer {
  constructor(canvas, model, viewport, lookOf) {
    Object.assign(this, { canvas, model, viewport, lookOf });
    this.context = canvas.getContext("2d");
    const area = Math.max(1, model.width * model.height);
    this.pictureScale = Math.max(1, Math.min(PICTURE_SCALE_MAX, Math.floor(Math.sqrt(PICTURE_PIXELS_MAX / area))));
    this.picture = document.createElement("canvas");
    this.picture.width = Math.ceil(model.width * this.pictureScale);
    this.picture.height = Math.ceil(model.height * this.pictureScale);
    this.restyle();
  }

  restyle() {
    this.inks = readInks(this.canvas);
    this.repaintPicture();
  }

  resize(width, height) {
    const density = Math.min(window.devicePixelRatio || 1, 2.5);
    this.density = density;
    this.canvas.width = Math.round(width * density);
    this.canvas.height = Math.round(height * density);
  }

  repaintPicture() {
    const context = this.picture.getContext("2d");
    context.clearRect(0, 0, this.picture.width, this.picture.height);
    for (const seat of this.model.seats) this.paint(context, seat);
  }

  repaint(seats) {
    const context = this.picture.getContext("2d");
    const size = this.pictureScale;
    for (const seat of seats) {
      context.clearRect(seat.x * size, seat.y * size, size, size);
      this.paint(context, seat);
    }
  }

  paint(context, seat) {
    if (seat.area.kind === "standing") return;
    const size = this.pictureScale;
    drawSeat(context, this.lookOf(seat), { ...seat, x: seat.x * size, y: seat.y * size, size, tier: seat.area.tier, accessible: false, number: "" }, this.inks);
  }

  draw() {
    const { context, viewport, density } = this;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.fillStyle = this.inks.floor;
    context.fillRect(0, 0, viewport.width, viewport.height);
    context.textAlign = "center";
    context.textBaseline = "middle";
    this.labels = [this.drawStage()];
    const near = viewport.scale >= NEAR;
    const seen = this.model.areas.filter((area) => this.inSight(area));
    for (const area of seen) this.drawBlock(area);
    if (near) seen.forEach((area) => this.drawSeats(area));
    else this.drawPicture();
    const largest = [...seen].sort((one, two) => two.width * two.height - one.width * one.height);
    for (const area of largest) (near ? this.drawHeading(area) : this.drawLabel(area));
  }

  inSight({ x, y, width, height }) {
    const { x: left, y: top } = this.viewport.toScreen(x - 2, y - 3);
    const { x: right, y: bottom } = this.viewport.toScreen(x + width + 2, y + height + 2);
    return right >= 0 && bottom >= 0 && left <= this.viewport.width && top <= this.viewport.height;
  }

  drawStage() {
    const { context, viewport, model } = this;
    const width = Math.min(model.width * 0.42, 60);
    const depth = Math.min(5, Math.max(2.4, model.height * 0.08));
    const { x, y } = viewport.toScreen(model.width / 2 - width / 2, -depth - 2.2);
    const [across, down] = [width * viewport.scale, depth * viewport.scale];
    context.fillStyle = this.inks.block;
    context.strokeStyle = this.inks.line;
    context.lineWidth = 1;
    context.beginPath();
    context.roundRect(x, y, across, down, [4, 4, down * 0.8, down * 0.8]);
    context.fill();
    context.stroke();
    const size = Math.min(15, down * 0.6);
    if (size >= STAGE_WORDS_FROM) this.text(t("map.stage"), x + across / 2, y + down / 2, size, 600, this.inks.faint);
    return { left: x, top: y, width: across, height: down };
  }

  drawBlock(area) {
    const { context, viewport } = this;
    const [beside, above] = [1.3, 0.7]; // beside is room for the rows' labels
    const { x, y } = viewport.toScreen(area.x - beside, area.y - above);
    const [width, height] = [(area.width + 2 * beside) * viewport.scale, (area.height + 2 * above) * viewport.scale];
    context.beginPath();
    context.roundRect(x, y, width, height, Math.min(10, viewport.scale));
    context.fillStyle = this.inks.block;
    context.fill();
    if (area.kind !== "standing") return;
    context.save();
    context.clip();
    context.globalAlpha = area.free > 0 ? 0.3 : 0.08;
    context.strokeStyle = this.inks.tiers[area.tier % this.inks.tiers.length];
    context.lineWidth = 3;
    context.beginPath();
    for (let offset = -height; offset < width; offset += 9) {
      context.moveTo(x + offset, y + height);
      context.lineTo(x + offset + height, y);
    }
    context.stroke();
    context.restore();
  }

  drawPicture() {
    const { x, y } = this.viewport.toScreen(0, 0);
    const { scale } = this.viewport;
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(this.picture, x, y, (this.picture.width / this.pictureScale) * scale, (this.picture.height / this.pictureScale) * scale);
  }

  drawSeats(area) {
    if (area.kind === "standing") return;
    const { viewport, context } = this;
    const { scale } = viewport;
    for (const { label, seats } of area.rows) {
      const top = viewport.toScreen(0, seats[0].y).y;
      if (top > viewport.height || top + scale < 0) continue;
      for (const seat of seats) {
        const x = seat.x * scale + viewport.x;
        if (x > viewport.width || x + scale < 0) continue;
        const y = seat.y * scale + viewport.y;
        drawSeat(context, this.lookOf(seat), { x, y, size: scale, number: seat.number, tier: area.tier, accessible: seat.accessible }, this.inks);
      }
      if (scale >= ROW_LABELS_FROM) this.drawRowLabel(label, seats, top + scale / 2);
    }
  }

  /** At the row's start, or at the edge when the start is out of sight. */
  drawRowLabel(label, seats, y) {
    const start = this.viewport.toScreen(seats[0].x, 0).x - 12;
    const end = this.viewport.toScreen(seats.at(-1).x, 0).x;
    const x = Math.max(start, 14);
    if (x > end) return;
    const { context } = this;
    if (x > start) {
      context.fillStyle = this.inks.block;
      context.beginPath();
      context.roundRect(x - 11, y - 9, 22, 18, 6);
      context.fill();
    }
    this.text(label, x, y, 11, 600, this.inks.faint);
  }

  drawHeading(area) {
    if (area.kind === "standing") return this.drawLabel(area);
    const { x, y } = this.viewport.toScreen(area.x, area.y - 1.7);
    const left = Math.max(x, 0);
    const right = Math.min(x + area.width * this.viewport.scale, this.viewport.width);
    if (right - left < HEADING_ROOM) return null;
    const name = [area.name, 700, this.inks.text];
    const whole = [`${area.name} · ${money(area.price, area.currency)}`, 700, this.inks.text];
    return this.label([[whole], [name]], (left + right) / 2, Math.max(y, 22), right - left);
  }

  drawLabel(area) {
    const { viewport } = this;
    const width = area.width * viewport.scale;
    const { x, y } = viewport.toScreen(area.x + area.width / 2, area.y + area.height / 2);
    const price = area.free > 0 ? money(area.price, area.currency) : t("area.none");
    const [name, beneath] = [[area.name, 700, this.inks.text], [price, 500, this.inks.faint]];
    const roomy = area.height * viewport.scale > 44;
    this.label([...(roomy ? [[name, beneath]] : []), [name], ...shortened(area.name).map((words) => [[words, 700, this.inks.text]])], x, y, width);
  }

  /** The first of these that is no wider than its area (by a little) and covers no other label; or none. */
  label(choices, x, y, width_max) {
    const size = width_max > 110 ? 13 : 11;
    for (const lines of choices) {
      const pill = this.measure(lines, x, y, size);
      if (pill.width > Math.max(width_max, LABEL_ROOM) || this.labels.some((other) => collide(pill, other))) continue;
      this.labels.push(pill);
      return this.pill(lines, pill, size);
    }
    return null;
  }

  measure(lines, x, y, size) {
    const { context } = this;
    const widths = lines.map(([words, weight]) => { context.font = `${weight} ${size}px ${this.inks.font}`; return context.measureText(words).width; });
    const [width, height] = [Math.max(...widths) + PILL_PADDING, lines.length * size * LINE + 8];
    return { left: x - width / 2, top: y - height / 2, width, height };
  }

  pill(lines, { left, top, width, height }, size) {
    const { context } = this;
    context.fillStyle = this.inks.label;
    context.beginPath();
    context.roundRect(left, top, width, height, 8);
    context.fill();
    lines.forEach(([words, weight, ink], index) => this.text(words, left + width / 2, top + 4 + size * LINE * (index + 0.5), size, weight, ink));
  }

  text(words, x, y, size, weight, ink) {
    const { context } = this;
    context.font = `${weight} ${Math.round(size)}px ${this.inks.font}`;
    context.fillStyle = ink;
    context.fillText(words, x, y);
  }
}

/** 看台 201区 → 201区, 201; VIP A区 → A区, A: what still tells it from its neighbours in little room. */
function shortened(name) {
  const last = name.split(/\s+/).at(-1);
  const number = name.match(/[0-9]+|\b[A-Z]\b/)?.[0];
  return [...new Set([last, number])].filter((words) => words && words !== name);
}

function collide(one, two) {
  return one.left < two.left + two.width && two.left < one.left + one.width && one.top < two.top + two.height && two.top < one.top + one.height;
}
