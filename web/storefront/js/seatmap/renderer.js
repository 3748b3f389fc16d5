// Frames of the map. A frame shows a picture of the hall, moved and stretched, and over it what somebody has
// picked. Pictures are painted a few milliseconds a frame: while somebody moves, only when the last one has
// grown too soft or too small; sharp once the map rests.

import { drawAlone, drawLost, drawPicked, drawRing, readInks } from "./glyphs.js";
import { drawMark, marksOffscreen } from "./offscreen.js";
import { Picture } from "./picture.js";
import { Scene, pickedSeats } from "./scene.js";

const DENSITY_MAX = 2.5;
const SETTLED_MS = 120;
const REFRESH_MS = 200; // from one picture to the next when only seats have changed
const SOFT = 2.5; // times a picture may be stretched while somebody moves
const AHEAD = 32; // pixels beyond what is seen that are still painted when the next picture is begun
const BUDGET_MS = { least: 1, most: 5 }; // of painting a frame
const LATE_MS = 22;

export class Renderer {
  /** `focus` is what the keyboard is at: {seat} or {area} or neither; `selected` a Map by seat_id. */
  constructor(canvas, model, viewport, filters, selected) {
    Object.assign(this, { canvas, model, viewport, selected, focus: {}, hovered: null, markers: [] });
    this.context = canvas.getContext("2d", { alpha: false });
    this.scene = new Scene(model, filters, selected);
    this.pictures = [new Picture(), new Picture(), new Picture()];
    Object.assign(this, { front: null, whole: null, painting: null, changes: 0, paintedAt: -Infinity });
    Object.assign(this, { seen: viewport.kept(), movedAt: -Infinity, frameAt: 0, budget_ms: BUDGET_MS.most });
  }

  restyle() {
    this.inks = readInks(this.canvas);
    this.scene.restyle(this.inks, this.density);
    this.repaintAll();
  }

  resize(width, height) {
    this.density = Math.min(window.devicePixelRatio || 1, DENSITY_MAX);
    this.canvas.width = Math.round(width * this.density);
    this.canvas.height = Math.round(height * this.density);
    this.whole = null;
  }

  /** These seats have changed. */
  repaint(seats) {
    this.scene.tiles.repaint(seats);
    this.changes += 1;
  }

  /** Everything may look different: the next picture is painted at once. */
  repaintAll() {
    this.scene.tiles.repaintAll();
    this.changes += 1;
    this.paintedAt = -Infinity;
    this.painting = null;
  }

  /** What is picked has changed: words keep clear of it. */
  rewrite() {
    this.changes += 1;
    this.paintedAt = -Infinity;
  }

  /** `changed`: what is over the picture has. True when another frame is needed to finish. */
  draw(changed) {
    const now = performance.now();
    this.keepPace(now);
    const moved = !this.seen.isLike(this.viewport);
    if (moved) Object.assign(this, { seen: this.viewport.kept(), movedAt: now });
    const moving = now - this.movedAt < SETTLED_MS;
    const painted = this.paint(now, moving && this.front !== null);
    if (moved || changed || painted) this.show();
    return moving || this.painting !== null || !this.isSharp() || this.front.changes !== this.changes;
  }

  /** Paints less a frame where frames come late, more where they do not. */
  keepPace(now) {
    const took = now - this.frameAt;
    this.frameAt = now;
    const factor = took > LATE_MS ? 0.7 : 1.15;
    this.budget_ms = Math.min(BUDGET_MS.most, Math.max(BUDGET_MS.least, this.budget_ms * factor));
  }

  isSharp() {
    return this.front.view.isLike(this.viewport);
  }

  wantsPicture(now, moving) {
    const { front, viewport } = this;
    if (!front) return true;
    if (moving) return front.ratio(viewport) > SOFT || (front.ratio(viewport) === 1 && !front.covers(viewport, AHEAD));
    return !this.isSharp() || (front.changes !== this.changes && now - this.paintedAt > REFRESH_MS);
  }

  /** True when a picture has been finished. */
  paint(now, moving) {
    if (this.painting && !moving && !this.painting.picture.view.isLike(this.viewport)) this.painting = null;
    if (!this.painting && this.wantsPicture(now, moving)) this.begin(moving);
    if (!this.painting) return false;
    const { picture, steps } = this.painting;
    const until = this.front ? now + this.budget_ms : Infinity; // the first one at once
    let done = false;
    do ({ done } = steps.next()); while (!done && performance.now() < until);
    if (!done) return false;
    Object.assign(this, { front: picture, painting: null, paintedAt: performance.now() });
    if (picture.whole) this.whole = picture;
    return true;
  }

  begin(moving) {
    const picture = this.pictures.find((one) => one !== this.front && one !== this.whole);
    picture.take(this.viewport, this.density, this.changes);
    this.painting = { picture, steps: this.scene.paint(picture, moving) };
  }

  /** The picture; under it, where it does not reach, the whole hall from afar. */
  show() {
    const { context, viewport, density, front, whole } = this;
    context.setTransform(density, 0, 0, density, 0, 0);
    if (!front.covers(viewport)) {
      context.fillStyle = this.inks.floor;
      context.fillRect(0, 0, viewport.width, viewport.height);
      if (whole && whole !== front) whole.show(context, viewport);
    }
    front.show(context, viewport);
    this.drawMarks();
  }

  /** What somebody has picked, lost, would leave alone or looks at: over everything, and at every scale. */
  drawMarks() {
    const { context, viewport, model, inks } = this;
    const at = (seat) => viewport.toScreen(seat.x, seat.y);
    if (this.focus.area) this.ring(this.scene.paths.get(this.focus.area));
    for (const seat_id of model.lost) {
      const { x, y } = at(model.byId(seat_id));
      drawLost(context, x, y, viewport.scale, inks);
    }
    for (const seat_id of model.alone) {
      const { x, y } = at(model.byId(seat_id));
      drawAlone(context, x, y, viewport.scale, inks);
    }
    const picked = pickedSeats(this.selected);
    for (const seat of picked) {
      const { x, y } = at(seat);
      drawPicked(context, x, y, viewport.scale, inks);
    }
    for (const seat of [this.hovered, this.focus.seat].filter(Boolean)) drawRing(context, at(seat).x, at(seat).y, viewport.scale, inks);
    this.markers = marksOffscreen(viewport, picked);
    for (const mark of this.markers) drawMark(context, mark, inks);
  }

  ring(path) {
    const { context, density, inks, viewport: { scale, x, y } } = this;
    context.save();
    context.setTransform(density * scale, 0, 0, density * scale, density * x, density * y);
    context.lineJoin = "round";
    for (const [ink, weight] of [[inks.block, 7], [inks.focus, 4]]) {
      context.strokeStyle = ink;
      context.lineWidth = weight / scale;
      context.stroke(path);
    }
    context.restore();
  }
}
