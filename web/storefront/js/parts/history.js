// What happened to an order, oldest first.

import { h } from "../dom.js";
import { moment, zoneName } from "../format.js";
import { has, t } from "../i18n.js";
import { runsShows } from "./roles.js";

/** `stampede.order.paid.v1` → order.paid; types that we have no words for are named as they are. */
function words(type) {
  const short = type.replace(/^stampede\./, "").replace(/\.v\d+$/, "");
  return has(`event.${short}`) ? t(`event.${short}`) : short;
}

/** Who runs shows is given each entry's request id as well, to follow it through the logs. */
export function timeline(events, time_zone) {
  if (events.length === 0) return null;
  const withIds = runsShows();
  return h("details", { class: "history" },
    h("summary", {}, t("order.history"), h("span", { class: "count" }, String(events.length))),
    h("ol", {}, events.map((event) => h("li", {},
      h("b", {}, words(event.type)),
      h("time", { datetime: event.time, title: zoneName(event.time, time_zone) }, moment(event.time, time_zone)),
      withIds && event.request_id && h("code", {}, event.request_id)))));
}
