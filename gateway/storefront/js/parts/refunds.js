// Giving tickets back: on what terms, which of them, and how far earlier ones are.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import { dayAndHour, money, seatName } from "../format.js";
import { has, t } from "../i18n.js";
import { sentence } from "../problems.js";
import { notice } from "./states.js";

/** For an order that has been paid; null when there is nothing to say. `changed()` when it is another now. */
export function refundsOf(order, found, { zone, changed }) {
  if (!found) return null;
  const parts = [found.refunds.map((one) => earlier(one)), offered(order, found, zone, changed)].flat().filter(Boolean);
  return parts.length === 0 ? null : h("section", { class: "refunds", "aria-labelledby": "refunds-title" },
    h("h2", { id: "refunds-title" }, t("refund.title")), parts);
}

function earlier(refund) {
  const seats = refund.tickets.map(seatName).join(t("refund.and"));
  return h("div", { class: "refund", dataset: { status: refund.status } },
    h("p", {}, h("b", {}, money(refund.amount, refund.currency)), " · ", t(`refund.status.${refund.status}`)),
    h("p", { class: "hint" }, seats),
    refund.fee > 0 && h("p", { class: "hint" }, t("refund.fee-kept", { fee: money(refund.fee, refund.currency) })),
    refund.note && h("p", { class: "hint" }, t("refund.note", { note: refund.note })));
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
  const reason = h("input", { id: "refund-reason", type: "text", maxlength: "500", required: true });
  const button = h("button", { class: "button quiet", type: "submit" });
  const reckon = () => {
    const amount = chosen().reduce((sum, ticket) => sum + ticket.price - ticket.fee, 0);
    put(button, t("refund.ask", { amount: money(amount, offer.currency) }));
    button.disabled = chosen().length === 0;
  };
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    message.say("");
    const body = { reason: reason.value.trim(), ticket_ids: chosen().map((ticket) => ticket.ticket_id) };
    try {
      await api.refund(order.order_id, body);
      await changed();
    } catch (error) {
      message.say(sentence(error));
      reckon();
    }
  };
  reckon();
  return h("details", { class: "refund-form" },
    h("summary", {}, t("refund.open")),
    h("form", { onsubmit: submit },
      h("p", { class: "hint" }, terms(offer, zone)),
      h("fieldset", {}, h("legend", {}, t("refund.which")),
        boxes.map(({ ticket, input }) => h("label", { class: "refund-ticket" }, input,
          h("span", {}, names.get(ticket.seat_id) ?? ""),
          h("span", {}, money(ticket.price - ticket.fee, offer.currency),
            ticket.fee > 0 && h("small", {}, t("refund.fee-kept", { fee: money(ticket.fee, offer.currency) })))))),
      h("label", { class: "refund-reason", for: "refund-reason" }, t("refund.reason"), reason),
      message.box, button));
}
