// Forgotten passwords: asking for a link, and what the link in the mail opens.

import * as api from "../api.js";
import { h } from "../dom.js";
import { t } from "../i18n.js";
import { notice } from "../parts/states.js";
import { emailField, form, newPasswordField, onTo, page } from "./login.js";

let token = ""; // of the link that this tab was opened by; in no address, history or storage

export async function forgotView() {
  const sent = notice("good");
  const email = emailField();
  const then = () => sent.say(t("forgot.sent"));
  const act = (values) => api.askForPasswordLink(values.email.trim());
  const words = [sent.box, h("p", { class: "account-other" }, h("a", { href: "#/login" }, t("forgot.back")))];
  return page(t("forgot.title"), t("forgot.lead"), form({ fields: [email], submit: t("forgot.submit"), words, act, then }));
}

export async function resetView({ query }) {
  if (query.has("token")) {
    token = query.get("token");
    history.replaceState(null, "", "#/reset"); // so that nobody finds it in the history of this browser
  }
  const again = h("p", { class: "account-other" }, h("a", { href: "#/forgot" }, t("reset.again")));
  if (!token) return page(t("reset.title"), t("reset.no-link"), again);
  const act = async ({ password }) => {
    await api.resetPassword(token, password);
    token = "";
  };
  return page(t("reset.title"), t("reset.lead"),
    form({ fields: [newPasswordField(t("reset.password"))], submit: t("reset.submit"), words: again, act, then: onTo("/me") }));
}
