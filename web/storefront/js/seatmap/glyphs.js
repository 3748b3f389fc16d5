// How one seat looks. State is told by shape as well as by colour:
// free a filled square, selected a disc with a tick, held a ring, sold a dot, lost a cross.

const WHEELCHAIR = new Path2D("M11 8.500v6h5l2.500 5M11 11h4.500M9 11.800a5 5 0 1 0 6.300 6.500M11 3.300a1.500 1.500 0 1 0 .1 0");
const TICK = new Path2D("M6 12.500l4 4L18 8");
const NUMBER_FROM = 19; // pixels a seat: below it a number cannot be read

/** Draws a seat into the square (x, y, size). `look`: free, selected, held, sold, blocked or lost. */
export function drawSeat(context, look, { x, y, size, number, tier, accessible }, inks) {
  const middle = [x + size / 2, y + size / 2];
  switch (look) {
    case "free": return drawFree(context, { x, y, size, number, accessible }, inks.tiers[tier % inks.tiers.length], inks.onTier);
    case "selected":
      disc(context, middle, size * 0.47, inks.accent);
      return stroke(context, TICK, x, y, size, inks.onAccent, 3);
    case "held":
      context.beginPath();
      context.arc(...middle, size * 0.3, 0, Math.PI * 2);
      context.strokeStyle = inks.taken;
      context.lineWidth = Math.max(1, size * 0.09);
      return context.stroke();
    case "lost": return drawLost(context, { x, y, size }, inks);
    case "sold": return disc(context, middle, Math.max(0.8, size * 0.16), inks.taken);
    default: return null; // blocked: not for sale, so nothing to see
  }
}

function drawFree(context, { x, y, size, number, accessible }, ink, onInk) {
  const gap = size * 0.09;
  context.fillStyle = ink;
  context.beginPath();
  context.roundRect(x + gap, y + gap, size - 2 * gap, size - 2 * gap, size * 0.2);
  context.fill();
  if (accessible && size >= 9) return stroke(context, WHEELCHAIR, x + size * 0.12, y + size * 0.1, size * 0.78, onInk, 2);
  if (size < NUMBER_FROM) return null;
  context.fillStyle = onInk;
  context.font = `600 ${Math.round(size * 0.4)}px ${inksFont}`;
  return context.fillText(String(number), x + size / 2, y + size / 2 + size * 0.03);
}

function drawLost(context, { x, y, size }, inks) {
  const inset = size * 0.26;
  context.strokeStyle = inks.bad;
  context.lineWidth = Math.max(1.5, size * 0.13);
  context.lineCap = "round";
  context.beginPath();
  context.moveTo(x + inset, y + inset);
  context.lineTo(x + size - inset, y + size - inset);
  context.moveTo(x + size - inset, y + inset);
  context.lineTo(x + inset, y + size - inset);
  context.stroke();
}

function disc(context, [x, y], radius, ink) {
  context.fillStyle = ink;
  context.beginPath();
  context.arc(x, y, radius, 0, Math.PI * 2);
  context.fill();
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

const inksFont = "system-ui, sans-serif";

/** The theme's colours, read anew when light turns to dark. */
export function readInks(element) {
  const style = getComputedStyle(element);
  const ink = (name) => style.getPropertyValue(name).trim();
  return {
    tiers: Array.from({ length: 6 }, (_, tier) => ink(`--tier-${tier}`)),
    onTier: ink("--on-tier"), accent: ink("--accent"), onAccent: ink("--on-accent"), taken: ink("--taken"),
    bad: ink("--bad"), floor: ink("--floor"), block: ink("--block"), line: ink("--line"), text: ink("--ink"), faint: ink("--ink-2"),
    label: ink("--label"), font: style.fontFamily,
  };
}
