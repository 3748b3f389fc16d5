// One order: paying while its seats are held, tickets once it is paid, its history.

import * as api from "../api.js";
import { now } from "../clock.js";
import { h, icon, put, wait } from "../dom.js";
import { dayAndHour, money, seatName, zoneName } from "../format.js";
import { t } from "../i18n.js";
import { accessibleMark, accessibleNote } from "../parts/accessible.js";
import { holdClock } from "../parts/hold.js";
import { timeline } from "../parts/history.js";
import { payment } from "../parts/payment.js";
import { poster } from "../parts/poster.js";
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
    const [events, refunds] = await Promise.all([
      api.orderEvents(this.order.order_id, this.signal).then((found) => found.events, () => []),
      this.refunds(),
    ]);
    if (this.signal.aborted) return;
    put(this.node,
      h("a", { class: "back", href: "#/orders" }, icon("left"), t("orders.title")),
      h("div", { class: "order-layout" },
        h("div", { class: "order-main" }, this.main(until, events),
          refundsOf(this.order, refunds, { zone: this.zone, changed: () => this.refunded() })),
        h("aside", { class: "order-side" }, this.summary(), timeline(events, this.zone))));
  }

  /** What may be given back, and what was; an order page without it is an order page still. */
  refunds() {
    if (!["paid", "refunded"].includes(this.order.status)) return null;
    return api.refunds(this.order.order_id, this.signal).catch(() => null);
  }

  async refunded() {
    this.justPaid = false;
    this.answered = null;
    await this.reload();
    this.node.querySelector("#refunds-title")?.scrollIntoView({ block: "center" });
  }

  main(until, events) {
    const { order } = this;
    const head = (title, detail) => h("header", { class: "order-head" },
      h("p", { class: "kicker" }, t("order.no", { no: order.order_no })),
      h("h1", {}, title), detail && h("p", { class: "lead" }, detail));
    if (order.status === "pending_payment" || order.status === "created") return this.pending(until, head);
    if (order.status === "cancelled") return [this.cancelled(head), this.order.cancel_reason !== "session_cancelled" && this.again()];
    const title = this.justPaid ? t("order.success") : t(`order.status.${order.status}`);
    return [head(title, order.status === "refunded" ? null : t("order.tickets.lead")), ticketsOf(order, events, { ...this, given: () => this.given() })];
  }

  pending(until, head) {
    const clock = holdClock(this.order, until, () => this.ranOut());
    const form = payment(this.order, { paid: (answer) => this.paid(answer), later: () => this.settle(until), changed: () => this.reload() });
    return [head(t("order.hold"), t("order.hold.detail")), accessibleNote(this.order), clock, form];
  }

  cancelled(head) {
    if (this.order.cancel_reason === "session_cancelled") return head(t("order.session-cancelled.title"), t("order.session-cancelled.detail"));
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
          session && h("p", {}, dayAndHour(session.date, session.time_zone), h("small", {}, zoneName(session.date, session.time_zone))),
          h("p", {}, `${show.city} · ${show.venue}`))),
      h("h3", {}, t("order.items")),
      h("ul", { class: "items" }, order.items.map((item) => h("li", {}, h("span", {}, seatName(item), accessibleMark(item)), h("span", {}, money(item.price, order.currency)))), discountOf(order)),
      h("div", { class: "summary-total" },
        h("span", {}, t(["paid", "completed", "refunded"].includes(order.status) ? "order.paid-total" : "order.total")),
        h("b", {}, money(order.total_amount, order.currency))),
      badge(order.status, t(`order.status.${order.status}`)));
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
