// The map as a part of a page: canvas, buttons, legend, tip.

import { h, icon, put } from "../dom.js";
import { money, seatName } from "../format.js";
import { t } from "../i18n.js";
import { listen, zoom } from "./gestures.js";
import { NEAR, Renderer } from "./renderer.js";
import { Viewport } from "./viewport.js";

const TAP_SCALE = 13; // pixels a seat, from which a tap picks a seat and not an area
const AREA_SCALE = 17; // an area is shown at least this near, so that seats can be tapped
const LOOKS = { ".": "free", h: "held", s: "sold", b: "blocked" };
const STEP_ZOOM = 1.6;

export class SeatMap {
  /** `selected` is a Map by seat id; `pick(seat)` and `enter(area)` are told about taps. */
  constructor(model, selected, { pick, enter }, signal) {
    Object.assign(this, { model, selected, pick, enter });
    this.canvas = h("canvas", { class: "map-canvas", tabindex: "0", role: "img", "aria-label": t("map.label") });
    this.tip = h("div", { class: "map-tip", hidden: true, "aria-hidden": "true" });
    this.box = h("div", { class: "map-box" }, this.canvas, this.tip, this.buttons());
    this.lostMark = legendMark("lost");
    this.node = h("div", { class: "map" }, this.box, legend(model, this.lostMark));
    const stage = 8;
    const world = { x: -1, y: -stage, width: model.width + 2, height: model.height + stage + 1 };
    this.viewport = new Viewport(world, () => this.schedule());
    this.renderer = new Renderer(this.canvas, model, this.viewport, (seat) => this.lookOf(seat));
    listen(this.canvas, this.viewport, { tap: (x, y) => this.tap(x, y), hover: (x, y) => this.hover(x, y) });
    this.watch(signal);
  }

  buttons() {
    const button = (symbol, act) => h("button", { class: "map-button", type: "button", "aria-label": t(`map.${NAMES[symbol]}`), title: t(`map.${NAMES[symbol]}`), onclick: act }, icon(symbol));
    return h("div", { class: "map-buttons" },
      button("plus", () => zoom(this.viewport, STEP_ZOOM)),
      button("minus", () => zoom(this.viewport, 1 / STEP_ZOOM)),
      button("fit", () => this.viewport.glide(this.viewport.showing(this.viewport.world))));
  }

  watch(signal) {
    const sizes = new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width < 2 || contentRect.height < 2) return;
      this.renderer.resize(contentRect.width, contentRect.height);
      this.viewport.resize(contentRect.width, contentRect.height);
      if (!this.styled) this.restyle();
      this.styled = true;
    });
    sizes.observe(this.box);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.restyle(), { signal });
    signal.addEventListener("abort", () => { sizes.disconnect(); cancelAnimationFrame(this.frame); });
  }

  /** Colours are known only once the canvas is in the page. */
  restyle() {
    this.renderer.restyle();
    this.schedule();
  }

  lookOf(seat) {
    if (this.selected.has(seat.seat_id)) return "selected";
    if (this.model.lost.has(seat.seat_id)) return "lost";
    return LOOKS[this.model.state(seat)] ?? "blocked";
  }

  refresh(seats) {
    if (seats) this.renderer.repaint(seats);
    else this.renderer.repaintPicture();
    this.lostMark.hidden = this.model.lost.size === 0;
    this.schedule();
  }

  schedule() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      this.renderer.draw();
      const { scale, x, y } = this.viewport;
      Object.assign(this.canvas.dataset, { scale, x, y }); // where seats are on the screen, for tests
    });
  }

  tap(px, py) {
    const { x, y } = this.viewport.toPlan(px, py);
    const area = this.model.areaAt(x, y);
    const seat = this.viewport.scale >= TAP_SCALE ? this.model.seatAt(x, y) : null;
    if (seat) return this.pick(seat);
    if (!area) return null;
    this.enter(area);
    if (area.kind !== "standing" && this.viewport.scale < TAP_SCALE) this.nearTo(area, x, y);
    return null;
  }

  /** Shows the area whole where seats are then large enough, else the part round (x, y). */
  nearTo(area, x, y) {
    const { x: left, y: top, width, height } = area;
    const framed = { x: left - 2, y: top - 3, width: width + 3, height: height + 4 }; // with its labels
    const whole = this.viewport.showing(framed);
    if (whole.scale >= AREA_SCALE) return this.viewport.glide(whole);
    const reach = { width: Math.min(area.width, this.viewport.width / AREA_SCALE), height: Math.min(area.height, this.viewport.height / AREA_SCALE) };
    const within = (at, start, length, span, room) => Math.min(Math.max(at - span / 2, start - room), Math.max(start - room, start + length - span + 1));
    const part = { ...reach, x: within(x, area.x, area.width, reach.width, 1), y: within(y, area.y, area.height, reach.height, 3) };
    return this.viewport.glide(this.viewport.showing(part, AREA_SCALE));
  }

  /** Brings a seat into sight. */
  reveal(seat) {
    this.viewport.glide(this.viewport.showing({ x: seat.x - 6, y: seat.y - 4, width: 13, height: 9 }, AREA_SCALE));
  }

  hover(px, py) {
    const near = px !== null && this.viewport.scale >= NEAR;
    const point = near ? this.viewport.toPlan(px, py) : null;
    const seat = point && this.model.seatAt(point.x, point.y);
    this.canvas.classList.toggle("over-seat", Boolean(seat && (this.model.isFree(seat) || this.selected.has(seat.seat_id))));
    this.tip.hidden = !seat;
    if (!seat) return;
    const look = this.lookOf(seat);
    const said = look === "free" ? money(seat.area.price, seat.area.currency) : look === "blocked" ? t("map.sold") : t(`map.${look}`);
    put(this.tip, h("b", {}, seatName({ ...seat, area: seat.area.name })), h("span", {}, seat.accessible ? `${said} · ${t("map.accessible")}` : said));
    const left = Math.min(Math.max(px, 90), this.viewport.width - 90);
    this.tip.style.transform = `translate(${left}px, ${Math.max(py - 18, 60)}px) translate(-50%, -100%)`;
  }
}

const NAMES = { plus: "in", minus: "out", fit: "fit" };

/** Only what this map can show, so that it fits without scrolling. */
function legend(model, lostMark) {
  lostMark.hidden = model.lost.size === 0;
  const accessible = model.seats.some((seat) => seat.accessible);
  return h("ul", { class: "legend" }, ["free", "selected", "held", "sold"].map(legendMark), accessible && legendMark("accessible"), lostMark);
}

function legendMark(look) {
  return h("li", {},
    h("span", { class: `legend-mark ${look}`, "aria-hidden": "true" }, look === "selected" && icon("check"), look === "accessible" && icon("access"), look === "lost" && icon("close")),
    t(`map.${look}`));
}
