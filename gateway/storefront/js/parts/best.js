// Best available: an area and how many. Also the way for who cannot or will not use the map.

import { announce, h, icon, put } from "../dom.js";
import { money } from "../format.js";
import { t } from "../i18n.js";
import { accessibleField } from "./accessible.js";
import { areaLeft } from "./sale.js";

/** `choice` is {area_id, quantity, accessible}, changed in place; `changed()` is called after each change. */
export function bestForm(session, choice, cap, changed) {
  const stepper = quantityStepper(choice, cap, changed);
  const accessible = accessibleField(session, choice, changed);
  const options = new Map(session.seat_areas.map((area) => [area.area_id, areaOption(area, choice, changed)]));
  const node = h("div", { class: "best" },
    h("p", { class: "hint" }, t("choose.best.lead")),
    h("fieldset", { class: "options" }, h("legend", {}, t("choose.area")), [...options.values()].map((option) => option.node)),
    stepper.node, accessible.node);
  const refresh = (free) => {
    for (const [area_id, option] of options) option.refresh(free.get(area_id));
    stepper.draw();
    accessible.draw();
  };
  return { node, refresh, accessible: accessible.wanted };
}

function areaOption(area, choice, changed) {
  const left = h("span", { class: "option-left" });
  const input = h("input", {
    type: "radio", name: "area", value: area.area_id, onchange: () => { choice.area_id = area.area_id; changed(); },
  });
  const node = h("label", { class: "option" }, input,
    h("span", { class: "option-face" },
      h("span", { class: `tier-mark tier-${area.tier % 6}`, "aria-hidden": "true" }),
      h("span", { class: "option-name" }, h("b", {}, area.name), left),
      h("span", { class: "option-price" }, money(area.price, area.currency))));
  const refresh = (available) => {
    const now = { ...area, available: available ?? area.available };
    put(left, area.kind === "standing" && `${t("area.standing")} · `, areaLeft(now));
    input.checked = choice.area_id === area.area_id;
    input.disabled = now.available <= 0 && !input.checked;
    node.classList.toggle("gone", now.available <= 0);
  };
  refresh(area.available);
  return { node, refresh };
}

function quantityStepper(choice, cap, changed) {
  const number = h("output", { class: "stepper-number", "aria-live": "polite" });
  const step = (by) => {
    choice.quantity = Math.min(cap, Math.max(1, choice.quantity + by));
    announce(String(choice.quantity));
    changed();
  };
  const button = (symbol, words, by) => h("button", { class: "stepper-button", type: "button", "aria-label": t(words), onclick: () => step(by) }, icon(symbol));
  const fewer = button("minus", "choose.fewer", -1);
  const more = button("plus", "choose.more", 1);
  const draw = () => {
    number.textContent = String(choice.quantity);
    fewer.disabled = choice.quantity <= 1;
    more.disabled = choice.quantity >= cap;
  };
  draw();
  const node = h("div", { class: "stepper-row", role: "group", "aria-label": t("choose.quantity") },
    h("span", {}, h("b", {}, t("choose.quantity")), h("small", {}, t("choose.limit", { count: cap }))),
    h("span", { class: "stepper" }, fewer, number, more));
  return { node, draw };
}
