// Which part of the plan is seen: pixels = units · scale + offset. Sizes in CSS pixels.

const SCALE_MAX = 44;
const GLIDE_MS = 260;
const MARGIN = 14;
const FOOT = 56; // the buttons' place: the whole hall is shown above it, where there is room
const ROOMY = 300;
const REACH = 1; // units beyond a thing's centre that may be seen of it

/** A part of the plan on so many pixels. */
export class View {
  toPlan(px, py) {
    return { x: (px - this.x) / this.scale, y: (py - this.y) / this.scale };
  }

  toScreen(x, y) {
    return { x: x * this.scale + this.x, y: y * this.scale + this.y };
  }

  /** The rectangle of the plan in sight, and so many pixels about it. */
  seen(about = 0) {
    const [from, to] = [this.toPlan(-about, -about), this.toPlan(this.width + about, this.height + about)];
    return { left: from.x, top: from.y, right: to.x, bottom: to.y };
  }

  /** Whether some of a box of the plan is in sight, or so many pixels about it. */
  sees({ x, y, width, height }, about = 0) {
    const { left, top, right, bottom } = this.seen(about);
    return x + width + REACH >= left && x - REACH <= right && y + height + REACH >= top && y - REACH <= bottom;
  }

  /** Whether a point of the plan is in sight. */
  shows(x, y, room = 6) {
    const at = this.toScreen(x, y);
    return at.x >= room && at.x <= this.width - room && at.y >= room && at.y <= this.height - room;
  }

  /** A box of the plan on the screen. */
  boxOnScreen(box) {
    const { x, y } = this.toScreen(box.x, box.y);
    return { left: x, top: y, width: box.width * this.scale, height: box.height * this.scale };
  }

  /** Whether both show the same at the same place. */
  isLike(other) {
    return ["scale", "x", "y", "width", "height"].every((name) => this[name] === other[name]);
  }

  /** What is seen now, to keep. */
  kept() {
    const { scale, x, y, width, height, foot } = this;
    return Object.assign(new View(), { scale, x, y, width, height, foot });
  }
}

export class Viewport extends View {
  /** `world` is the rectangle {x, y, width, height} that must always be reachable. */
  constructor(world, changed) {
    super();
    Object.assign(this, { world, changed, width: 1, height: 1, scale: 1, x: 0, y: 0, gliding: 0, foot: FOOT });
  }

  resize(width, height) {
    const whole = this.isWhole();
    const centre = this.toPlan(this.width / 2, this.height / 2);
    Object.assign(this, { width, height, foot: height < ROOMY ? 0 : FOOT });
    if (whole) Object.assign(this, this.showing(this.world));
    else Object.assign(this, { x: width / 2 - centre.x * this.scale, y: height / 2 - centre.y * this.scale });
    this.settle();
  }

  fitting({ width, height }) {
    return Math.min((this.width - 2 * MARGIN) / width, (this.height - this.foot - 2 * MARGIN) / height);
  }

  fitScale() {
    return this.fitting(this.world);
  }

  isWhole() {
    return this.width <= 1 || this.scale <= this.fitScale() * 1.01;
  }

  pan(dx, dy) {
    cancelAnimationFrame(this.gliding);
    this.x += dx;
    this.y += dy;
    this.settle();
  }

  /** Zooms so that the plan's point under (px, py) stays there. */
  zoomAt(px, py, factor) {
    cancelAnimationFrame(this.gliding);
    Object.assign(this, this.zoomed(px, py, factor));
    this.settle();
  }

  zoomed(px, py, factor) {
    const scale = this.bounded(this.scale * factor);
    const held = this.toPlan(px, py);
    return { scale, x: px - held.x * scale, y: py - held.y * scale };
  }

  bounded(scale) {
    const least = this.fitScale();
    return Math.min(Math.max(scale, least), Math.max(SCALE_MAX, least));
  }

  /** The view that shows a rectangle of the plan whole, at least at `scale_min`. */
  showing({ x, y, width, height }, scale_min = 0) {
    const scale = this.bounded(Math.max(this.fitting({ width, height }), scale_min));
    return { scale, x: this.width / 2 - (x + width / 2) * scale, y: (this.height - this.foot) / 2 - (y + height / 2) * scale };
  }

  /** Moves there: gliding, or at once for readers who asked for less motion. */
  glide(target) {
    cancelAnimationFrame(this.gliding);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      Object.assign(this, target);
      return this.settle();
    }
    const from = { scale: this.scale, x: this.x, y: this.y };
    const started = performance.now();
    this.changed();
    const step = (time) => {
      const share = Math.min(1, Math.max(0, time - started) / GLIDE_MS);
      const eased = 1 - (1 - share) ** 3;
      for (const name of ["scale", "x", "y"]) this[name] = from[name] + (target[name] - from[name]) * eased;
      this.settle();
      if (share < 1) this.gliding = requestAnimationFrame(step);
    };
    this.gliding = requestAnimationFrame(step);
    return null;
  }

  /** Keeps the hall in sight and tells. */
  settle() {
    this.x = this.within(this.x, this.world.x, this.world.width, this.width);
    this.y = this.within(this.y, this.world.y, this.world.height, this.height - this.foot);
    this.changed();
  }

  within(offset, start, length, room) {
    const size = length * this.scale;
    const middle = (room - size) / 2 - start * this.scale;
    if (size + 2 * MARGIN <= room) return middle;
    const most = room * 0.4 - start * this.scale;
    const least = room * 0.6 - (start + length) * this.scale;
    return Math.min(most, Math.max(least, offset));
  }
}
