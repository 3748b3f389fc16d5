// One show: what it is, where, its sessions with prices, and the way to the seats.

import * as api from "../api.js";
import { h, icon, put } from "../dom.js";
import { day, dayAndHour, hour, money, zoneName } from "../format.js";
import { t } from "../i18n.js";
import { poster } from "../parts/poster.js";
import { areaLeft, badge, countdown, saleStatus } from "../parts/sale.js";

const BUYABLE = ["on_sale", "sold_out"];

export async function showView({ params, query, signal }) {
  const show = await api.show(params.id, signal);
  const sessions = [...(show.sessions ?? [])].sort((one, two) => one.date.localeCompare(two.date));
  const wished = sessions.find((session) => session.session_id === query.get("session"));
  const first = wished ?? sessions.find((session) => saleStatus(session) === "on_sale") ?? sessions[0];
  return h("div", { class: "wrap show" },
    h("a", { class: "back", href: "#/" }, icon("left"), t("nav.shows")),
    h("div", { class: "show-layout" },
      h("div", { class: "show-poster" }, poster(show, { size: "large" })),
      h("div", { class: "show-main" }, heading(show, first), first ? sessionChoice(sessions, first, signal) : h("p", {}, t("show.no-sessions"))),
      show.description && h("section", { class: "about" }, h("h2", {}, t("show.about")), show.description.split(/\n{2,}/).map((text) => h("p", {}, text)))));
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
    put(detail, sessionDetail(session, until, () => choose(session)));
  };
  const tiles = sessions.map((session) => h("label", { class: "session-tile" },
    h("input", { type: "radio", name: "session", value: session.session_id, checked: session === first, onchange: () => choose(session) }),
    h("span", { class: "session-face" },
      h("b", {}, day(session.date, session.time_zone)), h("span", {}, hour(session.date, session.time_zone)), badge(saleStatus(session)))));
  choose(first);
  return [h("fieldset", { class: "sessions" }, h("legend", {}, t("show.sessions")), h("div", { class: "session-tiles" }, tiles)), detail];
}

function sessionDetail(session, signal, redraw) {
  const status = saleStatus(session);
  const zone = session.time_zone;
  const window_ = status === "scheduled"
    ? t("show.opens", { when: dayAndHour(session.sale_opens_at, zone) })
    : t("show.closes", { when: dayAndHour(session.sale_closes_at, zone) });
  const limit = t("show.limit", { count: session.max_tickets_per_user });
  return [
    h("div", { class: "areas" }, h("h2", {}, t("show.prices")), h("ul", { class: "area-list" }, grouped(session.seat_areas).map(areaRow))),
    h("div", { class: "buy-bar" },
      h("p", { class: "buy-facts" }, h("span", {}, window_), h("span", {}, limit)),
      status === "scheduled" && countdown(session.sale_opens_at, signal, redraw),
      action(session, status)),
  ];
}

/** Neighbours of one kind and price are one line: a stadium has dozens of blocks. */
function grouped(areas) {
  const groups = [];
  for (const area of areas) {
    const group = groups.at(-1);
    if (group && group.kind === area.kind && group.price === area.price) {
      group.last = area.name;
      group.capacity += area.capacity;
      group.available += area.available;
    } else groups.push({ ...area });
  }
  return groups.map(({ last, ...group }) => ({ ...group, name: last ? `${group.name} – ${last}` : group.name }));
}

function areaRow(area) {
  const share = area.capacity ? Math.max(0, area.available) / area.capacity : 0;
  const meter = h("span", { class: "meter", "aria-hidden": "true" });
  const fill = h("span", { class: "meter-fill" });
  fill.style.setProperty("--share", String(share));
  meter.append(fill);
  return h("li", { class: `area-row${area.available <= 0 ? " gone" : ""}` },
    h("span", { class: "area-name" }, h("b", {}, area.name), h("small", {}, t(`area.${area.kind}`))),
    meter, areaLeft(area), h("span", { class: "area-price" }, money(area.price, area.currency)));
}

function action(session, status) {
  if (BUYABLE.includes(status)) {
    return h("a", { class: "button large", href: `#/sessions/${session.session_id}` }, t("show.pick"), icon("right"));
  }
  return h("button", { class: "button large", type: "button", disabled: true }, t(`sale.${status}`));
}
