// Logging in and signing up. Both go on to `next`.

import * as api from "../api.js";
import { h } from "../dom.js";
import * as i18n from "../i18n.js";
import * as login from "../login.js";
import { sentence } from "../problems.js";
import { go, here, redraw } from "../router.js";
import { onlyInDemo } from "../parts/demo.js";
import { field, fieldErrors } from "../parts/field.js";
import { notice } from "../parts/states.js";

const { t } = i18n;
const DEMO = { email: "buyer@demo.stampede.example", password: "buy-2-tickets" }; // as runtime/demo makes it
const SHARED = "@demo.stampede.example"; // accounts that are everybody's: their language is nobody's choice

/** For pages that need somebody: leads to the login and says so by true. */
export function needLogin() {
  if (login.current()) return false;
  go(`/login?next=${encodeURIComponent(here())}`, { replace: true });
  return true;
}

/** Another tab has logged in or out: this one goes on as that person, from a login page to `next`. */
export function followLogin() {
  const [path, search] = here().split("?");
  if (login.current() && ["/login", "/register"].includes(path)) return go(nextOf(new URLSearchParams(search)), { replace: true });
  return redraw();
}

/** Only a path of this storefront: never an address that somebody put into a link. */
function nextOf(query) {
  const next = query.get("next") ?? "/";
  return next.startsWith("/") ? next : "/";
}

async function followProfile() {
  if (i18n.chosen()) return;
  const profile = await api.profile().catch(() => null);
  if (profile && !profile.email.endsWith(SHARED)) i18n.adopt(profile.locale);
}

export function form({ fields, submit, words, act, then }) {
  const message = notice();
  const button = h("button", { class: "button large wide", type: "submit" }, submit);
  const send = async (event) => {
    event.preventDefault();
    const wrong = fields.find((one) => !one.check());
    if (wrong) return wrong.input.focus();
    button.disabled = true;
    message.say("");
    const there = here();
    try {
      await act(Object.fromEntries(new FormData(event.target)));
      return await then(() => here() === there);
    } catch (problem) {
      return fieldErrors(fields, problem) || message.say(sentence(problem));
    } finally {
      button.disabled = false;
    }
  };
  return h("form", { class: "account-form", novalidate: true, onsubmit: send }, fields.map((one) => one.node), message.box, button, words);
}

/** Logged in: the page that was wanted, unless the reader has gone elsewhere. */
export const onTo = (path) => async (stillHere) => {
  await followProfile();
  if (stillHere()) go(path, { replace: true });
};

export function page(title, lead, ...content) {
  return h("div", { class: "wrap account" }, h("div", { class: "account-card" }, h("h1", {}, title), h("p", { class: "lead" }, lead), content));
}

export const emailField = () => field({ name: "email", label: t("login.email"), type: "email", autocomplete: "username", check: (value) => /^[^@\s]+@[^@\s]+$/.test(value) });

export const newPasswordField = (label) => field({ name: "password", label, type: "password", autocomplete: "new-password", hint: t("register.password.hint"), check: (value) => [...value].length >= 8 });

export async function loginView({ query }) {
  const fields = [
    emailField(),
    field({ name: "password", label: t("login.password"), type: "password", autocomplete: "current-password", check: (value) => value.length > 0 }),
  ];
  const demo = () => {
    for (const one of fields) one.input.value = DEMO[one.input.name];
    fields[0].input.form.requestSubmit();
  };
  const forgot = h("p", { class: "account-other" }, h("a", { href: "#/forgot" }, t("login.forgot")));
  const other = h("p", { class: "account-other" }, t("login.new"), " ", h("a", { href: `#/register?${query}` }, t("nav.register")));
  const lead = query.get("for") === "order" ? t("login.for-order") : t("login.lead");
  return page(t("login.title"), lead,
    form({ fields, submit: t("login.submit"), words: [forgot, other], act: ({ email, password }) => api.logIn(email.trim(), password), then: onTo(nextOf(query)) }),
    onlyInDemo(h("div", { class: "demo-box" }, h("b", {}, t("login.demo")), h("code", {}, DEMO.email), h("button", { class: "link-button", type: "button", onclick: demo }, t("login.demo.use")))));
}

export async function registerView({ query }) {
  const fields = [
    field({ name: "full_name", label: t("register.name"), autocomplete: "name", maxlength: "100", check: (value) => value.trim().length > 0 }),
    emailField(),
    newPasswordField(t("login.password")),
  ];
  const other = h("p", { class: "account-other" }, t("register.known"), " ", h("a", { href: `#/login?${query}` }, t("nav.login")));
  const act = ({ email, password, full_name }) => api.register(email.trim(), password, full_name.trim(), i18n.chosen() ? i18n.current() : undefined);
  return page(t("register.title"), t("register.lead"), form({ fields, submit: t("register.submit"), words: other, act, then: onTo(nextOf(query)) }));
}
