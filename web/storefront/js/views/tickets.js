// Own tickets, bought or given: those that admit, those that were used, those that went.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import { t } from "../i18n.js";
import { empty } from "../parts/states.js";
import { goneTickets, ownTickets } from "../parts/tickets.js";
import { needLogin } from "./login.js";

const PAGE_SIZE = 50;

export async function ticketsView({ signal }) {
  if (needLogin()) return h("div");
  const node = h("div", { class: "wrap narrow orders" });
  const shown = { valid: 1, checked_in: 1, void: 1 }; // pages of each
  const draw = async () => {
    const [valid, used, gone] = await Promise.all(Object.keys(shown).map((status) => pagesOf(status, shown[status], signal)));
    const more = (found, status) => found.tickets.length < found.total && h("button", { class: "button quiet", type: "button", onclick: () => { shown[status] += 1; draw(); } }, t("tickets.more"));
    const none = valid.total + used.total + gone.total === 0;
    put(node,
      h("h1", {}, t("tickets.title")),
      none && empty(t("tickets.none"), t("tickets.none.detail"), h("a", { class: "button", href: "#/" }, t("orders.browse"))),
      !none && valid.total === 0 && h("p", { class: "lead" }, t("tickets.none.valid")),
      valid.total > 0 && [h("p", { class: "lead" }, t("order.tickets.lead")), ownTickets(valid.tickets, draw), more(valid, "valid")],
      used.total > 0 && [h("h2", {}, t("tickets.used")), ownTickets(used.tickets, null), more(used, "checked_in")],
      gone.total > 0 && [h("h2", {}, t("tickets.gone")), goneTickets(gone.tickets), more(gone, "void")]);
  };
  await draw();
  return node;
}

/** The first so many pages of the tickets that are `status` now, and how many there are. */
async function pagesOf(status, pages, signal) {
  const numbers = Array.from({ length: pages }, (_, index) => index + 1);
  const found = await Promise.all(numbers.map((page) => api.tickets({ status, page, page_size: PAGE_SIZE }, signal)));
  return { tickets: found.flatMap((one) => one.tickets), total: found.at(-1).total };
}
