// Own tickets that admit: bought, and given by others.

import * as api from "../api.js";
import { h, put } from "../dom.js";
import { t } from "../i18n.js";
import { empty } from "../parts/states.js";
import { ownTickets } from "../parts/tickets.js";
import { needLogin } from "./login.js";

const PAGE_SIZE = 50;

export async function ticketsView({ signal }) {
  if (needLogin()) return h("div");
  const node = h("div", { class: "wrap narrow orders" });
  const draw = async () => {
    const { tickets } = await api.tickets({ status: "valid", page_size: PAGE_SIZE }, signal);
    put(node,
      h("h1", {}, t("tickets.title")),
      tickets.length === 0
        ? empty(t("tickets.none"), t("tickets.none.detail"), h("a", { class: "button", href: "#/" }, t("orders.browse")))
        : [h("p", { class: "lead" }, t("order.tickets.lead")), ownTickets(tickets, draw)]);
  };
  await draw();
  return node;
}
