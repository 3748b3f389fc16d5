// One order: paying while its seats are held, tickets once it is paid, its history.

import * as api from "../api.js";
import { now } from "../clock.js";
import { h, icon, put, wait } from "../dom.js";
import { dayAndHour, money, seatNames } from "../format.js";
import { t } from "../i18n.js";
import { accessibleMark } from "../parts/accessible.js";
import { holdClock } from "../parts/hold.js";
import { timeline } from "../parts/history.js";
import { orderNotes } from "../parts/ordernotes.js";
import { payment } from "../parts/payment.js";
import { poster } from "../parts/poster.js";
import { feeLines, taxLines } from "../parts/prices.js";
import { refundsOf } from "../parts/refunds.js";
import { discountOf } from "../parts/promo.js";
import { badge } from "../parts/sale.js";
import { ticketsOf } from "../parts/tickets.js";
import { needLogin } from "./login.js";

const ASK_AGAIN_MS = 1500;

export async function orderView({ params, signal }) {
  if (needLogin()) return h("div");
  const order = await api.order(params.id, signal);
  const context = await contextOf(order, signal);
  const page = new OrderPage(order, context, signal);
  await page.draw();
  return page.node;
}

/** Session and show give the order its name and its place; an order is shown without them as well. */
async function contextOf(order, signal) {
  try {
    const session = await api.session(order.session_id, signal);
    return { session, show: await api.show(session.show_id, signal) };
  } catch (error) {
    if (signal.aborted) throw error;
    return { session: null, show: null };
  }
}

function expired(order) {
  return now() >= Date.parse(order.expires_at);
}

/** Items by what became of them: standing places of one price and one fate share a line. */
function groups(order) {
  const fates = new Map((order.places ?? []).map((place) => [place.seat_id, place.status]));
  const lines = new Map();
  for (const item of order.items) {
    const fate = fates.get(item.seat_id) ?? "";
    const key = item.row ? item.seat_id : `${item.area_id} ${fate} ${item.category ?? ""}`;
    const line = lines.get(key) ?? { items: [], price: 0, fate };
    line.items.push(item);
    line.price += item.price;
    lines.set(key, line);
  }
  return [...lines.values()].map(({ items, ...line }) => ({ ...line, accessible: items.some((item) => item.accessible), names: seatNames(items).join(t("seat.join")), category: items[0].category_name }));
}

class OrderPage {
  constructor(order, { session, show }, signal) {
    Object.assign(this, { order, session, show, signal, justPaid: false, node: h("div", { class: "wrap order" }) });
  }

  get zone() {
    return this.order.time_zone ?? this.session?.time_zone;
  }

  async draw() {
    this.drawing?.abort();
    this.drawing = new AbortController();
    const until = AbortSignal.any([this.signal, this.drawing.signal]);
    const [events, refunds, options] = await Promise.all([
      api.orderEvents(this.order.order_id, this.signal).then((found) => found.events, () => []),
      this.refunds(),
      this.order.status === "pending_payment" ? api.paymentOptions(this.signal) : null,
    ]);
    if (this.signal.aborted) return;
    Object.assign(this, { events, found: refunds, options });
    this.side = h("aside", { class: "order-side" });
    put(this.node,
      h("a", { class: "back", href: "#/orders" }, icon("left"), t("orders.title")),
      h("div", { class: "order-layout" },
        h("div", { class: "order-main" }, this.main(until, events),
          refundsOf(this.order, refunds, { zone: this.zone, signal: until, changed: (how) => this.refunded(how) })),
        this.side));
    this.drawSide();
  }

  drawSide() {
    put(this.side, this.summary(), timeline(this.events, this.zone));
  }

  /** What may be given back, and what was; an order page without it is an order page still. */
  refunds() {
    if (!["paid", "completed", "refunded"].includes(this.order.status)) return null;
    return api.refunds(this.order.order_id, this.signal).catch(() => null);
  }

  /** A refund was asked for, or is further than it was. Quietly: nobody here has done anything, so what
      is being filled in stays as it is. */
  async refunded({ quietly = false } = {}) {
    this.justPaid = false;
    this.answered = null;
    if (quietly && this.node.querySelector(".refund-form[open]")) return this.refreshSide();
    await this.reload();
    if (!quietly) this.node.querySelector("#refunds-title")?.scrollIntoView({ block: "center" });
    return null;
  }

  async refreshSide() {
    this.order = await api.order(this.order.order_id, this.signal).catch(() => this.order);
    this.found = (await this.refunds()) ?? this.found;
    this.drawSide();
  }

  main(until, events) {
    const { order } = this;
    const head = (title, detail) => h("header", { class: "order-head" },
      h("p", { class: "kicker" }, t("order.no", { no: order.order_no })),
      h("h1", {}, title), detail && h("p", { class: "lead" }, detail));
    if (order.status === "pending_payment" || order.status === "created") return this.pending(until, head);
    if (order.status === "cancelled") return [this.cancelled(head), this.order.cancel_reason !== "session_cancelled" && this.again()];
    return [this.paidHead(head), ticketsOf(order, events, { ...this, given: () => this.given() })];
  }

  /** Why a date is not played stands above what became of its tickets. */
  paidHead(head) {
    const { order } = this;
    if (order.session_cancelled && order.refund_cause !== "buyer") return [head(t("order.session-cancelled.title"), t("order.session-cancelled.paid")), this.why()];
    const title = this.justPaid ? t("order.success") : t(`order.status.${order.status}`);
    const admits = !order.places?.length || order.places.some((place) => ["valid", "refund_requested"].includes(place.status));
    return head(title, admits && order.status !== "refunded" ? t("order.tickets.lead") : null);
  }

  why() {
    const { session_cancelled } = this.order;
    return session_cancelled && h("p", { class: "why" }, t("order.session-cancelled.why", { reason: session_cancelled.reason }));
  }

  pending(until, head) {
    const clock = holdClock(this.order, until, () => this.ranOut());
    const form = payment(this.order, this.options, { paid: (answer) => this.paid(answer), later: () => this.settle(until), changed: () => this.reload() });
    return [head(t("order.hold"), t("order.hold.detail")), orderNotes(this.order), clock, form];
  }

  cancelled(head) {
    if (this.order.cancel_reason === "session_cancelled") return [head(t("order.session-cancelled.title"), t("order.session-cancelled.detail")), this.why()];
    const kind = this.order.cancel_reason === "unpaid" || this.expiredHere ? "expired" : "cancelled";
    return head(t(`order.${kind}.title`), t(`order.${kind}.detail`));
  }

  again() {
    return h("a", { class: "button", href: `#/sessions/${this.order.session_id}` }, t("order.again"));
  }

  summary() {
    const { order, session, show } = this;
    return h("section", { class: "summary stub" },
      show && h("div", { class: "summary-show" }, poster(show, { size: "tiny" }),
        h("div", {}, h("h2", {}, h("a", { href: `#/shows/${show.show_id}` }, show.title)),
          session && h("p", {}, dayAndHour(session.date, session.time_zone)),
          h("p", {}, `${show.city} · ${show.venue}`))),
      h("h3", {}, t("order.items")),
      h("ul", { class: "items" }, groups(order).map(({ names, price, fate, accessible, category }) => h("li", { class: fate }, h("span", {}, names, accessibleMark({ accessible }), category && h("small", { class: "item-category" }, category)), h("span", {}, money(price, order.currency)))), feeLines(order), discountOf(order)),
      this.sums(), taxLines(order),
      badge(order.status, t(`order.status.${order.status}`)));
  }

  /** What was paid, what of it comes back, and how many tickets are left for the rest. */
  sums() {
    const { order } = this;
    const paid = ["paid", "completed", "refunded"].includes(order.status);
    const total = (label, amount, kind = "summary-total") => h("div", { class: kind }, h("span", {}, label), h("b", {}, money(amount, order.currency)));
    if (!paid) return total(t("order.total"), order.total_amount);
    const count = order.items.length;
    const left = order.tickets_left ?? count;
    const granted = (this.found?.refunds ?? []).filter((one) => !["requested", "rejected"].includes(one.status));
    const sent = granted.length > 0 && granted.every((one) => one.status === "succeeded");
    return [
      total(t("order.paid-total"), order.total_amount),
      order.refunded_amount > 0 && total(t(sent ? "order.refunded.sent" : "order.refunded"), order.refunded_amount, "summary-back"),
      left < count && h("p", { class: "summary-left" }, left === 0 ? t("order.tickets-left.none") : t("order.tickets-left", { left, count }))];
  }

  async paid(answer) {
    this.justPaid = true;
    this.answered = answer.tickets;
    await this.reload({ status: "paid" });
    this.node.querySelector("h1")?.scrollIntoView({ block: "center" });
  }

  /** A ticket went to somebody else: what the payment answered is not so any more. */
  given() {
    this.answered = null;
    return this.reload();
  }

  /** What the server says now; `atLeast` is what it has told us already. */
  async reload(atLeast = {}) {
    const fresh = await api.order(this.order.order_id, this.signal).catch(() => this.order);
    this.order = { ...fresh, ...atLeast };
    this.order.tickets ??= this.answered;
    await this.draw();
  }

  /** The time is up: the server cancels within seconds; until it has, the page says what will be. */
  async ranOut() {
    this.expiredHere = true;
    await this.reload();
    if (this.order.status === "pending_payment" && expired(this.order)) await this.reload({ status: "cancelled" });
  }

  /** A payment that is answered later: ask until the order has moved, or the payment was declined. */
  async settle(until) {
    const { status } = this.order;
    try {
      do {
        await wait(ASK_AGAIN_MS, until);
        this.order = await api.order(this.order.order_id, until).catch(() => this.order);
      } while (this.order.status === status && this.order.payment?.status !== "failed" && !expired(this.order));
    } catch {
      return; // the page was left
    }
    this.justPaid = this.order.status === "paid";
    await this.draw();
  }
}
