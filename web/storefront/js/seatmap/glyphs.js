// How seats look. State is told by shape as well as by colour: free a filled square, selected a disc with a
// tick, held a ring, sold a dot, lost a cross, not looked for an outline. A place for a wheelchair is round.
// Seats of one look are one path: a thousand cost little more than one.

import { ACCESSIBLE, COMPANION, RESTRICTED } from "./hall.js";

const WHEELCHAIR = new Path2D("M11 8.500v6h5l2.500 5M11 11h4.500M9 11.800a5 5 0 1 0 6.300 6.500M11 3.300a1.500 1.500 0 1 0 .1 0");
const TICK = new Path2D("M6 12.500l4 4L18 8");
const NUMBERS_FROM = 19; // pixels a seat: below it a number cannot be read
const ROUNDED_FROM = 8;
const TURNED_FROM = 5;
const MARKS_FROM = 9;
const HALF = 0.41; // of a seat's pitch
const STATE = { free: ".".charCodeAt(0), held: "h".charCodeAt(0), sold: "s".charCodeAt(0) };
const LOOK = { sold: 0, held: 1, free: 2 };

/** Draws seats by their indices. `place` gives pixels: {scale, x, y}; `passes(index)` is the filter. */
export function drawSeats(context, model, indices, place, passes, inks) {
  const looks = [];
  for (const index of indices) {
    const look = lookOf(model, index, passes);
    if (look < 0) continue;
    if (looks[look]) looks[look].push(index);
    else looks[look] = [index];
  }
  looks.forEach((seats, look) => drawLook(context, look, model.hall, seats, place, inks));
}

/** A number, so that 50,000 seats make no words: sold, held, else three for each tier. -1: nothing to see. */
function lookOf(model, index, passes) {
  const state = model.states[index];
  if (state === STATE.sold) return LOOK.sold;
  if (state === STATE.held) return LOOK.held;
  if (state !== STATE.free) return -1; // blocked: not for sale
  const round = model.hall.flags[index] & ACCESSIBLE ? 1 : 0;
  return LOOK.free + 3 * model.areaOf(index).tier + (passes(index) ? round : 2);
}

function drawLook(context, look, hall, seats, place, inks) {
  if (look < LOOK.free) return drawTaken(context, look === LOOK.sold, hall, seats, place, inks);
  const [tier, shape] = [Math.floor((look - LOOK.free) / 3), (look - LOOK.free) % 3];
  const ink = inks.tiers[tier % inks.tiers.length];
  context.beginPath();
  if (shape === 1) for (const index of seats) addDisc(context, hall, index, place, HALF + 0.05);
  else addSquares(context, hall, seats, place);
  if (shape === 2) return strokeDim(context, ink, place);
  context.fillStyle = ink;
  context.fill();
  return drawMarks(context, hall, seats, place, inks);
}

function strokeDim(context, ink, { scale }) {
  context.save();
  context.globalAlpha *= 0.38;
  context.strokeStyle = ink;
  context.lineWidth = Math.max(0.6, scale * 0.06);
  context.stroke();
  context.restore();
}

function drawTaken(context, sold, hall, seats, place, inks) {
  const radius = sold ? Math.max(0.16, 0.8 / place.scale) : 0.3;
  context.beginPath();
  for (const index of seats) addDot(context, hall, index, place, radius);
  if (sold) {
    context.fillStyle = inks.taken;
    return context.fill();
  }
  context.strokeStyle = inks.taken;
  context.lineWidth = Math.max(1, place.scale * 0.09);
  return context.stroke();
}

/** A disc; where it is of two pixels, a square, which looks the same and costs a tenth. */
function addDot(context, hall, index, place, radius) {
  const { scale, x, y } = place;
  if (scale >= TURNED_FROM) return addDisc(context, hall, index, place, radius);
  const half = radius * scale;
  return context.rect(hall.x[index] * scale + x - half, hall.y[index] * scale + y - half, 2 * half, 2 * half);
}

function addDisc(context, hall, index, { scale, x, y }, radius) {
  const [px, py] = [hall.x[index] * scale + x, hall.y[index] * scale + y];
  context.moveTo(px + radius * scale, py);
  context.arc(px, py, radius * scale, 0, Math.PI * 2);
}

/** Squares that face the way that their seats do, where they are large enough to tell. */
function addSquares(context, hall, seats, { scale, x, y }) {
  const half = HALF * scale;
  for (const index of seats) {
    const [px, py] = [hall.x[index] * scale + x, hall.y[index] * scale + y];
    if (scale < TURNED_FROM) context.rect(px - half, py - half, 2 * half, 2 * half);
    else addTurned(context, px, py, half, hall.angle[index], scale >= ROUNDED_FROM);
  }
}

function addTurned(context, px, py, half, angle, rounded) {
  const [cos, sin] = [Math.cos(angle) * half, Math.sin(angle) * half];
  const corners = [[cos - sin, sin + cos], [-cos - sin, cos - sin], [sin - cos, -sin - cos], [cos + sin, sin - cos]];
  if (!rounded) {
    corners.forEach(([dx, dy], number) => (number ? context.lineTo(px + dx, py + dy) : context.moveTo(px + dx, py + dy)));
    return context.closePath();
  }
  const [lx, ly] = corners[3];
  context.moveTo(px + (lx + corners[0][0]) / 2, py + (ly + corners[0][1]) / 2);
  corners.forEach(([dx, dy], number) => {
    const [nx, ny] = corners[(number + 1) % 4];
    context.arcTo(px + dx, py + dy, px + (dx + nx) / 2, py + (dy + ny) / 2, half * 0.45);
  });
  return context.closePath();
}

/** Numbers, wheelchairs, and the corner that says that the view is restricted. */
function drawMarks(context, hall, seats, place, inks) {
  if (place.scale < MARKS_FROM) return;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = `600 ${Math.round(place.scale * 0.4)}px ${inks.font}`;
  for (const index of seats) {
    const flags = hall.flags[index];
    const [px, py] = [hall.x[index] * place.scale + place.x, hall.y[index] * place.scale + place.y];
    if (flags & ACCESSIBLE) stroke(context, WHEELCHAIR, px - place.scale * 0.38, py - place.scale * 0.4, place.scale * 0.78, inks.onTier, 2);
    else if (place.scale >= NUMBERS_FROM) number(context, hall, index, px, py, place.scale, inks);
    if (flags & RESTRICTED) corner(context, px, py, place.scale, hall.angle[index], inks.block);
    if (flags & COMPANION) companion(context, px, py, place.scale, inks.onTier);
  }
}

function number(context, hall, index, px, py, scale, inks) {
  const run = hall.runs[hall.runOf[index]];
  const at = index - run.first;
  context.fillStyle = inks.onTier;
  context.fillText(String(run.numbers?.[at] ?? run.first_number + at * run.step), px, py + scale * 0.03);
}

/** Of the seat's own square, however it is turned: its neighbours may be close. */
function corner(context, px, py, scale, angle, ink) {
  const [edge, cut] = [scale * (HALF + 0.02), scale * 0.5];
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const at = (dx, dy) => [px + dx * cos - dy * sin, py + dx * sin + dy * cos];
  context.fillStyle = ink;
  context.beginPath();
  context.moveTo(...at(edge, -edge));
  context.lineTo(...at(edge - cut, -edge));
  context.lineTo(...at(edge, cut - edge));
  context.fill();
}

/** A bar below the number: the place beside a wheelchair's. */
function companion(context, px, py, scale, ink) {
  context.fillStyle = ink;
  context.fillRect(px - scale * 0.22, py + scale * 0.24, scale * 0.44, Math.max(1.5, scale * 0.07));
}

function stroke(context, path, x, y, size, ink, weight) {
  context.save();
  context.translate(x, y);
  context.scale(size / 24, size / 24);
  context.strokeStyle = ink;
  context.lineWidth = weight;
  context.lineCap = "round";
  context.lineJoin = "round";
  context.stroke(path);
  context.restore();
}

/** A picked seat: it covers its square, and its ring is seen even where the seat is a few pixels. */
export function drawPicked(context, px, py, scale, inks) {
  const radius = Math.max(7, scale * 0.56);
  context.beginPath();
  context.arc(px, py, radius + 2.5, 0, Math.PI * 2);
  context.fillStyle = inks.block;
  context.fill();
  context.beginPath();
  context.arc(px, py, radius, 0, Math.PI * 2);
  context.fillStyle = inks.accent;
  context.fill();
  stroke(context, TICK, px - radius, py - radius, radius * 2, inks.onAccent, 3);
}

/** Just taken by somebody else. */
export function drawLost(context, px, py, scale, inks) {
  const arm = Math.max(5, scale * 0.3);
  context.strokeStyle = inks.bad;
  context.lineWidth = Math.max(2, scale * 0.13);
  context.lineCap = "round";
  context.beginPath();
  context.moveTo(px - arm, py - arm);
  context.lineTo(px + arm, py + arm);
  context.moveTo(px + arm, py - arm);
  context.lineTo(px - arm, py + arm);
  context.stroke();
}

/** A free seat that what is picked would leave alone: a broken ring, so that it is no seat lost. */
export function drawAlone(context, px, py, scale, inks) {
  const radius = Math.max(9, scale * 0.62);
  context.save();
  for (const [ink, weight] of [[inks.block, 6], [inks.bad, 3]]) {
    context.strokeStyle = ink;
    context.lineWidth = weight;
    context.beginPath();
    context.arc(px, py, radius, 0, Math.PI * 2);
    context.stroke();
    context.setLineDash([radius * 0.6, radius * 0.45]);
  }
  context.restore();
}

/** Where the keyboard is, or the mouse: a ring that covers nothing. */
export function drawRing(context, px, py, scale, inks) {
  const half = Math.max(8, scale * 0.5 + 3);
  for (const [ink, weight] of [[inks.block, 6], [inks.focus, 3]]) {
    context.strokeStyle = ink;
    context.lineWidth = weight;
    context.beginPath();
    context.roundRect(px - half, py - half, half * 2, half * 2, half * 0.5);
    context.stroke();
  }
}

/** The theme's colours, read anew when light turns to dark. */
export function readInks(element) {
  const style = getComputedStyle(element);
  const ink = (name) => style.getPropertyValue(name).trim();
  return {
    tiers: Array.from({ length: 8 }, (_, tier) => ink(`--tier-${tier}`)),
    onTier: ink("--on-tier"), accent: ink("--accent"), onAccent: ink("--on-accent"), taken: ink("--taken"),
    bad: ink("--bad"), floor: ink("--floor"), block: ink("--block"), line: ink("--line"), text: ink("--ink"), faint: ink("--ink-2"),
    label: ink("--label"), stage: ink("--stage"), onStage: ink("--on-stage"), focus: ink("--focus"), font: style.fontFamily,
  };
}
