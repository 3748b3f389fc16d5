// Who is not logged in, or may not watch.

import { logIn } from "/js/api.js";
import { h } from "/js/dom.js";
import { end } from "/js/login.js";
import { field } from "/js/parts/field.js";
import { notice } from "/js/parts/states.js";
import { sentence } from "/js/problems.js";
import { languageSwitch } from "./languages.js";
import { t } from "./say.js";

export function loginPage() {
  const email = field({ name: "email", label: t("login.email"), type: "email", autocomplete: "username", check: (value) => value.includes("@") });
  const password = field({ name: "password", label: t("login.password"), type: "password", autocomplete: "current-password", check: (value) => value.length > 0 });
  const message = notice();
  const button = h("button", { class: "button wide", type: "submit" }, t("login.submit"));
  const send = async (event) => {
    event.preventDefault();
    const wrong = [email, password].find((one) => !one.check());
    if (wrong) return wrong.input.focus();
    button.disabled = true;
    message.say("");
    await logIn(email.input.value.trim(), password.input.value).catch((error) => message.say(sentence(error)));
    button.disabled = false;
  };
  return entrance(h("p", { class: "lead" }, t("wall.login")),
    h("form", { class: "entrance-form", novalidate: true, onsubmit: send }, email.node, password.node, message.box, button));
}

/** `retry`: what may be tried again; without it another account is what helps. */
export function refusedPage(words, retry = null) {
  const act = retry ?? end;
  return entrance(h("p", { class: "lead", role: "alert" }, words),
    h("button", { class: "button", type: "button", onclick: () => act() }, t(retry ? "retry" : "wall.other-account")));
}

function entrance(...content) {
  return h("main", { class: "entrance" }, h("div", { class: "entrance-card" },
    h("div", { class: "entrance-head" }, h("h1", {}, t("wall.title")), languageSwitch()), content));
}
