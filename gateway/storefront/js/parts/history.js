// What happened to an order, oldest first.

import { h } from "../dom.js";
import { moment, zoneName } from "../format.js";
import { has, t } from "../i18n.js";

/** `stampede.order.paid.v1` → order.paid; types that we have no words for are named as they are. */
function words(type) {
  const short = type.replace(/^stampede\./, "").replace(/\.v\d+$/, "");
  return has(`event.${short}`) ? t(`event.${short}`) : short;
}

export function timeline(events, time_zone) {
  if (events.length === 0) return null;
  return h("details", { class: "history" },
    h("summary", {}, t("order.history"), h("span", { class: "count" }, String(events.length))),
    h("ol", {}, events.map((event) => h("li", {},
      h("b", {}, words(event.type)),
      h("time", { datetime: event.time, title: zoneName(event.time, time_zone) }, moment(event.time, time_zone)),
      event.request_id && h("code", {}, event.request_id)))));
}
