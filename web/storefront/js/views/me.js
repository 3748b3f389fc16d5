// The profile, and the way out.

import * as api from "../api.js";
import { h } from "../dom.js";
import * as i18n from "../i18n.js";
import { field, fieldErrors } from "../parts/field.js";
import { notice } from "../parts/states.js";
import { sentence } from "../problems.js";
import { go } from "../router.js";
import { form, needLogin, newPasswordField } from "./login.js";

const { t } = i18n;

function passwordForm() {
  const changed = notice("good");
  const current = field({ name: "current_password", label: t("me.password.current"), type: "password", autocomplete: "current-password", check: (value) => value.length > 0 });
  const next = newPasswordField(t("reset.password"));
  const act = async ({ current_password, password }) => {
    changed.say("");
    try {
      await api.changePassword(current_password, password);
    } catch (error) {
      if (error.code !== "invalid-credentials") throw error;
      return current.say(t("field.current_password.wrong"));
    }
    for (const one of [current, next]) one.input.value = "";
    return changed.say(t("me.password.changed"));
  };
  return form({ fields: [current, next], submit: t("me.password.submit"), words: changed.box, act, then: () => null });
}

export async function meView({ signal }) {
  if (needLogin()) return h("div");
  const profile = await api.profile(signal);
  const name = field({ name: "full_name", label: t("register.name"), autocomplete: "name", maxlength: "100", value: profile.full_name, check: (value) => value.trim().length > 0 });
  const phone = field({ name: "phone", label: t("me.phone"), type: "tel", autocomplete: "tel", maxlength: "32", value: profile.phone ?? "", required: false, check: () => true });
  const locale = h("select", { id: "field-locale", name: "locale" }, Object.entries(i18n.languages).map(([code, words]) => h("option", { value: code, lang: code, selected: code === profile.locale }, words)));
  const saved = notice("good");
  const failed = notice();
  const save = async (event) => {
    event.preventDefault();
    saved.say("");
    failed.say("");
    if (!name.check()) return name.input.focus();
    const changes = { full_name: name.input.value.trim(), phone: phone.input.value.trim() || null, locale: locale.value };
    try {
      await api.changeProfile(changes);
      return saved.say(t("me.saved"));
    } catch (error) {
      return fieldErrors([name, phone], error) || failed.say(sentence(error));
    }
  };
  const leave = async () => {
    await api.logOut();
    go("/");
  };
  return h("div", { class: "wrap account" }, h("div", { class: "account-card" },
    h("h1", {}, t("me.title")), h("p", { class: "lead" }, profile.email),
    h("form", { class: "account-form", novalidate: true, onsubmit: save }, name.node, phone.node,
      h("div", { class: "field" }, h("label", { for: "field-locale" }, t("me.locale")), locale, h("p", { class: "field-hint" }, t("me.locale.hint"))),
      saved.box, failed.box,
      h("button", { class: "button large wide", type: "submit" }, t("me.save"))),
    h("h2", {}, t("me.password")), passwordForm(),
    h("div", { class: "account-links" },
      h("a", { class: "link-button", href: "#/orders" }, t("nav.orders")),
      profile.roles.some((role) => ["staff", "admin"].includes(role)) && h("a", { class: "link-button", href: "#/door" }, t("nav.door")),
      h("button", { class: "link-button", type: "button", onclick: leave }, t("me.logout")))));
}
