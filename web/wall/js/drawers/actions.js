// Who changed what, and why; newest first.

import { h, put } from "/js/dom.js";
import { dotted, moment } from "/js/format.js";
import * as operations from "../operations.js";
import { named, t, whereAndWhen } from "../say.js";
import { drawer, paged } from "./drawer.js";

export function actionsDrawer(state, outer) {
  const sessions = new Map((state.frame?.seats.sessions ?? []).map((one) => [one.session_id, one]));
  drawer(t("actions.title"), outer, (body, signal) => {
    const place = h("div", { class: "drawer-part" });
    put(body, place);
    paged(place, signal, (cursor) => operations.actions(cursor, signal), (action) => row(action, sessions), t("actions.none"));
  });
}

function row({ at, by, by_email, action, session_id, subject, before, after, reason }, sessions) {
  const session = sessions.get(session_id);
  const what = session ? dotted(session.title, whereAndWhen(session)) : session_id ?? subject;
  return h("li", { class: "action" },
    h("div", { class: "action-head" }, h("b", {}, named("action", action)), h("small", {}, moment(at, undefined))),
    h("p", {}, what), h("p", {}, `“${reason}”`), h("small", {}, by_email ?? by), change(before, after));
}

function change(before, after) {
  const names = Object.keys({ ...before, ...after }).filter((name) => JSON.stringify(before?.[name]) !== JSON.stringify(after?.[name]));
  return names.length > 0 && h("ul", { class: "changes" }, names.map((name) => h("li", {}, `${named("limit", name)}: ${plain(before?.[name])} → ${plain(after?.[name])}`)));
}

function plain(value) {
  if (value === null || value === undefined) return t("limit.none");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
