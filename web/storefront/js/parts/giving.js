// Giving a ticket to another account: at once, and for good.

import * as api from "../api.js";
import { announce, h } from "../dom.js";
import { seatName } from "../format.js";
import { t } from "../i18n.js";
import { sentence } from "../problems.js";
import { field, fieldErrors } from "./field.js";
import { notice } from "./states.js";

/** A button that opens the dialog; `given()` when the ticket has gone. */
export function giving(ticket, given) {
  const place = h("div", { class: "ticket-acts" });
  const open = () => {
    const dialog = giveDialog(ticket, given);
    dialog.addEventListener("close", () => dialog.remove());
    place.append(dialog);
    dialog.showModal();
  };
  place.append(h("button", { class: "link-button", type: "button", onclick: open }, t("give.open")));
  return place;
}

function giveDialog(ticket, given) {
  const message = notice();
  const email = field({ name: "to_email", label: t("give.email"), type: "email", autocomplete: "off", maxlength: "254", check: (value) => /^\S+@\S+\.\S+$/.test(value.trim()) });
  const sure = h("button", { class: "button", type: "submit" }, t("give.sure"));
  const submit = async (event) => {
    event.preventDefault();
    message.say("");
    if (!email.check()) return email.input.focus();
    sure.disabled = true;
    try {
      await api.transfer(ticket.ticket_id, email.input.value.trim());
      dialog.close();
      announce(t("give.done", { seat: seatName(ticket) }));
      return await given();
    } catch (error) {
      sure.disabled = false;
      return fieldErrors([email], error) || message.say(sentence(error));
    }
  };
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "give-title" },
    h("h2", { id: "give-title" }, t("give.title")), h("p", {}, h("b", {}, seatName(ticket))), h("p", {}, t("give.detail")),
    h("form", { class: "give-form", novalidate: true, onsubmit: submit }, email.node, message.box,
      h("div", { class: "row" }, h("button", { class: "button quiet", type: "button", onclick: () => dialog.close() }, t("give.keep")), sure)));
  return dialog;
}
