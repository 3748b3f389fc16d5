// Best available: where, and how many. Also the way for who cannot or will not use the map. "Where" is an
// area, any area at a price, or anywhere up to a price. It is a list where there is room, and one menu on a
// phone: area, price and button fit together.

import { announce, h, icon, put } from "../dom.js";
import { count, money } from "../format.js";
import { t } from "../i18n.js";
import { accessibleField } from "./accessible.js";
import { areaLeft } from "./sale.js";

export const SCOPES = ["price_max", "price", "area"];
const TWO_ROWS_FROM = 3;
const NARROW = "(max-width: 859px), (max-height: 520px)"; // as in seats.css: a menu and no list

/** A price category belongs to an area, so a session with such sells by area. */
const scopesOf = ({ seat_areas, price_categories }) => (seat_areas.length > 1 && !price_categories?.length ? SCOPES : ["area"]);

/** All that may be chosen in a scope, the cheapest first: the one proposed is at the top. Each {scope, key, name, price, currency, tier, kind, available, accessible}. */
export function offers(areas, scope) {
  if (scope === "area") return areas.map((area) => ({ ...area, scope, key: area.area_id })).sort((one, two) => one.price - two.price);
  const prices = [...new Set(areas.map((area) => area.price))].sort((one, two) => one - two);
  return prices.map((price) => offerAt(areas, scope, price));
}

function offerAt(areas, scope, price) {
  const some = areas.filter((area) => (scope === "price" ? area.price === price : area.price <= price));
  const { currency, tier, total_price } = areas.find((area) => area.price === price);
  const available = some.reduce((sum, area) => sum + area.available, 0);
  const name = t(`choose.scope.${scope}.option`, { price: money(total_price, currency), count: some.length });
  return { scope, key: String(price), name, price, total_price, currency, tier, kind: "seated", available, accessible: some.some((area) => area.accessible) };
}

/** The offer that is chosen, or undefined. */
export function chosen(areas, { scope, key }) {
  return offers(areas, scope).find((offer) => offer.key === key);
}

/** The cheapest area with room for so many, else with any: nobody is led to the dearest. */
export function cheapestArea(areas, quantity) {
  const cheapest = (few) => few.reduce((best, area) => (best && best.price <= area.price ? best : area), null);
  const roomFor = (least) => cheapest(areas.filter((area) => area.available >= least));
  return (roomFor(quantity) ?? roomFor(1) ?? cheapest(areas))?.area_id;
}

/** `choice` is {scope, key, quantity, accessible, two_rows}, changed in place; `changed()` is called after each
    change. `refresh(areas)` is told what is left of them. `signal` ends it. */
export function bestForm(session, choice, cap, changed, signal) {
  const take = (scope, key) => { Object.assign(choice, { scope, key }); changed(); };
  const list = offerList(choice, take);
  const scopes = scopeTabs(scopesOf(session), choice, (scope) => take(scope, firstOf(list.areas(), scope, choice)));
  const menu = offerMenu(scopesOf(session), choice, take, signal);
  const stepper = quantityStepper(choice, cap, changed);
  const accessible = accessibleField(choice, changed);
  const twoRows = twoRowsField(choice, changed);
  const node = h("div", { class: "best" },
    h("p", { class: "hint" }, t("choose.best.lead")), scopes.node, list.node, menu.node,
    h("div", { class: "best-foot" }, stepper.node, accessible.node, twoRows.node));
  const refresh = (areas) => {
    const offer = chosen(areas, choice);
    const most = Math.max(1, Math.min(cap, offer?.available ?? cap));
    const quantity = Math.min(choice.quantity, most);
    scopes.draw();
    list.refresh(areas);
    menu.refresh(areas);
    stepper.draw(most);
    accessible.draw(Boolean(offer?.accessible), quantity);
    twoRows.draw(offer?.kind !== "standing" && quantity >= TWO_ROWS_FROM);
  };
  return { node, refresh };
}

/** The cheapest offer of a scope with anything left; for prices the one of the area that was chosen. */
function firstOf(areas, scope, choice) {
  if (scope === "area") return cheapestArea(areas.filter((area) => String(area.price) === choice.key), choice.quantity) ?? cheapestArea(areas, choice.quantity);
  const area = areas.find((one) => one.area_id === choice.key);
  return area ? String(area.price) : choice.key;
}

function scopeTabs(scopes, choice, take) {
  const button = (scope) => h("button", { type: "button", dataset: { scope }, onclick: () => take(scope) }, t(`choose.scope.${scope}`));
  const buttons = scopes.map(button);
  const node = h("div", { class: "segmented scopes", role: "group", "aria-label": t("choose.scope"), hidden: scopes.length < 2 }, buttons);
  const draw = () => buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.scope === choice.scope)));
  return { node, draw };
}

function offerList(choice, take) {
  const legend = h("legend");
  const node = h("fieldset", { class: "options" });
  let [areas, scope, options, inSight] = [[], null, [], null];
  const draw = () => {
    scope = choice.scope;
    options = offers(areas, scope).map((offer) => option(offer, choice, take));
    put(legend, t(`choose.scope.${scope}`));
    put(node, legend, options.map((one) => one.node));
  };
  const refresh = (fresh) => {
    areas = fresh;
    if (scope !== choice.scope) draw();
    offers(areas, scope).forEach((offer, number) => options[number].refresh(offer));
    const at = `${choice.scope} ${choice.key}`;
    if (at !== inSight) requestAnimationFrame(() => node.querySelector(".option input:checked")?.closest(".option").scrollIntoView({ block: "nearest" }));
    inSight = at;
  };
  return { node, refresh, areas: () => areas };
}

function option(offer, choice, take) {
  const left = h("span", { class: "option-left" });
  const input = h("input", { type: "radio", name: "area", value: offer.key, onchange: () => take(offer.scope, offer.key) });
  const node = h("label", { class: "option" }, input,
    h("span", { class: "option-face" },
      h("span", { class: `tier-mark tier-${offer.tier % 8}`, "aria-hidden": "true" }),
      h("span", { class: "option-name" }, h("b", {}, offer.name), left),
      offer.scope === "area" && h("span", { class: "option-price" }, money(offer.total_price, offer.currency))));
  let shown = "";
  const refresh = (now) => {
    const fresh = `${now.available} ${choice.key === offer.key}`;
    if (fresh === shown) return;
    shown = fresh;
    put(left, now.kind === "standing" && `${t("area.standing")} · `, areaLeft(now));
    input.checked = choice.key === offer.key;
    input.disabled = now.available <= 0 && !input.checked;
    node.classList.toggle("gone", now.available <= 0);
  };
  return { node, refresh };
}

/** Everything in one menu. */
function offerMenu(scopes, choice, take, signal) {
  const select = h("select", { id: "best-area", onchange: () => {
    const [scope, ...key] = select.value.split(" ");
    take(scope, key.join(" "));
  } });
  const node = h("div", { class: "field area-menu" }, h("label", { for: "best-area" }, t("choose.area")), select);
  const words = ({ scope, name, total_price, currency, available }) => {
    const left = available > 0 ? t("area.available", { available: count(available) }) : t("area.none");
    return [name, scope === "area" && money(total_price, currency), left].filter(Boolean).join(" · ");
  };
  const narrow = matchMedia(NARROW);
  narrow.addEventListener("change", () => refresh(last), { signal });
  let [shown, last] = ["", []];
  const refresh = (areas) => {
    last = areas;
    if (node.isConnected && !narrow.matches) return;
    const groups = scopes.map((scope) => [scope, offers(areas, scope)]);
    const now = groups.map(([, all]) => all.map(words).join("|")).join("|");
    if (now !== shown) put(select, groups.map(([scope, all]) => h("optgroup", { label: t(`choose.scope.${scope}`) }, all.map((offer) => h("option", { value: `${scope} ${offer.key}`, disabled: offer.available <= 0 && choice.key !== offer.key }, words(offer))))));
    shown = now; // an open menu is not closed for nothing
    select.value = `${choice.scope} ${choice.key}`;
  };
  return { node, refresh };
}

/** Larger groups may sit in two rows. */
function twoRowsField(choice, changed) {
  const input = h("input", { type: "checkbox", name: "two_rows", onchange: () => { choice.two_rows = input.checked; changed(); } });
  const node = h("label", { class: "accessible-field two-rows" }, input, h("span", {}, h("b", {}, t("choose.two-rows")), h("small", {}, t("choose.two-rows.hint"))));
  const draw = (offered) => {
    node.hidden = !offered;
    if (!offered) choice.two_rows = false;
    input.checked = Boolean(choice.two_rows);
  };
  return { node, draw };
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
