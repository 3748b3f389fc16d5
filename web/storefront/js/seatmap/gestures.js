// Fingers, mouse and wheel on the map: pan, pinch, zoom, tap, and a finger that rests.

const TAP_SLACK_PX = 8;
const WHEEL_ZOOM = 0.0022;
const REST_MS = 450;

/**
 * Positions are within the canvas, in CSS pixels. `tap(x, y, coarse)`: coarse for fingers; `hover(x, y | null)`;
 * `rest(x, y)`: a finger that stays, which is no tap then.
 */
export function listen(canvas, viewport, { tap, hover, rest }) {
  const fingers = new Map();
  let moved = 0;
  let resting = null;
  let told = false;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    if (fingers.size === 0) moved = 0;
    const place = at(event);
    fingers.set(event.pointerId, place);
    hover(null, null);
    told = false;
    clearTimeout(resting);
    if (event.pointerType === "mouse" || fingers.size > 1) return;
    resting = setTimeout(() => {
      if (fingers.size !== 1 || moved > TAP_SLACK_PX) return;
      moved = Infinity;
      told = true;
      rest(place.x, place.y);
    }, REST_MS);
  });

  canvas.addEventListener("pointermove", (event) => {
    const to = at(event);
    const from = fingers.get(event.pointerId);
    if (!from) return event.pointerType === "mouse" ? hover(to.x, to.y) : null;
    fingers.set(event.pointerId, to);
    moved += Math.hypot(to.x - from.x, to.y - from.y);
    if (fingers.size === 2) return pinch(viewport, fingers, event.pointerId, from, to);
    if (moved > TAP_SLACK_PX) viewport.pan(to.x - from.x, to.y - from.y);
    return null;
  });

  const lift = (event) => {
    const { size } = fingers;
    clearTimeout(resting);
    if (!fingers.delete(event.pointerId)) return;
    if (size > 1) moved = Infinity; // the rest of a pinch is no tap
    if (event.type === "pointerup" && moved <= TAP_SLACK_PX) tap(at(event).x, at(event).y, event.pointerType !== "mouse");
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && !told) hover(null, null); });
  canvas.addEventListener("contextmenu", (event) => { if (fingers.size) event.preventDefault(); });

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { x, y } = at(event);
    const lines = event.deltaMode === 1 ? 16 : 1;
    viewport.zoomAt(x, y, Math.exp(-event.deltaY * lines * WHEEL_ZOOM));
  }, { passive: false });
}

function pinch(viewport, fingers, moving, from, to) {
  const other = [...fingers].find(([id]) => id !== moving)[1];
  const before = Math.hypot(from.x - other.x, from.y - other.y);
  const after = Math.hypot(to.x - other.x, to.y - other.y);
  viewport.pan((to.x - from.x) / 2, (to.y - from.y) / 2);
  if (before > 0) viewport.zoomAt((to.x + other.x) / 2, (to.y + other.y) / 2, after / before);
}

export function zoom(viewport, factor) {
  viewport.glide(viewport.zoomed(viewport.width / 2, viewport.height / 2, factor));
}
