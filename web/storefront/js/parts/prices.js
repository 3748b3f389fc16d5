// What tickets cost in all: their prices, the fees on top, and the lines of an order that say so.
// The platform's rules (docs/prices.md): percentages ticket by ticket, halves up; nothing on a ticket that is free.

import { h } from "../dom.js";
import { money } from "../format.js";
import { t } from "../i18n.js";

const WHOLE = 10_000; // basis points

/** What an order of tickets of these prices costs in this session. The server decides; it comes to the same. */
export function quoteOf({ fees = [] }, prices) {
  const bearing = prices.filter((price) => price > 0);
  const of = ({ per, amount, basis_points }) => {
    if (basis_points !== undefined) return bearing.reduce((sum, price) => sum + Math.floor((2 * price * basis_points + WHOLE) / (2 * WHOLE)), 0);
    return per === "order" ? (bearing.length > 0 ? amount : 0) : amount * bearing.length;
  };
  const extra = fees.reduce((sum, fee) => sum + of(fee), 0);
  return { fees: extra, total: prices.reduce((sum, price) => sum + price, 0) + extra };
}

/** Map, list and basket say what a ticket costs in all. `price` stays: filters tell areas apart by it. */
export function showWholePrices({ seat_areas }, drawn) {
  const whole = new Map(seat_areas.map((area) => [area.area_id, area.total_price]));
  for (const area of drawn) area.total_price = whole.get(area.area_id) ?? area.price;
}

/** The lines between an order's tickets and its total: each fee, and what a promo code took off is said beside. */
export function feeLines({ breakdown, currency }) {
  return (breakdown?.fees ?? []).map(({ name, amount }) => h("li", { class: "fee" }, h("span", {}, name), h("span", {}, money(amount, currency))));
}

/** What the total contains of taxes. */
export function taxLines({ breakdown, currency }) {
  return (breakdown?.tax ?? []).map(({ name, rate, amount }) => h("p", { class: "summary-tax" }, t("price.tax", { name, rate: rate / 100, amount: money(amount, currency) })));
}
