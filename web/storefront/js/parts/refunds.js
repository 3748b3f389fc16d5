// Giving tickets back: on what terms, which of them, whether it is meant, and how far earlier ones are.

import * as api from "../api.js";
import { h, put, wait } from "../dom.js";
import { dayAndHour, money, seatName, seatNames } from "../format.js";
import { has, t } from "../i18n.js";
import { sentence } from "../problems.js";
import { notice } from "./states.js";

const SETTLED = ["succeeded", "failed", "rejected"];
const FIRST_ASK_MS = 1000;
const LAST_ASK_MS = 60_000;
const BACKOFF = 1.7;

/** For an order that has been paid; null when there is nothing to say. `changed()` when it is another now. */
export function refundsOf(order, found, { zone, signal, changed }) {
  if (!found) return null;
  const list = h("div", { class: "refund-list", role: "status" }, found.refunds.map(earlier));
  const offer = offered(order, found, zone, changed);
  if (found.refunds.length === 0 && !offer) return null;
  follow(order, found.refunds, signal, (refunds) => put(list, refunds.map(earlier)), changed);
  return h("section", { class: "refunds", "aria-labelledby": "refunds-title" },
    h("h2", { id: "refunds-title" }, t("refund.title")), list, offer);
}

function earlier(refund) {
  return h("div", { class: "refund", dataset: { status: refund.status } },
    h("p", {}, h("b", {}, money(refund.amount, refund.currency)), " · ", t(`refund.status.${refund.status}`)),
    h("p", { class: "hint" }, seatNames(refund.tickets).join(t("refund.and"))),
    refund.fee > 0 && h("p", { class: "hint" }, t("refund.fee-kept", { fee: money(refund.fee, refund.currency) })),
    refund.note && h("p", { class: "hint" }, t("refund.note", { note: refund.note })));
}

/** Asks how far refunds are, less and less often, until all of them are settled or the page is left.
    What was decided meanwhile changes the order too; what is merely sent changes its own line. */
async function follow(order, refunds, signal, show, changed) {
  const word = (one) => `${one.refund_id} ${one.status}`;
  let before = refunds;
  try {
    for (let pause_ms = FIRST_ASK_MS; !before.every((one) => SETTLED.includes(one.status)); pause_ms = Math.min(LAST_ASK_MS, pause_ms * BACKOFF)) {
      await wait(pause_ms, signal);
      const now = await api.refunds(order.order_id, signal).then((found) => found.refunds, () => before);
      if (now.map(word).join() === before.map(word).join()) continue;
      const decided = before.some((one, index) => one.status === "requested" && now[index]?.status !== "requested");
      before = now;
      show(now);
      if (decided || now.every((one) => SETTLED.includes(one.status))) return await changed({ quietly: true });
    }
  } catch {
    // the page was left
  }
  return null;
}

function offered(order, { offer, refunds }, zone, changed) {
  if (offer.allowed) return form(order, offer, zone, changed);
  const why = `refund.reason.${offer.reason}`;
  return refunds.length === 0 && offer.reason && has(why) ? h("p", { class: "hint" }, t(why)) : null;
}

function terms(offer, zone) {
  return [
    t("refund.until", { time: dayAndHour(offer.until, zone) }),
    offer.fee === 0 ? t("refund.no-fee") : t("refund.with-fee"),
    t(`refund.approval.${offer.approval}`),
  ].join(" ");
}

function form(order, offer, zone, changed) {
  const message = notice();
  const names = new Map(order.items.map((item) => [item.seat_id, seatName(item)]));
  const boxes = offer.tickets.map((ticket) => ({
    ticket, input: h("input", { type: "checkbox", checked: true, onchange: () => reckon() }) }));
  const chosen = () => boxes.filter(({ input }) => input.checked).map(({ ticket }) => ticket);
  const reason = h("input", { id: "refund-reason", type: "text", maxlength: "500", autocomplete: "off" });
  const button = h("button", { class: "button quiet", type: "submit" });
  const reckon = () => {
    message.say("");
    put(button, t("refund.ask", { amount: money(back(chosen()), offer.currency) }));
  };
  const send = async (tickets) => {
    button.disabled = true;
    const body = { reason: reason.value.trim() || t("refund.reason.none"), ticket_ids: tickets.map((ticket) => ticket.ticket_id) };
    try {
      await api.refund(order.order_id, body);
      await changed();
    } catch (error) {
      reckon();
      message.say(sentence(error));
    }
    button.disabled = false;
  };
  const place = h("div");
  const submit = (event) => {
    event.preventDefault();
    const tickets = chosen();
    if (tickets.length === 0) return message.say(t("refund.which.none"));
    message.say("");
    const dialog = sure(tickets, offer, tickets.map((ticket) => names.get(ticket.seat_id) ?? ""), () => send(tickets));
    put(place, dialog);
    return dialog.showModal();
  };
  reckon();
  return h("details", { class: "refund-form" },
    h("summary", {}, t("refund.open")),
    h("form", { novalidate: true, onsubmit: submit },
      h("p", { class: "hint" }, terms(offer, zone)),
      h("fieldset", {}, h("legend", {}, t("refund.which")),
        boxes.map(({ ticket, input }) => h("label", { class: "refund-ticket" }, input,
          h("span", {}, names.get(ticket.seat_id) ?? ""),
          h("span", {}, money(ticket.price - ticket.fee, offer.currency),
            ticket.fee > 0 && h("small", {}, t("refund.fee-kept", { fee: money(ticket.fee, offer.currency) })))))),
      h("label", { class: "refund-reason", for: "refund-reason" }, t("refund.optional"), reason),
      message.box, button),
    place);
}

function back(tickets) {
  return tickets.reduce((sum, ticket) => sum + ticket.price - ticket.fee, 0);
}

/** Says what is given for what, before it is done. */
function sure(tickets, { currency, approval }, names, confirm) {
  const count = tickets.length;
  const fee = tickets.reduce((sum, ticket) => sum + ticket.fee, 0);
  const row = (label, amount, kind = "") => h("div", { class: kind }, h("dt", {}, label), h("dd", {}, money(amount, currency)));
  const dialog = h("dialog", { class: "dialog refund-sure", "aria-labelledby": "refund-sure" },
    h("h2", { id: "refund-sure" }, t("refund.sure", { count })),
    h("p", {}, names.join(t("refund.and"))),
    h("dl", { class: "sums" },
      row(t("refund.paid"), back(tickets) + fee), fee > 0 && row(t("refund.fee"), -fee), row(t("refund.back"), back(tickets), "sum")),
    h("p", {}, t(`refund.approval.${approval}`)),
    h("div", { class: "row" },
      h("button", { class: "button quiet", type: "button", onclick: () => dialog.close() }, t("refund.keep", { count })),
      h("button", { class: "button bad", type: "button", onclick: () => { dialog.close(); confirm(); } }, t("refund.confirm"))));
  return dialog;
}
