// A bitmap of the hall, somewhat larger than what is seen: moved and stretched while somebody moves.

const ABOUT = 128; // pixels beyond each edge of what is seen

export class Picture {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.about = ABOUT;
    this.at = { x: 0, y: 0, width: 0, height: 0 }; // on the screen, in CSS pixels
  }

  /** Makes it one of what the viewport shows now. `changes` counts what has happened to the hall. */
  take(viewport, density, changes) {
    this.view = viewport.kept();
    Object.assign(this, { density, changes, whole: viewport.isWhole() });
    const [width, height] = [this.view.width, this.view.height].map((length) => Math.round((length + 2 * ABOUT) * density));
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
  }

  ratio(viewport) {
    return Math.max(viewport.scale / this.view.scale, this.view.scale / viewport.scale);
  }

  /** Finds where on the screen it lies. */
  lay(viewport) {
    const { view, at, density } = this;
    const stretch = viewport.scale / view.scale;
    const whole = (value) => (stretch === 1 ? Math.round(value * density) / density : value);
    at.x = whole(viewport.x - stretch * (view.x + ABOUT));
    at.y = whole(viewport.y - stretch * (view.y + ABOUT));
    at.width = (this.canvas.width / density) * stretch;
    at.height = (this.canvas.height / density) * stretch;
    return at;
  }

  /** Whether all that is seen is on it, with `more` pixels beyond. */
  covers(viewport, more = 0) {
    const { x, y, width, height } = this.lay(viewport);
    return x <= -more && y <= -more && x + width >= viewport.width + more && y + height >= viewport.height + more;
  }

  show(context, viewport) {
    const { x, y, width, height } = this.lay(viewport);
    context.drawImage(this.canvas, x, y, width, height);
  }
}
