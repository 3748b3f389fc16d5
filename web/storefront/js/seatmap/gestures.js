// Fingers, mouse, wheel and keys on the map: pan, pinch, zoom, tap.

const TAP_SLACK_PX = 8;
const WHEEL_ZOOM = 0.0022;
const STEP_PX = 60;
const STEP_ZOOM = 1.5;

/** `tap(x, y)` and `hover(x, y | null)` get positions within the canvas, in CSS pixels. */
export function listen(canvas, viewport, { tap, hover }) {
  const fingers = new Map();
  let moved = 0;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    if (fingers.size === 0) moved = 0;
    fingers.set(event.pointerId, at(event));
    hover(null, null);
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
    if (!fingers.delete(event.pointerId)) return;
    if (size > 1) moved = Infinity; // the rest of a pinch is no tap
    if (event.type === "pointerup" && moved <= TAP_SLACK_PX) tap(at(event).x, at(event).y);
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => hover(null, null));

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { x, y } = at(event);
    const lines = event.deltaMode === 1 ? 16 : 1;
    viewport.zoomAt(x, y, Math.exp(-event.deltaY * lines * WHEEL_ZOOM));
  }, { passive: false });

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !press(viewport, event.key)) return;
    event.preventDefault();
  });
}

function pinch(viewport, fingers, moving, from, to) {
  const other = [...fingers].find(([id]) => id !== moving)[1];
  const before = Math.hypot(from.x - other.x, from.y - other.y);
  const after = Math.hypot(to.x - other.x, to.y - other.y);
  viewport.pan((to.x - from.x) / 2, (to.y - from.y) / 2);
  if (before > 0) viewport.zoomAt((to.x + other.x) / 2, (to.y + other.y) / 2, after / before);
}

function press(viewport, key) {
  const steps = { ArrowLeft: [STEP_PX, 0], ArrowRight: [-STEP_PX, 0], ArrowUp: [0, STEP_PX], ArrowDown: [0, -STEP_PX] };
  if (steps[key]) viewport.pan(...steps[key]);
  else if (key === "+" || key === "=") zoom(viewport, STEP_ZOOM);
  else if (key === "-") zoom(viewport, 1 / STEP_ZOOM);
  else if (key === "0") viewport.glide(viewport.showing(viewport.world));
  else return false;
  return true;
}

export function zoom(viewport, factor) {
  viewport.glide(viewport.zoomed(viewport.width / 2, viewport.height / 2, factor));
}
