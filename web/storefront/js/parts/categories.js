// Whom tickets are for: how many of each price category, or which one a picked seat is of. A session without
// categories shows none of this, and its orders say nothing of it.

import { announce, h, icon, put } from "../dom.js";
import { money, seatName } from "../format.js";
import { t } from "../i18n.js";
import { quoteOf } from "./prices.js";

export class Categories {
  /** `draft`: what was chosen before a reload; `changed()` is called after each change. */
  constructor(session, draft, changed) {
    this.session = session;
    this.changed = changed;
    this.kinds = new Map((session.price_categories ?? []).map((kind) => [kind.key, kind]));
    this.areas = new Map(session.seat_areas.map((area) => [area.area_id, area]));
    this.wished = new Map(Object.entries(draft.categories ?? {}).filter(([key]) => this.kinds.has(key)));
    this.picked = new Map((draft.picked ?? []).filter(([, key]) => this.kinds.has(key)));
    this.node = h("fieldset", { class: "categories", hidden: true });
  }

  kept() {
    return { categories: Object.fromEntries(this.wished), picked: [...this.picked] };
  }

  offered(area_id) {
    return this.areas.get(area_id)?.categories ?? [];
  }

  /** How many of each category the best seats of this area are: who is not named is of the first one. */
  counts(area_id, quantity) {
    const [first, ...others] = this.offered(area_id);
    let left = quantity;
    const counted = others.map(({ category }) => {
      const count = Math.min(this.wished.get(category) ?? 0, left, this.kinds.get(category).max_per_order ?? left);
      left -= count;
      return [category, count];
    });
    return first ? [[first.category, left], ...counted] : [];
  }

  /** Redraws the choice for the best seats of an area; none where it sells one category only. */
  refresh(area_id, quantity) {
    const counts = new Map(this.counts(area_id, quantity));
    this.node.hidden = counts.size < 2;
    if (this.node.hidden) return;
    const rest = counts.values().next().value;
    const focused = document.activeElement?.dataset?.step;
    const lines = this.offered(area_id).map(({ category, total_price }, place) => {
      const { name, proof, max_per_order } = this.kinds.get(category);
      const count = counts.get(category);
      const step = (by, words, symbol, off) => h("button", {
        class: "stepper-button", type: "button", disabled: off, dataset: { step: `${category} ${by}` }, "aria-label": t(words, { category: name }), onclick: () => this.step(category, count + by),
      }, icon(symbol));
      const currency = this.areas.get(area_id).currency;
      return h("div", { class: "category-row", role: "group", "aria-label": name },
        h("span", {}, h("b", {}, name), h("small", {}, money(total_price, currency), proof && ` · ${proof}`)),
        h("span", { class: "stepper" },
          place > 0 && step(-1, "category.fewer", "minus", count === 0),
          h("output", { class: "stepper-number" }, String(count)),
          place > 0 && step(1, "category.more", "plus", rest === 0 || count >= (max_per_order ?? quantity))));
    });
    put(this.node, h("legend", {}, t("category.title")), lines);
    if (focused) this.node.querySelector(`[data-step="${focused}"]:enabled`)?.focus();
  }

  step(category, count) {
    this.wished.set(category, count);
    announce(`${this.kinds.get(category).name}: ${count}`);
    this.changed();
  }

  /** Of a picked seat: the category chosen for it, else the first of its area. */
  ofSeat(seat) {
    const offered = this.offered(seat.area.area_id);
    return offered.find(({ category }) => category === this.picked.get(seat.seat_id)) ?? offered[0];
  }

  /** A menu beside a picked seat; nothing where there is nothing to choose. */
  menu(seat, seats) {
    const offered = this.offered(seat.area.area_id);
    if (offered.length < 2) return null;
    const mine = this.ofSeat(seat).category;
    const used = (key) => seats.filter((other) => this.ofSeat(other).category === key).length;
    const options = offered.map(({ category, total_price }) => {
      const { name, max_per_order = Infinity } = this.kinds.get(category);
      const disabled = category !== mine && used(category) >= max_per_order;
      return h("option", { value: category, disabled }, `${name} · ${money(total_price, seat.area.currency)}`);
    });
    const select = h("select", {
      class: "basket-category", dataset: { seat: seat.seat_id }, "aria-label": t("category.of", { seat: seatName({ ...seat, area: seat.area.name }) }),
      onchange: () => {
        this.picked.set(seat.seat_id, select.value);
        this.changed();
        document.querySelector(`.basket-category[data-seat="${seat.seat_id}"]`)?.focus();
      },
    }, options);
    select.value = mine;
    return select;
  }

  /** What these picked seats cost in all, with fees. */
  costOf(seats) {
    return quoteOf(this.session, seats.map((seat) => this.ofSeat(seat)?.price ?? this.areas.get(seat.area.area_id)?.price ?? 0));
  }

  /** The same of the best seats of an area. */
  costOfBest(area, quantity) {
    const prices = new Map(this.offered(area?.area_id).map((one) => [one.category, one.price]));
    const counts = this.counts(area?.area_id, quantity);
    const each = counts.length ? counts.flatMap(([key, count]) => Array(count).fill(prices.get(key))) : Array(quantity).fill(area?.price ?? 0);
    return quoteOf(this.session, each);
  }

  /** What an order says of them. `seats`: those picked, in the order in which it names them. */
  bodyOf(seats) {
    if (this.kinds.size === 0) return {};
    return { categories: seats.map((seat) => ({ category: this.ofSeat(seat).category, quantity: 1 })) };
  }

  bodyOfBest(area_id, quantity) {
    const categories = this.counts(area_id, quantity).filter(([, count]) => count > 0).map(([category, count]) => ({ category, quantity: count }));
    return categories.length ? { categories } : {};
  }
}
