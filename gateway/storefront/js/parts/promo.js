// A promo code beside an order, folded away until somebody has one; and what it took off.

import { h } from "../dom.js";
import { money } from "../format.js";
import { t } from "../i18n.js";

export function promoField(value, changed) {
  const input = h("input", {
    id: "field-promo_code", name: "promo_code", type: "text", value, maxlength: "64", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", oninput: () => changed(input.value.trim()),
  });
  const node = h("details", { class: "promo", open: Boolean(value) },
    h("summary", {}, t("promo.have")),
    h("div", { class: "field" }, h("label", { for: "field-promo_code" }, t("promo.code")), input));
  const point = () => {
    node.open = true;
    input.focus();
    input.select();
  };
  return { node, point };
}

/** A line of an order's sum, when a code took something off. */
export function discountOf({ promo_code, discount, currency }) {
  if (!promo_code) return null;
  return h("li", { class: "discount" }, h("span", {}, t("promo.off", { code: promo_code })), h("span", {}, `−${money(discount, currency)}`));
}
