// One show: what it is, where, its sessions with prices, and the way to the seats.

import * as api from "../api.js";
import { every, h, icon, put } from "../dom.js";
import { day, dayAndHour, dotted, hour, money, zoneName } from "../format.js";
import { t } from "../i18n.js";
import { poster } from "../parts/poster.js";
import { areaLeft, countdown, liveBadge, saleStatus, watchSale } from "../parts/sale.js";

const OVER = ["closed", "cancelled"];
const PAUSED_LOOK_MS = 8_000;

export async function showView({ params, query, signal }) {
  const show = await api.show(params.id, signal);
  const sessions = [...(show.sessions ?? [])].sort((one, two) => one.date.localeCompare(two.date));
  const wished = sessions.find((session) => session.session_id === query.get("session"));
  const among = (status) => sessions.find((session) => saleStatus(session) === status);
  lookWhilePaused(show.show_id, sessions, signal);
  const first = wished ?? among("on_sale") ?? among("scheduled") ?? sessions[0];
  return h("div", { class: "wrap show" },
    h("a", { class: "back", href: "#/" }, icon("left"), t("nav.shows")),
    h("div", { class: "show-layout" },
      h("div", { class: "show-poster" }, poster(show, { size: "large" })),
      h("div", { class: "show-main" }, heading(show, first), first ? sessionChoice(sessions, first, signal) : h("p", {}, t("show.no-sessions"))),
      show.description && h("section", { class: "about" }, h("h2", {}, t("show.about")), show.description.split(/\n{2,}/).map((text) => h("p", {}, text)))));
}

/** A paused sale goes on by itself: asked now and then, by those only who see one. */
function lookWhilePaused(show_id, sessions, signal) {
  every(signal, PAUSED_LOOK_MS * (1 + Math.random() / 2), async () => {
    if (document.hidden || !sessions.some((session) => session.paused)) return;
    const fresh = await api.show(show_id, signal).catch(() => null);
    for (const session of sessions) session.paused = fresh?.sessions.find((one) => one.session_id === session.session_id)?.paused ?? session.paused;
  });
}

function heading(show, session) {
  const zone = session?.time_zone ?? show.time_zone;
  return h("header", { class: "show-head" },
    h("p", { class: "kicker" }, [show.city, show.category].join(" · ")),
    h("h1", {}, show.title),
    session && h("p", { class: "fact" }, icon("clock"), t("show.local-time", { zone: zoneName(session.date, zone) })),
    h("p", { class: "fact" }, icon("pin"), h("span", {}, show.venue, show.address && h("small", {}, show.address))));
}

function sessionChoice(sessions, first, signal) {
  const detail = h("div", { class: "session-detail" });
  let drawing = new AbortController();
  const choose = (session) => {
    drawing.abort();
    drawing = new AbortController();
    const until = AbortSignal.any([signal, drawing.signal]);
    watchSale(until, () => saleStatus(session), (status) => put(detail, sessionDetail(session, status, until)));
  };
  const tiles = sessions.map((session) => h("label", { class: "session-tile" },
    h("input", { type: "radio", name: "session", value: session.session_id, checked: session === first, onchange: () => choose(session) }),
    h("span", { class: "session-face" },
      h("b", {}, day(session.date, session.time_zone)), h("span", {}, hour(session.date, session.time_zone)), liveBadge(signal, () => saleStatus(session)))));
  choose(first);
  return [h("fieldset", { class: "sessions" }, h("legend", {}, t("show.sessions")), h("div", { class: "session-tiles" }, tiles)), detail];
}

function saleWindow({ sale_opens_at, sale_closes_at, time_zone }, status) {
  if (status === "cancelled") return "";
  if (status === "paused") return t("choose.paused");
  if (status === "scheduled") return t("show.opens", { when: dayAndHour(sale_opens_at, time_zone) });
  return t(status === "closed" ? "show.closed" : "show.closes", { when: dayAndHour(sale_closes_at, time_zone) });
}

function sessionDetail(session, status, signal) {
  const limit = t("show.limit", { count: session.max_tickets_per_user });
  return [
    h("div", { class: "areas" }, h("h2", {}, t("show.prices")), h("ul", { class: "area-list" }, grouped(session.seat_areas).map((area) => areaRow(area, OVER.includes(status)))),
      session.fees && h("p", { class: "hint" }, t("show.with-fees", { fees: session.fees.map((fee) => fee.name).join(t("list.join")) }))),
    h("div", { class: "buy-bar" },
      h("p", { class: "buy-facts" }, h("span", {}, saleWindow(session, status)), !OVER.includes(status) && h("span", {}, limit)),
      status === "scheduled" && countdown(session.sale_opens_at, signal),
      action(session, status)),
  ];
}

/** Neighbours of one kind and price are one line: a stadium has dozens of blocks. */
function grouped(areas) {
  const groups = [];
  for (const area of areas) {
    const group = groups.at(-1);
    if (group && group.kind === area.kind && group.total_price === area.total_price) {
      group.last = area.name;
      group.capacity += area.capacity;
      group.available += area.available;
    } else groups.push({ ...area });
  }
  return groups.map(({ last, ...group }) => ({ ...group, name: last ? `${group.name} – ${last}` : group.name }));
}

/** Some pay less: the lowest price of another category. */
function cheaper({ categories = [], total_price, currency }) {
  const least = Math.min(...categories.map((one) => one.total_price));
  return least < total_price ? t("show.reduced", { price: money(least, currency) }) : "";
}

/** What is left is said of a sale that may yet sell it. */
function areaRow(area, over) {
  const share = area.capacity ? Math.max(0, area.available) / area.capacity : 0;
  const meter = h("span", { class: "meter", "aria-hidden": "true" });
  const fill = h("span", { class: "meter-fill" });
  fill.style.setProperty("--share", String(share));
  meter.append(fill);
  return h("li", { class: `area-row${area.available <= 0 ? " gone" : ""}` },
    h("span", { class: "area-name" }, h("b", {}, area.name), h("small", {}, dotted(t(`area.${area.kind}`), cheaper(area)))),
    over ? [h("span"), h("span")] : [meter, areaLeft(area)], h("span", { class: "area-price" }, money(area.total_price, area.currency)));
}

function action(session, status) {
  const seats = `#/sessions/${session.session_id}`;
  if (status === "on_sale") return h("a", { class: "button large", href: seats }, t("show.pick"), icon("right"));
  return [
    status === "sold_out" && h("a", { class: "link-button", href: seats }, t("show.returns")),
    status === "paused" && h("a", { class: "link-button", href: seats }, t("show.see-seats")),
    h("button", { class: "button large", type: "button", disabled: true }, t(`sale.${status}`)),
  ];
}
