// What the wall knows: the last frame, when it was heard, and the points of three windows.

const WORST = new Set(["p99_s", "orders_p99_s"]);
const MINUTE_POINTS = 60;
const HOUR_POINTS = 360;

export const WINDOWS = ["minute", "hour", "sale"];

export class State {
  constructor() {
    this.frame = null;
    this.heard_ms = null; // on the monotonic clock
    this.windows = { minute: empty(1), hour: empty(10), sale: empty(10) };
    this.steps = { hour: null, sale: null };
  }

  begin({ frame, minute, hour, sale }) {
    Object.assign(this.windows, { minute, hour, sale });
    this.steps = { hour: null, sale: null };
    if (frame) this.take(frame, { old: true });
  }

  /** A frame. An `old` one is in the windows already, and as old as it says. */
  take(frame, { old = false, now_s = null } = {}) {
    const before = this.frame;
    this.frame = frame;
    this.heard_ms = performance.now() - (now_s === null ? 0 : Math.max(0, now_s - frame.at) * 1000);
    if (old) return;
    if (before && frame.sale_since !== before.sale_since) this.windows.sale = cut(this.windows.sale, frame.sale_since);
    push(this.windows.minute, frame.at, frame.point, MINUTE_POINTS);
    for (const name of ["hour", "sale"]) this.step(name, frame);
  }

  /** Longer windows have the mean of a step, and of the slowest answers the worst. */
  step(name, frame) {
    const window = this.windows[name];
    const begins = frame.at - (frame.at % window.step_s);
    const step = this.steps[name];
    if (step && step.at !== begins) {
      if (window.at.at(-1) !== step.at) push(window, step.at, folded(step.points), name === "hour" ? HOUR_POINTS : Number.POSITIVE_INFINITY);
      this.steps[name] = null;
    }
    this.steps[name] ??= { at: begins, points: [] };
    this.steps[name].points.push(frame.point);
  }

  /** Seconds since the frame was made, as far as this page can know. */
  age_s() {
    return this.heard_ms === null ? null : (performance.now() - this.heard_ms) / 1000;
  }
}

function empty(step_s) {
  return { step_s, at: [], series: {} };
}

function push(window, at, point, most) {
  window.at.push(at);
  for (const [name, value] of Object.entries(point)) {
    window.series[name] ??= Array(window.at.length - 1).fill(null);
    window.series[name].push(value);
  }
  const over = window.at.length - most;
  if (over <= 0) return;
  window.at.splice(0, over);
  for (const values of Object.values(window.series)) values.splice(0, over);
}

function cut(window, since) {
  const kept = window.at.findIndex((at) => at + window.step_s > since);
  const start = kept < 0 ? window.at.length : kept;
  const series = Object.fromEntries(Object.entries(window.series).map(([name, values]) => [name, values.slice(start)]));
  return { step_s: window.step_s, at: window.at.slice(start), series };
}

function folded(points) {
  const names = Object.keys(points[0]);
  return Object.fromEntries(names.map((name) => {
    const seen = points.map((point) => point[name]).filter((value) => value !== null && value !== undefined);
    if (!seen.length) return [name, null];
    return [name, WORST.has(name) ? Math.max(...seen) : seen.reduce((sum, one) => sum + one, 0) / seen.length];
  }));
}
