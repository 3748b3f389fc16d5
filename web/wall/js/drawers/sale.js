// One session's sale: pause, resume, limits. Each change needs a reason, which is logged with who made it.

import { h, put } from "/js/dom.js";
import { field } from "/js/parts/field.js";
import * as operations from "../operations.js";
import { clock, number, t, whereAndWhen } from "../say.js";
import { drawer, loaded, reasoned } from "./drawer.js";

export function saleDrawer(session, outer) {
  drawer(session.title, outer, (body, signal) => {
    const place = h("div", { class: "drawer-part" });
    put(body, h("p", { class: "session-facts" }, whereAndWhen(session)), h("p", { class: "hint" }, t("control.lead")), place);
    const look = () => loaded(place, signal, () => operations.sale(session.session_id, signal), (sale) => controls(session.session_id, sale, look));
    look();
  });
}

function controls(id, sale, look) {
  const { limits = {} } = sale;
  const since = sale.paused_at ? clock(Date.parse(sale.paused_at) / 1000) : "";
  const turn = sale.paused
    ? reasoned({ submit: t("control.resume"), act: ({ reason }) => operations.resume(id, reason), then: look })
    : reasoned({ submit: t("control.pause"), bad: true, act: ({ reason }) => operations.pause(id, reason), then: look });
  const fields = [numbered("max_tickets_per_user", limits), numbered("orders_per_second", limits)];
  const change = ({ reason, ...values }) => operations.limit(id, { ...Object.fromEntries(Object.entries(values).map(([name, text]) => [name, text ? Number(text) : null])), reason });
  return [
    h("p", { class: sale.paused ? "notice" : "notice good" }, sale.paused ? t("control.paused", { time: since }) : t("control.running")),
    h("section", {}, h("h3", {}, t(sale.paused ? "control.resume" : "control.pause")), turn),
    h("section", {}, h("h3", {}, t("control.limits")), h("p", { class: "hint" }, now(limits, sale.session_max_tickets_per_user)), reasoned({ submit: t("control.limit"), fields, act: change, then: look })),
  ];
}

function now(limits, own) {
  const told = (name, value) => (value !== null ? number(value) : name === "max_tickets_per_user" ? t("limit.own", { count: own }) : t("limit.none"));
  return Object.entries(limits).map(([name, value]) => `${t(`limit.${name}`)}: ${told(name, value)}`).join(" · ");
}

function numbered(name, limits) {
  return field({ name, label: t(`limit.${name}`), hint: t("limit.hint"), type: "number", min: "1", required: false, value: limits[name] ?? "", wrong: t(`field.${name}`), check: (value) => value === "" || Number(value) >= 1 });
}
