// A promo code beside an order, folded away until somebody has one; and what it took off.
//
// Whether a code is good, and what it takes off, is decided with the order: limits are per person and
// in total. So applying one here says that it goes with the order, and that the price is shown before
// anything is paid.

import { h, put } from "../dom.js";
import { money } from "../format.js";
import { t } from "../i18n.js";

/** `changed(code)` on each change; a code that was typed and not applied goes with the order as well. */
export function promoField(value, changed) {
  const summary = h("summary");
  const said = h("p", { class: "hint", role: "status" });
  const input = h("input", {
    id: "field-promo_code", name: "promo_code", type: "text", value, maxlength: "64", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", oninput: () => { said.textContent = ""; take(); },
  });
  const take = () => {
    const code = input.value.trim();
    put(summary, code ? t("promo.with", { code: code.toUpperCase() }) : t("promo.have"));
    changed(code);
    return code;
  };
  const apply = (event) => {
    event.preventDefault();
    said.textContent = take() ? t("promo.applied") : t("field.promo_code");
  };
  const node = h("details", { class: "promo", open: Boolean(value) }, summary,
    h("form", { class: "promo-form", novalidate: true, onsubmit: apply },
      h("label", { class: "visually-hidden", for: "field-promo_code" }, t("promo.code")), input,
      h("button", { class: "button quiet", type: "submit" }, t("promo.apply"))),
    said);
  const point = () => {
    node.open = true;
    said.textContent = "";
    input.focus();
    input.select();
  };
  take();
  return { node, point };
}

/** A line of an order's sum, when a code took something off. */
export function discountOf({ promo_code, discount, currency }) {
  if (!promo_code) return null;
  return h("li", { class: "discount" }, h("span", {}, t("promo.off", { code: promo_code })), h("span", {}, `−${money(discount, currency)}`));
}
