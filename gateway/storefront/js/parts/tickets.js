// Tickets with their codes, each like a card torn off a sheet.

import { h } from "../dom.js";
import { dayAndHour, seatName } from "../format.js";
import { t } from "../i18n.js";
import { giving } from "./giving.js";

/** From the order, or from its history, whose last event with tickets has them. */
function found(order, events) {
  if (order.tickets?.length) return order.tickets;
  if (order.status === "refunded") return [];
  return [...events].reverse().find((event) => event.data?.tickets?.some((ticket) => ticket.qr_code))?.data.tickets ?? [];
}

/** A code's URL is made for e-mails; here it is asked from where this page came from. */
function ownAddress(url) {
  const { pathname, search } = new URL(url, location.href);
  return pathname + search;
}

/** The link that opens a ticket's picture opens its page and its calendar entry as well. */
function beside(address, name) {
  return address.replace(/\/qr\.png(?=\?|$)/, `/${name}`);
}

/** `given()`: called when one of them went to somebody else. */
export function ticketsOf(order, events, { session, show, given }) {
  const tickets = found(order, events);
  if (tickets.length === 0) return h("p", { class: "hint" }, none(order, events));
  const give = order.status === "paid" ? given : null;
  return section(tickets.map((ticket) => card(ticket, session, show, give)));
}

function none(order, events) {
  if (order.status === "refunded") return "";
  return t(events.some((event) => event.type.includes("ticket.transferred")) ? "order.tickets.given" : "order.tickets.coming");
}

/** Tickets that know themselves what they are for: one's own of all orders. */
export function ownTickets(tickets, given) {
  return section(tickets.map((ticket) => card(ticket, { ...ticket, date: ticket.starts_at }, ticket, given)));
}

function section(cards) {
  return h("section", { class: "tickets", "aria-label": t("order.tickets") }, cards);
}

function card(ticket, session, show, given) {
  const name = seatName(ticket);
  const address = ownAddress(ticket.qr_code);
  return h("article", { class: "ticket" },
    h("div", { class: "ticket-words" },
      h("h2", {}, show?.title ?? t("order.tickets")),
      session && h("p", {}, dayAndHour(session.date, session.time_zone)),
      show && h("p", {}, show.venue),
      h("dl", { class: "ticket-seat" }, parts(ticket).map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value)))),
      given && giving(ticket, given),
      h("p", { class: "ticket-files" },
        h("a", { href: beside(address, "ticket.pdf"), target: "_blank", rel: "noopener" }, t("ticket.pdf")),
        h("a", { href: beside(address, "ticket.ics") }, t("ticket.calendar")))),
    h("div", { class: "ticket-code" },
      h("a", { href: address, target: "_blank", rel: "noopener", title: t("order.ticket.open") },
        h("img", { class: "qr", src: address, width: "148", height: "148", alt: t("order.ticket.qr", { seat: name }) }))));
}

function parts({ area, row, number }) {
  const places = [[t("area.name"), area], [t("list.row"), row], [t("ticket.number"), number]];
  return places.filter(([, value]) => value !== "" && value !== null && value !== undefined);
}
