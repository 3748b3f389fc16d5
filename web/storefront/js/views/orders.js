// Own orders, newest first.

import * as api from "../api.js";
import { h, icon } from "../dom.js";
import { dayAndHour, dotted, money, seatNames } from "../format.js";
import { t } from "../i18n.js";
import { poster } from "../parts/poster.js";
import { badge } from "../parts/sale.js";
import { empty } from "../parts/states.js";
import { needLogin } from "./login.js";

const PAGE_SIZE = 10;
const STATUSES = ["", "pending_payment", "paid", "cancelled"];

export async function ordersView({ query, signal }) {
  if (needLogin()) return h("div");
  const status = STATUSES.includes(query.get("status")) ? query.get("status") : "";
  const page = Math.max(1, Number.parseInt(query.get("page"), 10) || 1);
  const found = await api.orders({ status, page, page_size: PAGE_SIZE }, signal);
  return h("div", { class: "wrap narrow orders" },
    h("div", { class: "orders-head" }, h("h1", {}, t("orders.title")), h("a", { class: "link-button", href: "#/tickets" }, t("tickets.title"))),
    h("nav", { class: "chips", "aria-label": t("orders.title") }, STATUSES.map((one) => filter(one, status))),
    found.orders.length === 0
      ? empty(t("orders.none"), t("orders.none.detail"), h("a", { class: "button", href: "#/" }, t("orders.browse")))
      : h("ul", { class: "order-list" }, found.orders.map((order) => h("li", {}, row(order)))),
    pages(found, status));
}

function filter(one, status) {
  const words = one ? t(`order.status.${one}`) : t("orders.all");
  return h("a", { class: "chip", href: one ? `#/orders?status=${one}` : "#/orders", "aria-current": one === status ? "true" : null }, words);
}

function row(order) {
  const items = order.items ?? [];
  const title = order.title ?? t("order.title");
  const names = seatNames(items);
  const seats = names.slice(0, 3).join(t("seat.join")) + (names.length > 3 ? "…" : "");
  return h("a", { class: "order-row", href: `#/orders/${order.order_id}` },
    poster({ title }, { size: "tiny" }),
    h("span", { class: "order-row-words" },
      h("b", {}, title),
      order.starts_at && h("span", {}, dotted(dayAndHour(order.starts_at, order.time_zone), order.venue)),
      h("span", {}, tickets(order, items.length, seats)),
      h("small", {}, t("order.no", { no: order.order_no }))),
    h("span", { class: "order-row-end" }, badge(order.status, status(order)), h("b", {}, money(order.total_amount, order.currency)),
      order.refunded_amount > 0 && h("small", {}, t("order.refunded.amount", { amount: money(order.refunded_amount, order.currency) }))));
}

/** Which seats are left only the order itself says. */
function tickets({ tickets_left }, count, seats) {
  if (tickets_left === undefined || tickets_left === count) return `${t("orders.tickets", { count })} · ${seats}`;
  return tickets_left === 0 ? t("order.tickets-left.none") : t("order.tickets-left", { left: tickets_left, count });
}

function status(order) {
  const cancelled = order.refund_cause === "session_cancelled" || order.cancel_reason === "session_cancelled";
  return t(cancelled ? "order.session-cancelled.title" : `order.status.${order.status}`);
}

function pages({ page, page_size, total }, status) {
  const last = Math.max(1, Math.ceil(total / page_size));
  if (last === 1) return null;
  const to = (target, words, symbol) => (target < 1 || target > last ? h("span") : h("a", {
    class: "button quiet", href: `#/orders?${new URLSearchParams({ ...(status && { status }), page: target })}`,
  }, symbol === "left" && icon("left"), words, symbol === "right" && icon("right")));
  return h("nav", { class: "pages", "aria-label": t("pages.label") },
    to(page - 1, t("pages.previous"), "left"), h("span", {}, t("pages.position", { page, pages: last })), to(page + 1, t("pages.next"), "right"));
}
