// Words on the map, placed one after the other: the first that fits and covers no other one is taken.

const PADDING = 5;
const LINE = 1.32;
const WIDTHS_MAX = 2000;

export class Labels {
  constructor() {
    this.widths = new Map();
  }

  /** A new frame: nothing is placed yet. */
  begin(context, font, background) {
    Object.assign(this, { context, font, background, placed: [] });
    context.textAlign = "center";
    context.textBaseline = "middle";
  }

  /** Keeps a box free of words. */
  reserve(box) {
    this.placed.push(box);
  }

  isFree(box) {
    return !this.placed.some((other) => collide(box, other));
  }

  /**
   * Places the first of `choices` (each a list of lines {words, size, weight, ink}) whose box is accepted by
   * `fits(box)` and free, and returns its box; null when none is. `pill` draws a ground behind it.
   */
  place(choices, x, y, { fits = () => true, pill = false, padding = PADDING } = {}) {
    for (const lines of choices) {
      const box = this.measure(lines, x, y, padding);
      if (!fits(box) || !this.isFree(box)) continue;
      this.placed.push(box);
      if (pill) this.ground(box);
      this.write(lines, box);
      return box;
    }
    return null;
  }

  measure(lines, x, y, padding) {
    const width = Math.max(...lines.map((line) => this.width(line))) + 2 * padding;
    const height = lines.reduce((sum, { size }) => sum + size * LINE, 0) + 4;
    return { left: x - width / 2, top: y - height / 2, width, height };
  }

  width({ words, size, weight }) {
    const font = `${weight} ${size}px ${this.font}`;
    const key = font + words;
    if (this.widths.size > WIDTHS_MAX) this.widths.clear();
    if (!this.widths.has(key)) {
      this.context.font = font;
      this.widths.set(key, this.context.measureText(words).width);
    }
    return this.widths.get(key);
  }

  ground({ left, top, width, height }) {
    this.context.fillStyle = this.background;
    this.context.beginPath();
    this.context.roundRect(left, top, width, height, 7);
    this.context.fill();
  }

  write(lines, { left, top, width }) {
    let y = top + 2;
    for (const { words, size, weight, ink } of lines) {
      this.context.font = `${weight} ${size}px ${this.font}`;
      this.context.fillStyle = ink;
      this.context.fillText(words, left + width / 2, y + (size * LINE) / 2);
      y += size * LINE;
    }
  }
}

export function collide(one, two) {
  return one.left < two.left + two.width && two.left < one.left + one.width && one.top < two.top + two.height && two.top < one.top + one.height;
}

/** 看台 201区 → 201区, 201; VIP A区 → A区, A: what still tells it from its neighbours in little room. */
export function shortened(name) {
  const last = name.split(/\s+/).at(-1);
  const number = name.match(/[0-9]+|\b[A-Z]\b/)?.[0];
  return [...new Set([last, number])].filter((words) => words && words !== name);
}
