// The whole hall in a corner, once only a part of it is seen: where that part is, and a way to another.

import { h } from "../dom.js";

const ZOOMED = 1.5; // times the scale at which everything is seen
const PAD = 5;

export class Minimap {
  constructor(model, viewport, selected) {
    Object.assign(this, { model, viewport, selected, shown: null });
    this.node = h("canvas", { class: "minimap", hidden: true, "aria-hidden": "true" });
    const go = (event) => { if (event.buttons & 1) this.goTo(event.offsetX, event.offsetY); };
    this.node.addEventListener("pointerdown", (event) => { this.node.setPointerCapture(event.pointerId); go(event); });
    this.node.addEventListener("pointermove", go);
  }

  /** Draws the areas anew: sizes or colours have changed. */
  restyle(inks, paths, room) {
    const { world } = this.viewport;
    const [width, height] = room;
    this.scale = Math.min((width - 2 * PAD) / world.width, (height - 2 * PAD) / world.height);
    this.density = Math.min(window.devicePixelRatio || 1, 2);
    this.inks = inks;
    this.width = Math.round(world.width * this.scale + 2 * PAD);
    this.height = Math.round(world.height * this.scale + 2 * PAD);
    this.ground = this.sized(document.createElement("canvas"));
    this.sized(this.node);
    this.node.style.width = `${this.width}px`;
    this.node.style.height = `${this.height}px`;
    this.drawGround(paths);
    this.shown = null;
  }

  sized(canvas) {
    canvas.width = this.width * this.density;
    canvas.height = this.height * this.density;
    return canvas;
  }

  drawGround(paths) {
    const context = this.ground.getContext("2d");
    const { world } = this.viewport;
    const scale = this.scale * this.density;
    context.setTransform(scale, 0, 0, scale, PAD * this.density - world.x * scale, PAD * this.density - world.y * scale);
    for (const [area, path] of paths) {
      context.globalAlpha = this.model.isShown(area) ? 0.7 : 0.15;
      context.fillStyle = this.inks.tiers[area.tier % this.inks.tiers.length];
      context.fill(path);
    }
  }

  draw() {
    const { viewport } = this;
    const hidden = viewport.scale < viewport.fitScale() * ZOOMED || viewport.height < 260;
    const seen = `${hidden} ${viewport.scale} ${viewport.x} ${viewport.y} ${this.selected.size}`;
    if (seen === this.shown) return;
    this.shown = seen;
    this.node.hidden = hidden;
    if (hidden) return;
    const context = this.node.getContext("2d");
    context.setTransform(this.density, 0, 0, this.density, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.drawImage(this.ground, 0, 0, this.width, this.height);
    this.drawFrame(context);
    context.fillStyle = this.inks.accent;
    for (const seat of this.selected.values()) {
      const { x, y } = this.at(seat.x, seat.y);
      context.beginPath();
      context.arc(x, y, 3, 0, Math.PI * 2);
      context.fill();
    }
  }

  drawFrame(context) {
    const { left, top, right, bottom } = this.viewport.seen();
    const [from, to] = [this.at(left, top), this.at(right, bottom)];
    const [x, y] = [Math.max(1, from.x), Math.max(1, from.y)];
    context.strokeStyle = this.inks.text;
    context.lineWidth = 2;
    context.strokeRect(x, y, Math.max(6, Math.min(this.width - 1, to.x) - x), Math.max(6, Math.min(this.height - 1, to.y) - y));
  }

  at(x, y) {
    const { world } = this.viewport;
    return { x: (x - world.x) * this.scale + PAD, y: (y - world.y) * this.scale + PAD };
  }

  goTo(px, py) {
    const { viewport, scale } = this;
    const [x, y] = [(px - PAD) / scale + viewport.world.x, (py - PAD) / scale + viewport.world.y];
    const at = viewport.toScreen(x, y);
    viewport.pan(viewport.width / 2 - at.x, viewport.height / 2 - at.y);
  }
}
