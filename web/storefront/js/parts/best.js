// Best available: an area and how many. Also the way for who cannot or will not use the map.
// Areas are a list where there is room, and one menu on a phone: area, price and button fit together.

import { announce, h, icon, put } from "../dom.js";
import { count, money } from "../format.js";
import { t } from "../i18n.js";
import { accessibleField } from "./accessible.js";
import { areaLeft } from "./sale.js";

/** `choice` is {area_id, quantity, accessible}, changed in place; `changed()` is called after each change.
    `refresh(areas)` is told what is left of them. */
export function bestForm(session, choice, cap, changed) {
  const stepper = quantityStepper(choice, cap, changed);
  const accessible = accessibleField(session, choice, changed);
  const options = session.seat_areas.map((area) => areaOption(area, choice, changed));
  const menu = areaMenu(session.seat_areas, choice, changed);
  const node = h("div", { class: "best" },
    h("p", { class: "hint" }, t("choose.best.lead")),
    h("fieldset", { class: "options" }, h("legend", {}, t("choose.area")), options.map((option) => option.node)),
    menu.node, h("div", { class: "best-foot" }, stepper.node, accessible.node));
  let inSight = null;
  const refresh = (areas) => {
    areas.forEach((area, index) => options[index].refresh(area));
    menu.refresh(areas);
    stepper.draw(affordable(choice, areas, cap));
    accessible.draw();
    if (choice.area_id !== inSight) requestAnimationFrame(() => node.querySelector(".option input:checked")?.closest(".option").scrollIntoView({ block: "nearest" }));
    inSight = choice.area_id;
  };
  return { node, refresh, accessible: accessible.wanted };
}

/** How many may be asked for of the chosen area: never more than are left, and one at least. */
function affordable({ area_id }, areas, cap) {
  const left = areas.find((area) => area.area_id === area_id)?.available ?? cap;
  return Math.max(1, Math.min(cap, left));
}

/** The cheapest area with room for so many, else with any: nobody is led to the dearest. */
export function cheapestArea(areas, quantity) {
  const cheapest = (few) => few.reduce((best, area) => (best && best.price <= area.price ? best : area), null);
  const roomFor = (least) => cheapest(areas.filter((area) => area.available >= least));
  return (roomFor(quantity) ?? roomFor(1) ?? cheapest(areas))?.area_id;
}

function areaMenu(areas, choice, changed) {
  const option = ({ area_id, name, total_price, currency, available }) => {
    const left = available > 0 ? t("area.available", { available: count(available) }) : t("area.none");
    return h("option", { value: area_id, disabled: available <= 0 && choice.area_id !== area_id }, `${name} · ${money(total_price, currency)} · ${left}`);
  };
  const select = h("select", { id: "best-area", onchange: () => { choice.area_id = select.value; changed(); } });
  const node = h("div", { class: "field area-menu" }, h("label", { for: "best-area" }, t("choose.area")), select);
  let shown = "";
  const refresh = (fresh) => {
    const options = fresh.map(option);
    const now = options.map((one) => `${one.textContent}${one.disabled}`).join("|");
    if (now !== shown) put(select, options); // an open menu is not closed for nothing
    shown = now;
    select.value = choice.area_id ?? "";
  };
  return { node, refresh };
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
      h("span", { class: "option-price" }, money(area.total_price, area.currency))));
  const refresh = (now) => {
    put(left, area.kind === "standing" && `${t("area.standing")} · `, areaLeft(now));
    input.checked = choice.area_id === area.area_id;
    input.disabled = now.available <= 0 && !input.checked;
    node.classList.toggle("gone", now.available <= 0);
  };
  return { node, refresh };
}

/** `choice.quantity` is what is wished; where fewer are left, fewer are shown and ordered. */
function quantityStepper(choice, cap, changed) {
  const number = h("output", { class: "stepper-number", "aria-live": "polite" });
  let most = cap;
  const step = (by) => {
    choice.quantity = Math.min(most, Math.max(1, Math.min(choice.quantity, most) + by));
    announce(String(choice.quantity));
    changed();
  };
  const button = (symbol, words, by) => h("button", { class: "stepper-button", type: "button", "aria-label": t(words), onclick: () => step(by) }, icon(symbol));
  const fewer = button("minus", "choose.fewer", -1);
  const more = button("plus", "choose.more", 1);
  const draw = (most_now) => {
    most = most_now;
    const shown = Math.min(choice.quantity, most);
    if (number.textContent !== String(shown)) number.textContent = String(shown);
    fewer.disabled = shown <= 1;
    more.disabled = shown >= most;
  };
  const node = h("div", { class: "stepper-row", role: "group", "aria-label": t("choose.quantity") },
    h("span", {}, h("b", {}, t("choose.quantity")), h("small", {}, t("choose.limit", { count: cap }))),
    h("span", { class: "stepper" }, fewer, number, more));
  return { node, draw };
}
