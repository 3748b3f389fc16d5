// Slow and failed requests, and one request's way through the services as a waterfall.

import { h, put } from "/js/dom.js";
import { field } from "/js/parts/field.js";
import * as operations from "../operations.js";
import { duration, t } from "../say.js";
import { drawer, loaded } from "./drawer.js";

export function tracesDrawer(outer) {
  drawer(t("traces.title"), outer, (body, signal) => {
    const place = h("div", { class: "drawer-part", "aria-live": "polite" });
    const recent = h("div", { class: "drawer-part" });
    const show = (id) => loaded(place, signal, () => operations.trace(id, signal), waterfall);
    put(body, search(show), place, recent);
    operations.traces(signal).then(({ items = [] }) => put(recent, list(items, show))).catch(() => null); // the search above goes on
  });
}

function search(show) {
  const id = field({ name: "request", label: t("traces.id"), hint: t("traces.id.hint"), autocomplete: "off", spellcheck: "false", maxlength: "64", wrong: t("field.request"), check: (value) => value.trim().length > 0 });
  const send = (event) => {
    event.preventDefault();
    if (id.check()) show(id.input.value.trim());
  };
  return h("form", { class: "trace-search", novalidate: true, onsubmit: send }, id.node, h("button", { class: "button", type: "submit" }, t("traces.show")));
}

function list(items, show) {
  if (!items.length) return h("p", { class: "nothing" }, t("traces.none"));
  return [h("h3", {}, t("traces.recent")), h("ul", { class: "drawer-list" }, items.map((one) => h("li", {}, h("button", { class: "trace-row", type: "button", onclick: () => show(one.request_id) },
    h("b", {}, one.name), h("span", {}, `${one.status} · ${duration(one.duration_ms / 1000)}`), h("small", {}, one.request_id)))))];
}

export function waterfall({ request_id, order_no, complete, spans, not_available }) {
  if (not_available) return h("p", { class: "notice" }, t("traces.not-available", { reason: not_available }));
  const begins = Math.min(...spans.map((span) => span.start_ms));
  const all_ms = Math.max(1, ...spans.map((span) => span.start_ms + span.duration_ms - begins));
  return [
    h("h3", {}, order_no ? t("traces.order", { order: order_no }) : request_id),
    h("p", { class: "hint" }, t("traces.facts", { count: spans.length, time: duration(all_ms / 1000) }), !complete && ` ${t("traces.incomplete")}`),
    h("ol", { class: "waterfall" }, spans.map((span) => bar(span, begins, all_ms))),
  ];
}

function bar(span, begins, all_ms) {
  const line = h("span", { class: "span-bar", "aria-hidden": "true" });
  line.style.setProperty("--from", String((span.start_ms - begins) / all_ms));
  line.style.setProperty("--share", String(span.duration_ms / all_ms));
  const name = h("span", { class: "span-name" }, h("b", {}, span.name), h("small", {}, span.service));
  name.style.setProperty("--depth", String(Math.min(8, span.depth ?? 0)));
  const failed = Number(span.status) >= 400 || span.status === "error";
  const fields = Object.entries(span.fields ?? {}).map(([key, value]) => `${key}=${value}`).join(" ");
  return h("li", { class: failed ? "span is-bad" : "span", title: fields }, name,
    h("span", { class: "span-track" }, line), h("span", { class: "span-time" }, `${failed ? "✕ " : ""}${span.status ?? ""} ${duration(span.duration_ms / 1000)}`));
}
