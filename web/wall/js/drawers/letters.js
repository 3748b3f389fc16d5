// Events that a consumer could not take: which, why, and once more.

import { h, put } from "/js/dom.js";
import { moment } from "/js/format.js";
import * as operations from "../operations.js";
import { named, t } from "../say.js";
import { drawer, paged, reasoned } from "./drawer.js";

export function lettersDrawer(outer) {
  drawer(t("letters.title"), outer, (body, signal) => {
    const place = h("div", { class: "drawer-part" });
    put(body, h("p", { class: "hint" }, t("letters.lead")), place);
    paged(place, signal, (cursor) => operations.deadLetters(cursor, signal), row, t("letters.none"));
  });
}

function row(letter) {
  const again = h("div", {});
  const form = () => put(again, reasoned({ submit: t("letters.retry"), act: ({ reason }) => operations.retry(letter, reason), then: () => put(node, h("p", { class: "notice good", role: "status" }, t("letters.sent"))) }));
  const node = h("li", { class: "letter" },
    h("b", {}, letter.type), h("small", {}, t("letters.facts", { consumer: named("consumer", letter.consumer), attempts: letter.attempts, time: moment(letter.first_failed_at, undefined), state: named("letter", letter.state) })),
    h("code", { class: "letter-error" }, letter.error), h("small", {}, letter.event_id), again);
  put(again, h("button", { class: "button small quiet", type: "button", onclick: form }, t("letters.retry")));
  return node;
}
