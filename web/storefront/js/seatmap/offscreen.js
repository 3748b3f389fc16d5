// Seats picked that are out of sight: a mark at the edge of the map, towards them.

import { collide } from "./labels.js";

const SIZE = 30;
const INSET = 8;

/** The marks at the edge of a view: {left, top, width, height, seat}, also for taps. */
export function marksOffscreen(view, picked) {
  const bounds = { left: INSET, top: INSET, right: view.width - INSET, bottom: view.height - view.foot - INSET };
  const marks = [];
  for (const seat of picked) {
    const { x, y } = view.toScreen(seat.x, seat.y);
    if (x >= bounds.left && x <= bounds.right && y >= bounds.top && y <= bounds.bottom) continue;
    const mark = towards(x, y, bounds, seat);
    const near = marks.find((other) => collide(other, mark));
    if (near) near.count += 1;
    else marks.push(mark);
  }
  return marks;
}

function towards(x, y, { left, top, right, bottom }, seat) {
  const px = Math.min(Math.max(x, left + SIZE / 2), right - SIZE / 2);
  const py = Math.min(Math.max(y, top + SIZE / 2), bottom - SIZE / 2);
  return { left: px - SIZE / 2, top: py - SIZE / 2, width: SIZE, height: SIZE, angle: Math.atan2(y - py, x - px), seat, count: 1 };
}

export function drawMark(context, { left, top, angle, count }, inks) {
  context.save();
  context.translate(left + SIZE / 2, top + SIZE / 2);
  context.beginPath();
  context.arc(0, 0, SIZE / 2, 0, Math.PI * 2);
  context.fillStyle = inks.block;
  context.fill();
  context.beginPath();
  context.arc(0, 0, SIZE / 2 - 6, 0, Math.PI * 2);
  context.fillStyle = inks.accent;
  context.fill();
  context.save();
  context.rotate(angle);
  context.beginPath();
  context.moveTo(SIZE / 2, 0);
  context.lineTo(SIZE / 2 - 9, -7);
  context.lineTo(SIZE / 2 - 9, 7);
  context.fill();
  context.restore();
  context.font = `700 11px ${inks.font}`;
  context.fillStyle = inks.onAccent;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(String(count), 0, 0.5);
  context.restore();
}
