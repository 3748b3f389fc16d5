// From a choice to an order: best available or the seats picked, the total, the button, the refusals.

import * as api from "../api.js";
import { announce, h, icon, put } from "../dom.js";
import { money } from "../format.js";
import { t } from "../i18n.js";
import * as login from "../login.js";
import { isDefinite, seatsOf, sentence } from "../problems.js";
import { go, here } from "../router.js";
import { nameOf } from "../seatmap/telling.js";
import { basket } from "./basket.js";
import { SCOPES, bestForm, cheapestArea, chosen } from "./best.js";
import { Categories } from "./categories.js";
import { dropDraft, keepDraft, readDraft } from "./draft.js";
import { keepHint } from "./ordernotes.js";
import { promoField } from "./promo.js";
import { countdown, saleStatus, watchSale } from "./sale.js";
import { notice } from "./states.js";

const SEATS_AN_ORDER_MAX = 20; // the API's

export class Ordering {
  constructor(session, model, selected, signal) {
    Object.assign(this, { session, model, selected, signal, busy: false, onChange: () => {}, reveal: () => {} });
    this.cap = Math.min(SEATS_AN_ORDER_MAX, session.max_tickets_per_user);
    this.draft = readDraft(session.session_id);
    this.mode = this.draft.mode ?? "best";
    this.choice = this.readChoice();
    for (const seat_id of this.draft.seats ?? []) this.restore(seat_id);
    this.categories = new Categories(session, this.draft, () => { this.keep(); this.refresh(); });
    this.best = bestForm(session, this.choice, this.cap, () => this.refresh(), signal);
    this.best.node.append(this.categories.node);
    this.basket = basket(selected, this.cap, { categories: this.categories, remove: (seat) => this.toggle(seat), clear: () => this.clear(), reveal: (seat) => this.reveal(seat) });
    this.promo_code = this.draft.promo_code ?? "";
    this.promo = promoField(this.promo_code, (code) => { this.promo_code = code; });
    this.message = notice();
    this.content = h("div", { class: "panel-content" });
    this.tabs = h("div", { class: "segmented", role: "group", "aria-label": t("choose.mode") });
    this.foot = h("div", { class: "panel-foot" });
    this.total = h("span", { class: "total" });
    this.button = h("button", { class: "button large", type: "button", onclick: () => this.submit() });
    this.node = h("aside", { class: "panel" }, this.tabs, this.content, h("div", { class: "panel-end" }, this.promo.node, this.message.box, this.foot));
    watchSale(signal, () => this.status(), (status) => this.drawFoot(status));
  }

  readChoice() {
    const { scope = "area", key, quantity = 2, accessible = 0, two_rows = false } = this.draft;
    const wished = Math.min(quantity, this.cap);
    const kept = { scope: SCOPES.includes(scope) ? scope : "area", key, quantity: wished, accessible: Number(accessible), two_rows };
    return chosen(this.areas(), kept) ? kept : { ...kept, scope: "area", key: cheapestArea(this.areas(), wished) };
  }

  /** The session's areas with what is left of them now. */
  areas() {
    const free = new Map(this.model.areas.map((area) => [area.area_id, area.free]));
    return this.session.seat_areas.map((area) => ({ ...area, available: free.get(area.area_id) ?? area.available }));
  }

  /** By the clock and by the seats as they are: one that comes back is on sale again. */
  status() {
    const { status } = this.session;
    const lasting = ["draft", "cancelled"].includes(status) ? status : "on_sale";
    return saleStatus({ ...this.session, status: lasting, seat_areas: this.areas() });
  }

  /** The area or the price that best available is to choose from. */
  offer() {
    return chosen(this.areas(), this.choice);
  }

  /** Never more than are left there. */
  quantity() {
    return Math.min(this.choice.quantity, Math.max(1, this.offer()?.available ?? 1));
  }

  restore(seat_id) {
    const seat = this.model.byId(seat_id);
    if (!seat) return;
    if (this.model.isFree(seat)) this.selected.set(seat_id, seat);
    else this.model.lost.add(seat_id);
  }

  /** Before the opening the foot counts down, then it is the button. */
  drawFoot(status) {
    const opens = status === "scheduled" && countdown(this.session.sale_opens_at, this.signal);
    const waits = status === "paused" && h("p", { class: "hint", role: "status" }, t("choose.paused"));
    put(this.foot, opens, waits, h("div", { class: "foot-row" }, this.total, this.button));
    this.open = status === "on_sale";
    this.closedWords = status === "scheduled" ? t("choose.not-open") : t(`sale.${status}`);
    this.refresh();
  }

  setMode(mode) {
    this.mode = mode;
    this.message.say("");
    this.keep();
    this.refresh();
  }

  refresh() {
    const tab = (mode, words) => h("button", { type: "button", "aria-pressed": String(this.mode === mode), dataset: { mode }, onclick: () => this.setMode(mode) }, words);
    const picked = this.selected.size ? ` (${this.selected.size})` : "";
    const focused = this.tabs.contains(document.activeElement);
    put(this.tabs, tab("best", t("choose.best")), tab("own", t("choose.own") + picked));
    if (focused) this.tabs.querySelector('[aria-pressed="true"]').focus();
    const shown = this.mode === "best" ? this.best.node : this.basket.node;
    if (this.content.firstChild !== shown) put(this.content, shown);
    if (this.mode === "best") {
      this.best.refresh(this.areas());
      this.categories.refresh(this.choice.key, this.quantity());
    } else this.basket.refresh();
    this.drawButton();
  }

  drawButton() {
    const own = this.mode === "own";
    const offer = this.offer();
    const { currency = offer?.currency } = this.session;
    const { total, fees } = own ? this.categories.costOf([...this.selected.values()]) : this.categories.costOfBest(offer, this.quantity());
    const plain = !own && offer && !fees && !this.session.price_categories;
    const each = plain ? t("choose.each", { price: money(offer.price, currency), quantity: this.quantity() }) : t("choose.total");
    const most = !own && this.choice.scope === "price_max" && this.areas().some(({ price }) => price < offer?.price);
    const small = fees ? t("choose.with-fees", { fees: money(fees, currency) }) : each;
    const whole = most ? t("choose.at-most", { price: money(total, currency) }) : money(total, currency);
    this.sayTotal(small, whole);
    const none = own ? this.selected.size === 0 : !(offer?.available > 0);
    const key = `choose.${own ? "own" : "best"}.order${login.current() ? "" : "-login"}`;
    const shut = this.open ? !own && none && t("area.none") : this.closedWords;
    const words = this.busy ? t("choose.ordering") : shut || t(key);
    put(this.button, !own && !shut && !this.busy && login.current() && icon("spark"), words);
    this.button.disabled = this.busy || !this.open || none;
  }

  /** Said anew only when it has changed: what is read stands still while seats come and go. */
  sayTotal(small, whole) {
    const said = `${small} ${whole}`;
    if (said !== this.said) put(this.total, h("small", {}, small), h("b", {}, whole));
    this.said = said;
  }

  /** Picks a seat or gives it back; a table that is sold whole, with all its places. */
  toggle(seat) {
    const name = nameOf(seat);
    const unit = this.model.unitOf(seat);
    this.mode = "own";
    this.model.alone.clear();
    if (this.selected.has(seat.seat_id)) {
      for (const { seat_id } of unit) this.selected.delete(seat_id);
      announce(t("choose.removed", { seat: name }));
    } else if (!unit.every((one) => this.model.isFree(one))) return this.warn(t("choose.unavailable", { seat: name }));
    else if (this.selected.size + unit.length > this.cap) return this.warn(t("choose.full", { count: this.cap }));
    else {
      for (const one of unit) {
        this.model.lost.delete(one.seat_id);
        this.selected.set(one.seat_id, one);
      }
      announce(t("choose.added", { seat: name, price: money((seat.area.total_price ?? seat.area.price) * unit.length, seat.area.currency) }));
    }
    this.message.say("");
    this.unsure = false;
    this.keep();
    this.onChange(unit);
    return this.refresh();
  }

  warn(words) {
    this.message.say(words);
    this.refresh();
  }

  clear() {
    const seats = [...this.selected.values()];
    this.selected.clear();
    this.model.alone.clear();
    this.message.say("");
    this.keep();
    this.onChange(seats);
    this.refresh();
    this.tabs.querySelector('[aria-pressed="true"]').focus();
  }

  /** An area tapped on the map is also the one that best available would take. */
  enter(area) {
    Object.assign(this.choice, { scope: "area", key: area.area_id });
    if (area.kind === "standing") {
      this.mode = "best";
      this.message.say(t("choose.standing", { area: area.name }));
    }
    this.refresh();
  }

  /** Picked seats that somebody else has taken meanwhile: unpicked, marked, said. */
  lose(seats) {
    if (this.busy || this.unsure) return; // our own order may have taken them; its answer decides
    const gone = (seats ?? [...this.selected.values()]).filter((seat) => this.selected.has(seat.seat_id) && !this.model.isFree(seat));
    if (gone.length) this.markLost(gone);
  }

  markLost(seats) {
    for (const seat of seats) {
      this.selected.delete(seat.seat_id);
      this.model.lost.add(seat.seat_id);
    }
    const names = seats.map(nameOf).join(t("seat.join"));
    this.message.say(t("choose.lost", { seats: names }));
    this.keep();
    this.onChange(seats);
    this.refresh();
  }

  /** Seats that the choice would leave alone: marked, named, and what to do about them. */
  markAlone(seats) {
    for (const { seat_id } of seats) this.model.alone.add(seat_id);
    this.message.say(t("problem.single-seat-left.seats", { seats: seats.map(nameOf).join(t("seat.join")) }));
    this.reveal(seats[0]);
    this.onChange(seats);
  }

  keep(submit = false) {
    const seats = [...this.selected.keys()];
    keepDraft(this.session.session_id, { mode: this.mode, ...this.choice, seats, promo_code: this.promo_code, submit, ...this.categories.kept() });
  }

  body() {
    const { session_id } = this.session;
    const about = this.promo_code ? { session_id, promo_code: this.promo_code } : { session_id };
    if (this.mode === "own") {
      const seats = [...this.selected.values()].sort((one, two) => one.seat_id - two.seat_id);
      return { ...about, seats: seats.map((seat) => seat.seat_id), ...this.categories.bodyOf(seats) };
    }
    const { scope, key, accessible, two_rows } = this.choice;
    const where = scope === "area" ? { seat_area_id: key, ...this.categories.bodyOfBest(key, this.quantity()) } : { [scope]: Number(key) };
    return { ...about, ...where, quantity: this.quantity(), ...(accessible && { accessible }), ...(two_rows && { two_rows }) };
  }

  /** After logging in from here, goes on with what the button said. */
  resume() {
    if (!this.draft.submit || !login.current()) return;
    this.keep();
    if (this.model.lost.size) this.message.say(t("problem.seats-taken")); // never fewer than was meant
    else if (!this.button.disabled) this.submit();
  }

  async submit() {
    if (this.busy) return;
    const there = here();
    const toLogin = () => { this.keep(true); go(`/login?next=${encodeURIComponent(there)}&for=order`); };
    if (!login.current()) return toLogin();
    this.busy = true;
    this.unsure = false;
    this.message.say("");
    this.drawButton();
    try {
      const order = await api.placeOrder(this.body());
      keepHint(order);
      dropDraft(this.session.session_id);
      if (here() === there) go(`/orders/${order.order_id}`);
    } catch (error) {
      this.busy = false;
      if (error.status === 401) toLogin();
      else this.refused(error);
    }
  }

  refused(error) {
    this.unsure = !isDefinite(error);
    const paused = error.code === "sale-paused"; // the foot says it, until it is over
    if (paused) this.session.paused = true;
    this.message.say(paused ? "" : sentence(error));
    const named = seatsOf(error).map((seat_id) => this.model.byId(seat_id)).filter(Boolean);
    if (error.code === "single-seat-left" && named.length) this.markAlone(named);
    if (error.code === "seats-taken") {
      const gone = named.length ? named : [...this.selected.values()].filter((seat) => !this.model.isFree(seat));
      if (gone.length) this.markLost(gone);
    }
    this.lose(null);
    this.refresh();
    if (error.code?.startsWith("promo-code-")) this.promo.point();
    else this.button.focus();
  }
}
