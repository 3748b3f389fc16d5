// Polygons: outlines of areas and of the stage, as lists of [x, y].

export function boxOf(points) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

/** A line or a point, as a polygon that can be seen; polygons as they are. */
export function thickened(points) {
  if (points.length > 2 || points.length === 0) return points;
  const [[x1, y1], [x2, y2]] = [points[0], points.at(-1)];
  const length = Math.hypot(x2 - x1, y2 - y1);
  const [ax, ay] = length ? [(x2 - x1) / length, (y2 - y1) / length] : [1, 0];
  return [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([along, aside]) => {
    const [x, y] = along < 0 ? [x1, y1] : [x2, y2];
    return [x + along * ax - aside * ay, y + along * ay + aside * ax];
  });
}

export function isInside(points, x, y) {
  let inside = false;
  edges(points, (x1, y1, x2, y2) => {
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  });
  return inside;
}

/** How far a point is from the polygon; 0 inside. */
export function distanceTo(points, x, y) {
  if (points.length === 0 || isInside(points, x, y)) return 0;
  let least = Infinity;
  edges(points, (x1, y1, x2, y2) => {
    const [dx, dy] = [x2 - x1, y2 - y1];
    const along = dx || dy ? ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy) : 0;
    const share = Math.min(1, Math.max(0, along));
    least = Math.min(least, Math.hypot(x1 + share * dx - x, y1 + share * dy - y));
  });
  return least;
}

/** The width and height of the polygon through one of its points: what room there is for a label. */
export function roomAt(points, x, y) {
  const across = crossings(points, y, 1).map((at) => at - x);
  const down = crossings(points, x, 0).map((at) => at - y);
  return { width: 2 * leastOf(across), height: 2 * leastOf(down) };
}

function leastOf(offsets) {
  const before = Math.min(...offsets.filter((offset) => offset <= 0).map((offset) => -offset));
  const after = Math.min(...offsets.filter((offset) => offset > 0));
  const least = Math.min(before, after);
  return Number.isFinite(least) ? least : 0;
}

function crossings(points, level, axis) {
  const found = [];
  edges(points, (x1, y1, x2, y2) => {
    const [from, to] = axis === 1 ? [y1, y2] : [x1, x2];
    if (from > level === to > level) return;
    const share = (level - from) / (to - from);
    found.push(axis === 1 ? x1 + share * (x2 - x1) : y1 + share * (y2 - y1));
  });
  return found;
}

function edges(points, visit) {
  for (let at = 0, before = points.length - 1; at < points.length; before = at, at += 1) {
    visit(...points[before], ...points[at]);
  }
}
