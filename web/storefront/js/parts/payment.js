// Paying an order, or giving it up.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import { money } from "../format.js";
import { has, t } from "../i18n.js";
import { sentence } from "../problems.js";
import { field } from "./field.js";
import { notice } from "./states.js";

const METHODS = ["alipay", "wechat_pay", "card"];
const GONE = ["order-expired", "order-not-payable", "order-not-cancellable"];

/** `options`: who takes the money here.  `paid(answer)`, `later()` when the provider answers later, `changed()` when the order is another now.
    What the order says of a payment begun before this page was drawn is said here too. */
export function payment(order, options, { paid, later, changed }) {
  const tokens = tokensOf(options);
  const message = notice();
  const words = t("order.pay", { amount: money(order.total_amount, order.currency) });
  const button = h("button", { class: "button large wide", type: "submit" }, words);
  const cancel = h("button", { class: "link-button", type: "button", onclick: () => dialog.showModal() }, t("order.cancel"));
  const busy = (is, label = words) => {
    button.disabled = cancel.disabled = is;
    put(button, label);
  };

  const submit = async (event) => {
    event.preventDefault();
    if (!tokens.check()) return null;
    const data = new FormData(event.target);
    busy(true, t("order.paying"));
    message.say("");
    try {
      const answer = await api.pay(order.order_id, { payment_method: data.get("method"), payment_token: data.get("token") });
      if (answer.status === "paid") return await paid(answer);
      put(button, t("order.processing"));
      return later();
    } catch (error) {
      busy(false);
      message.say(sentence(error));
      if (GONE.includes(error.code)) changed();
      return button.focus();
    }
  };

  const dialog = cancelDialog(async () => {
    busy(true);
    try {
      await api.cancel(order.order_id);
      await changed();
    } catch (error) {
      busy(false);
      message.say(sentence(error));
      if (GONE.includes(error.code)) changed();
    }
  });

  if (order.payment?.status === "processing") {
    busy(true, t("order.processing"));
    later();
  } else if (order.payment?.status === "failed") {
    message.say(t("problem.payment-declined"));
  }

  return h("form", { class: "payment", novalidate: true, onsubmit: submit },
    h("fieldset", { class: "methods" }, h("legend", {}, t("order.method")),
      METHODS.map((method, index) => choice("method", method, t(`order.${method}`), index === 0, h("span", { class: `method-mark ${method}`, "aria-hidden": "true" })))),
    tokens.node,
    message.box, button, h("p", { class: "centred" }, cancel), dialog);
}

/** Where no money moves, every way that a payment can end; elsewhere the token that the provider's own form has made. */
function tokensOf({ provider, test_tokens }) {
  if (test_tokens.length === 0) {
    return field({ name: "token", label: t("payment.token"), hint: t("payment.token.hint", { provider }), autocomplete: "off", maxlength: "255", check: (value) => value.trim() !== "" });
  }
  const words = (token) => (has(`sandbox.${token}`) ? t(`sandbox.${token}`) : token);
  const node = h("fieldset", { class: "sandbox" }, h("legend", {}, t("sandbox.title")), h("p", {}, t("sandbox.lead")),
    h("div", { class: "sandbox-choices" }, test_tokens.map((token, index) => choice("token", token, words(token), index === 0, h("code", {}, token)))));
  return { node, check: () => true };
}

function choice(name, value, words, checked, mark) {
  return h("label", { class: "option" }, h("input", { type: "radio", name, value, checked }),
    h("span", { class: "option-face" }, mark, h("span", { class: "option-name" }, h("b", {}, words))));
}

function cancelDialog(sure) {
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "cancel-title" });
  const close = () => dialog.close();
  put(dialog,
    h("h2", { id: "cancel-title" }, t("order.cancel.sure")), h("p", {}, t("order.cancel.detail")),
    h("div", { class: "row" },
      h("button", { class: "button quiet", type: "button", onclick: close }, t("order.cancel.keep")),
      h("button", { class: "button bad", type: "button", onclick: () => { close(); sure(); } }, t("order.cancel"))));
  return dialog;
}
