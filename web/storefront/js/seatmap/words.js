// The words on the map, from the most needed to the least: areas with their price and what is left, tables,
// rows. Labels never cover each other (labels.js), nor the seats that are large enough to be picked.

import { count } from "../format.js";
import { t } from "../i18n.js";
import { isInside } from "./geometry.js";
import { shortened } from "./labels.js";
import { priceOf } from "./telling.js";

const ROWS_FROM = 11; // pixels a seat
const PICKABLE_FROM = 13;
const NARROW = 26; // pixels that a short name may take however small its area is drawn
const SHORT = 22; // and how high it may be
const INSET = 4; // pixels of a label that are empty
const OFF_ROW = 1.05; // units from a row's last seat to its label
const EDGE = 15;

/** Areas in the order in which they are named. */
export function largestFirst(model, areas) {
  return areas.filter((area) => model.isShown(area)).sort((one, two) => two.width * two.height - one.width * one.height);
}

export function labelArea(scene, area) {
  if (scene.near && scene.viewport.scale >= PICKABLE_FROM && area.kind !== "standing") labelBeside(scene, area);
  else labelWithin(scene, area);
}

function linesOf({ inks, filters }, area, size) {
  const wanted = filters.takesArea(area);
  const gone = area.free <= 0;
  const name = { words: area.name, size, weight: 700, ink: wanted && !gone ? inks.text : inks.faint };
  const price = { words: gone ? t("area.none") : priceOf(area), size: size - 1, weight: 600, ink: name.ink };
  const left = { words: t("area.available", { available: count(area.free) }), size: size - 2, weight: 500, ink: wanted && !gone ? inks.text : inks.faint };
  return { name, price, left, gone };
}

/** In the middle of the area: name, price, what is left; or as much of it as there is room for. */
function labelWithin(scene, area) {
  const { labels, viewport, near } = scene;
  const [width, height] = [area.room.width * viewport.scale, area.room.height * viewport.scale];
  const size = width > 150 && height > 70 ? 14 : width > 70 ? 12 : 11;
  const { name, price, left, gone } = linesOf(scene, area, size);
  const { x, y } = viewport.toScreen(...area.label_at);
  const named = [area.name, ...shortened(area.name)];
  const under = (...more) => named.map((words) => [{ ...name, words }, ...more]);
  const choices = gone ? under(price) : [...under(price, left), ...under(price), ...under(left)];
  const short = named.flatMap((words) => [12, 10, 9].map((small) => [{ ...name, words, size: Math.min(size, small) }]));
  const inside = (box) => cornersOf(box).every(([px, py]) => isInside(area.outline, ...Object.values(viewport.toPlan(px, py))));
  const small = (box) => inside(box) || (box.width <= Math.max(NARROW, width + 2) && box.height <= Math.max(SHORT, height));
  if (!labels.place(choices, x, y, { fits: inside, pill: near })) labels.place(short, x, y, { fits: small, pill: near, padding: near ? 5 : 1 });
}

function cornersOf({ left, top, width, height }) {
  const [from, to] = [INSET, [width - INSET, height - INSET]];
  return [[from, from], [to[0], from], [from, to[1]], to].map(([dx, dy]) => [left + dx, top + dy]);
}

/** Where seats are large, only where there are none: above, below or beside them. */
function labelBeside(scene, area) {
  const { labels, viewport, model } = scene;
  const { name, price, left, gone } = linesOf(scene, area, 13);
  const line = { ...name, words: [name.words, price.words, !gone && left.words].filter(Boolean).join(" · ") };
  const { left: x, top: y, width, height } = viewport.boxOnScreen(area);
  const middle = Math.min(Math.max(x + width / 2, 90), viewport.width - 90);
  const covers = (box) => {
    const [from, to] = [viewport.toPlan(box.left, box.top), viewport.toPlan(box.left + box.width, box.top + box.height)];
    return model.grid.within(from.x - 0.5, from.y - 0.5, to.x + 0.5, to.y + 0.5, () => true);
  };
  const inSight = (box) => box.top >= 0 && box.top + box.height <= viewport.height && box.left >= 0 && box.left + box.width <= viewport.width;
  const fits = (box) => inSight(box) && !covers(box);
  const places = [[middle, y - 14], [middle, y + height + 14], Object.values(viewport.toScreen(...area.label_at))];
  for (const [px, py] of places) if (labels.place([[line], [name]], px, py, { fits, pill: true })) return;
}

export function labelTables({ labels, model, viewport, tables, inks }) {
  for (const { area, label, table } of tables) {
    const room = Math.min(table.width, table.height) * viewport.scale;
    if (!model.isShown(area) || room < 16 || !viewport.sees({ x: table.x, y: table.y, width: 0, height: 0 })) continue;
    const { x, y } = viewport.toScreen(table.x, table.y);
    const size = Math.min(15, Math.max(9, room * 0.32));
    labels.place([[{ words: label, size, weight: 700, ink: inks.faint }]], x, y, { fits: (box) => box.width <= room + 10 });
  }
}

/** At both ends of each row in sight; where neither is, at the edge of the map. */
export function labelRows({ labels, model, viewport, inks }) {
  if (viewport.scale < ROWS_FROM) return;
  const rows = new Map(); // to the seat of it in sight that is furthest to the left
  const { left, top, right, bottom } = viewport.seen();
  model.grid.within(left, top, right, bottom, (index) => {
    const { row, area } = model.hall.runs[model.hall.runOf[index]];
    if (row.table || !model.isShown(area)) return;
    if (!rows.has(row) || model.hall.x[index] < model.hall.x[rows.get(row)]) rows.set(row, index);
  });
  const size = viewport.scale > 24 ? 13 : 11;
  for (const [row, nearest] of rows) {
    const choice = [[{ words: row.label, size, weight: 700, ink: inks.faint }]];
    const shown = endsOf(model.hall, row).filter(({ x, y }) => viewport.shows(x, y));
    for (const { x, y } of shown) labels.place(choice, ...Object.values(viewport.toScreen(x, y)));
    if (shown.length === 0) labels.place(choice, EDGE, viewport.toScreen(0, model.hall.y[nearest]).y, { pill: true });
  }
}

function endsOf({ x, y, angle }, { runs }) {
  const [first, end] = [runs[0].first, runs.at(-1).first + runs.at(-1).count - 1];
  return [[first, -OFF_ROW], [end, OFF_ROW]].map(([index, off]) => ({ x: x[index] + Math.cos(angle[index]) * off, y: y[index] + Math.sin(angle[index]) * off }));
}
