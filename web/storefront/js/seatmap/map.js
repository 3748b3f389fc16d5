// The map as a part of a page: canvas, buttons, where one is, the whole in a corner, legend, card.

import { h, icon, put } from "../dom.js";
import { count } from "../format.js";
import { t } from "../i18n.js";
import { boxOf } from "./geometry.js";
import { Card } from "./card.js";
import { Filters } from "./filters.js";
import { listen, zoom } from "./gestures.js";
import { listenToKeys } from "./keys.js";
import { legend } from "./legend.js";
import { Minimap } from "./minimap.js";
import { Renderer } from "./renderer.js";
import { lookOf, priceOf } from "./telling.js";
import { Viewport } from "./viewport.js";

// Pixels a seat from which a tap picks a seat and not an area, and at which an area is shown at least.
const FINE = { tap: 10, shown: 17 };
const COARSE = { tap: 18, shown: 23 }; // by finger
const HOVER_FROM = 7;
const CRUMB_FROM = 1.25; // times the scale at which everything is seen
const STEP_ZOOM = 1.6;
const AROUND = 2; // units about the hall
const CORNER = { wide: [168, 126], narrow: [96, 84] };
const NARROW_PX = 520;

export class SeatMap {
  /** `selected` is a Map by seat id; `pick(seat)` and `enter(area)` are told about taps. */
  constructor(model, selected, { pick, enter }, signal) {
    Object.assign(this, { model, selected, pick, enter, focus: {} });
    this.filters = new Filters(model);
    this.viewport = new Viewport(worldOf(model.plan), () => this.schedule());
    this.canvas = h("canvas", {
      class: "map-canvas", tabindex: "0", role: "application", "aria-label": t("map.label"), "aria-roledescription": t("map.map"), "aria-describedby": "map-keys",
    });
    this.renderer = new Renderer(this.canvas, model, this.viewport, this.filters, selected);
    this.card = new Card(model, selected, this.viewport);
    this.minimap = new Minimap(model, this.viewport, selected);
    this.crumb = h("button", { class: "map-crumb", type: "button", hidden: true, onclick: () => this.showAll() });
    this.legend = legend(model);
    this.box = h("div", { class: "map-box" }, this.canvas,
      h("p", { id: "map-keys", class: "visually-hidden" }, t("map.keys")),
      this.minimap.node, this.crumb, this.buttons(), this.card.node);
    this.node = h("div", { class: "map" }, this.box, this.legend.node);
    listen(this.canvas, this.viewport, {
      tap: (x, y, coarse) => this.tap(x, y, coarse), hover: (x, y) => this.hover(x, y), rest: (x, y) => this.rest(x, y),
    });
    listenToKeys(this.canvas, this);
    this.watch(signal);
  }

  buttons() {
    const button = (symbol, act) => h("button", { class: "map-button", type: "button", "aria-label": t(`map.${NAMES[symbol]}`), title: t(`map.${NAMES[symbol]}`), onclick: act }, icon(symbol));
    return h("div", { class: "map-buttons" },
      button("plus", () => zoom(this.viewport, STEP_ZOOM)),
      button("minus", () => zoom(this.viewport, 1 / STEP_ZOOM)),
      button("fit", () => this.showAll()));
  }

  watch(signal) {
    const sizes = new ResizeObserver(() => this.resize());
    sizes.observe(this.box);
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)", "(prefers-contrast: more)"]) {
      matchMedia(query).addEventListener("change", () => this.restyle(), { signal });
    }
    signal.addEventListener("abort", () => { sizes.disconnect(); cancelAnimationFrame(this.frame); });
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (width < 2 || height < 2) return;
    this.renderer.resize(width, height);
    this.viewport.resize(width, height);
    this.restyle();
  }

  /** Colours are known only once the canvas is in the page. */
  restyle() {
    if (!this.canvas.isConnected) return;
    this.renderer.restyle();
    this.minimap.restyle(this.renderer.inks, this.renderer.scene.paths, this.viewport.width < NARROW_PX ? CORNER.narrow : CORNER.wide);
    this.schedule();
  }

  /** The filters have changed, or the level. */
  refilter() {
    this.renderer.repaintAll();
    this.restyle();
  }

  /** These seats have changed, null for all. */
  refresh(seats) {
    if (seats) this.renderer.repaint(seats);
    else this.renderer.repaintAll();
    this.legend.refresh();
    this.schedule();
  }

  schedule() {
    this.changed = true;
    this.canvas.dataset.done = "false";
    this.request();
  }

  request() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    if (!this.renderer.inks) return;
    const { changed } = this;
    this.changed = false;
    this.renderer.focus = this.canvas.matches(":focus-visible") ? this.focus : {};
    if (this.picked !== this.selected.size) this.renderer.rewrite();
    this.picked = this.selected.size;
    const more = this.renderer.draw(changed);
    if (changed) {
      this.minimap.draw();
      this.drawCrumb();
    }
    const { scale, x, y } = this.viewport;
    const at = this.focus.seat?.seat_id ?? this.focus.area?.area_id ?? "";
    if (changed || !more) Object.assign(this.canvas.dataset, { scale, x, y, at, whole: this.viewport.isWhole(), done: !more }); // for tests
    if (more) this.request();
  }

  /** Near, where one is, and the way back to the whole. */
  drawCrumb() {
    const { viewport, model } = this;
    const { x, y } = viewport.toPlan(viewport.width / 2, (viewport.height - viewport.foot) / 2);
    const area = viewport.scale > viewport.fitScale() * CRUMB_FROM ? (model.areaAt(x, y) ?? this.within) : null;
    const left = area && (area.free > 0 ? t("area.available", { available: count(area.free) }) : t("area.none"));
    const words = area ? [area.name, priceOf(area), left].join(" · ") : "";
    this.within = area;
    if (words === this.crumbed) return;
    this.crumbed = words;
    this.crumb.hidden = !area;
    if (area) put(this.crumb, icon("left"), h("span", { class: `tier-mark tier-${area.tier % 8}`, "aria-hidden": "true" }), h("span", {}, words), h("span", { class: "visually-hidden" }, `, ${t("map.fit")}`));
  }

  showAll() {
    this.viewport.glide(this.viewport.showing(this.viewport.world));
  }

  /** Where the keyboard is, brought into sight. */
  focusOn(focus) {
    this.focus = focus;
    const { viewport } = this;
    const { seat, area } = focus;
    if (seat && (viewport.scale < FINE.tap || !viewport.shows(seat.x, seat.y, 50))) this.reveal(seat);
    else if (area && !viewport.isWhole() && !viewport.shows(...area.label_at, 50)) this.showAll();
    this.schedule();
  }

  tap(px, py, coarse) {
    this.card.hide();
    const { x, y } = this.viewport.toPlan(px, py);
    const limits = coarse ? COARSE : FINE;
    const marker = this.renderer.markers?.find(({ left, top, width, height }) => px >= left && px <= left + width && py >= top && py <= top + height);
    if (marker) return this.reveal(marker.seat);
    const seat = this.viewport.scale >= limits.tap ? this.model.seatAt(x, y) : null;
    if (seat && this.model.state(seat) !== "b") return this.pick(seat);
    const area = this.model.areaAt(x, y);
    if (!area) return null;
    this.enter(area);
    if (area.kind !== "standing" && this.viewport.scale < limits.tap) this.nearTo(area, x, y, limits.shown);
    return null;
  }

  /** Shows the area whole where seats are then large enough, else the part round (x, y). */
  nearTo(area, x, y, least) {
    const { viewport } = this;
    const { x: left, y: top, width, height } = area;
    const whole = viewport.showing({ x: left - AROUND, y: top - AROUND, width: width + 2 * AROUND, height: height + 2 * AROUND });
    if (whole.scale >= least) return viewport.glide(whole);
    const [across, down] = [Math.min(width, viewport.width / least), Math.min(height, viewport.height / least)];
    const within = (at, start, length, span) => Math.min(Math.max(at - span / 2, start - AROUND), Math.max(start - AROUND, start + length - span + AROUND));
    const part = { x: within(x, left, width, across), y: within(y, top, height, down), width: across, height: down };
    return viewport.glide(viewport.showing(part, least));
  }

  /** Brings a seat into sight. */
  reveal(seat) {
    if (seat.area.kind === "standing") return this.viewport.glide(this.viewport.showing(seat.area));
    return this.viewport.glide(this.viewport.showing({ x: seat.x - 6, y: seat.y - 4, width: 13, height: 9 }, FINE.shown));
  }

  hover(px, py) {
    const point = px === null ? null : this.viewport.toPlan(px, py);
    const seat = point && this.viewport.scale >= HOVER_FROM ? this.seatToTell(point) : null;
    const area = point && !seat ? this.model.areaAt(point.x, point.y) : null;
    if (this.renderer.hovered !== seat) this.schedule();
    this.renderer.hovered = seat;
    this.canvas.classList.toggle("over-seat", Boolean(area || (seat && ["free", "selected"].includes(lookOf(this.model, this.selected, seat)))));
    if (seat) this.card.showSeat(seat, px, py);
    else if (area && (area.kind === "standing" || this.viewport.scale < HOVER_FROM)) this.card.showArea(area, px, py);
    else this.card.hide();
  }

  /** A finger that rests: the card stays until the next touch, and nothing is picked. */
  rest(px, py) {
    this.hover(px, py);
    this.renderer.hovered = null;
  }

  seatToTell({ x, y }) {
    const seat = this.model.seatAt(x, y);
    return seat && this.model.state(seat) !== "b" ? seat : null;
  }
}

const NAMES = { plus: "in", minus: "out", fit: "fit" };

/** Everything that there is: the bounds, the stage, and a little room about them. */
function worldOf({ bounds: [x, y, width, height], stage }) {
  const corners = [[x, y], [x + width, y + height], ...(stage?.outline ?? [])];
  const box = boxOf(corners);
  return { x: box.x - AROUND, y: box.y - AROUND, width: box.width + 2 * AROUND, height: box.height + 2 * AROUND };
}
