// Tickets with their codes, each like a card torn off a sheet; and a line for each that has gone.

import { h, icon } from "../dom.js";
import { dayAndHour, dotted, money, seatName } from "../format.js";
import { t } from "../i18n.js";
import { giving } from "./giving.js";

const HELD = ["valid", "refund_requested", "checked_in"];

/** From the order, or from its history, whose last event with tickets has them. */
function found(order, events) {
  if (order.tickets?.length) return order.tickets;
  if (order.status === "refunded" || order.places?.length) return [];
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

/** What the buyer still has of an order, and what became of the rest. `given()`: called when one of them
    went to somebody else. */
export function ticketsOf(order, events, { session, show, given }) {
  const places = new Map((order.places ?? []).map((place) => [place.seat_id, place]));
  const give = order.status === "paid" ? given : null;
  const held = found(order, events).map((ticket) => ({ ...ticket, ...stateOf(places.get(ticket.seat_id)) }));
  const cards = [...held.filter((ticket) => !isUsed(ticket)), ...held.filter(isUsed)].map((ticket) => card(ticket, session, show, give));
  const zone = order.time_zone ?? session?.time_zone;
  const gone = order.items.filter((item) => places.has(item.seat_id) && !HELD.includes(places.get(item.seat_id).status))
    .map((item) => line(item, goneWords(places.get(item.seat_id), order, zone)));
  if (cards.length === 0 && gone.length === 0) return h("p", { class: "hint" }, order.status === "refunded" ? "" : t("order.tickets.coming"));
  return [cards.length > 0 && section(cards, t("order.tickets")), gone.length > 0 && h("ul", { class: "gone", "aria-label": t("tickets.gone") }, gone)];
}

function stateOf(place) {
  return { status: place?.status ?? "valid", checked_in_at: place?.since };
}

function isUsed(ticket) {
  return ticket.status === "checked_in";
}

function goneWords(place, order, zone) {
  const given = place.given_to ? t("ticket.given.to", { whom: place.given_to }) : t("ticket.given");
  const refunded = order.refund_cause === "session_cancelled" && order.session_cancelled ? t("ticket.cancelled") : t("ticket.refunded");
  const price = place.status === "refunded" ? money(place.paid, order.currency) : "";
  return { words: place.status === "given" ? given : refunded, at: place.since && dayAndHour(place.since, zone), price };
}

/** Tickets that know themselves what they are for: one's own of all orders, in force or used. */
export function ownTickets(tickets, given) {
  return section(tickets.map((ticket) => card(ticket, { ...ticket, date: ticket.starts_at }, ticket, given)), t("order.tickets"));
}

/** Those that went to somebody else, or back. */
export function goneTickets(tickets) {
  return h("ul", { class: "gone" }, tickets.map((ticket) => {
    const given = ticket.given_to ? t("ticket.given.to", { whom: ticket.given_to }) : t("ticket.given");
    const words = ticket.void_reason === "transferred" ? given : t(ticket.session_cancelled_for ? "ticket.cancelled" : "ticket.refunded");
    const at = ticket.given_at && dayAndHour(ticket.given_at, ticket.time_zone);
    return line(ticket, { words, at }, dotted(ticket.title, dayAndHour(ticket.starts_at, ticket.time_zone)), ticket.session_cancelled_for);
  }));
}

/** One ticket that has gone: what it was, and where it went. */
function line(seat, { words, at, price }, about = "", why = "") {
  return h("li", { class: "gone-line" },
    h("span", { class: "gone-seat" }, h("b", {}, seatName(seat)), about && h("small", {}, about), why && h("small", {}, t("order.session-cancelled.why", { reason: why }))),
    h("span", { class: "gone-words" }, words, at && h("small", {}, at), price && h("small", {}, price)));
}

function section(cards, label) {
  return h("section", { class: "tickets", "aria-label": label }, cards);
}

function card(ticket, session, show, given) {
  const used = isUsed(ticket);
  const waits = ticket.status === "refund_requested";
  const address = ownAddress(ticket.qr_code);
  return h("article", { class: used ? "ticket used" : "ticket" },
    h("div", { class: "ticket-words" },
      h("h2", {}, show?.title ?? t("order.tickets")),
      session && h("p", {}, dayAndHour(session.date, session.time_zone)),
      show && h("p", {}, show.venue),
      h("dl", { class: "ticket-seat" }, parts(ticket).map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value)))),
      ticket.proof && h("p", { class: "ticket-from" }, t("ticket.proof", { proof: ticket.proof })),
      ticket.received_at && h("p", { class: "ticket-from" }, ticket.received_from ? t("ticket.received.from", { whom: ticket.received_from }) : t("ticket.received")),
      waits && h("p", { class: "ticket-from" }, t("ticket.refund-requested")),
      given && !used && !waits && giving(ticket, given),
      !used && h("p", { class: "ticket-files" },
        h("a", { href: beside(address, "ticket.pdf"), target: "_blank", rel: "noopener" }, t("ticket.pdf")),
        h("a", { href: beside(address, "ticket.ics") }, t("ticket.calendar")))),
    h("div", { class: "ticket-code" }, used ? usedMark(ticket, session) : code(ticket, address)));
}

function code(ticket, address) {
  return h("a", { href: address, target: "_blank", rel: "noopener", title: t("order.ticket.open") },
    h("img", { class: "qr", src: address, width: "148", height: "148", alt: t("order.ticket.qr", { seat: seatName(ticket) }) }));
}

function usedMark(ticket, session) {
  const at = ticket.checked_in_at && dayAndHour(ticket.checked_in_at, session?.time_zone);
  return h("p", { class: "ticket-used" }, icon("check"), h("b", {}, t("ticket.used")), at && h("small", {}, t("ticket.used.at", { when: at })), h("small", {}, t("ticket.used.detail")));
}

function parts({ area, row, number, category_name }) {
  const category = category_name ? [[t("ticket.category"), category_name]] : [];
  if (!row) return [[t("area.name"), area], [t("ticket.entry"), t("ticket.standing")], ...category];
  return [[t("area.name"), area], [t("list.row"), row], [t("ticket.number"), number], ...category];
}
