// What a page shows instead of its content: still loading, nothing there, something wrong.

import { h, icon } from "../dom.js";
import { t } from "../i18n.js";
import { sentence } from "../problems.js";

export function loading() {
  const bones = [1, 2, 3].map(() => h("span", { class: "bone" }));
  return h("div", { class: "wrap loading", role: "status" }, h("span", { class: "visually-hidden" }, t("loading")), bones);
}

export function empty(title, detail, ...actions) {
  return h("div", { class: "empty" },
    h("span", { class: "empty-mark" }, icon("ticket")),
    h("h2", {}, title), h("p", {}, detail), h("div", { class: "row centred" }, actions));
}

export function failure(error, { title = t("page.failed"), detail = sentence(error), retry = null } = {}) {
  return h("div", { class: "wrap empty", role: "alert" },
    h("span", { class: "empty-mark" }, icon("alert")),
    h("h1", {}, title), h("p", {}, detail),
    h("div", { class: "row centred" },
      retry && h("button", { class: "button", type: "button", onclick: retry }, t("retry")),
      h("a", { class: "button quiet", href: "#/" }, t("page.home"))));
}

/** A box for messages that a form or panel may show: `say(text)`, `say("")` empties it. */
export function notice(tone = "bad") {
  const text = h("span");
  const box = h("div", { class: `notice ${tone}`, role: "alert", hidden: true }, icon(tone === "good" ? "check" : "alert"), text);
  const say = (words) => {
    box.hidden = !words;
    text.textContent = words;
  };
  return { box, say };
}
