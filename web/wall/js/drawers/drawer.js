// A dialog over the wall, and what its parts share.

import { h, icon, put } from "/js/dom.js";
import { field } from "/js/parts/field.js";
import { notice } from "/js/parts/states.js";
import { sentence } from "/js/problems.js";
import { t } from "../say.js";

let forms = 0; // so that two of them in one dialog have fields of their own

/** Opens it; `fill(body, signal)` is what it shows. It ends with the page or when it is closed. */
export function drawer(title, outer, fill) {
  const closing = new AbortController();
  const body = h("div", { class: "drawer-body" });
  const close = () => node.close();
  const node = h("dialog", { class: "drawer", "aria-labelledby": "drawer-title", onclose: () => closing.abort() },
    h("div", { class: "drawer-head" }, h("h2", { id: "drawer-title" }, title),
      h("button", { class: "icon-button", type: "button", "aria-label": t("close"), onclick: close }, icon("close"))), body);
  closing.signal.addEventListener("abort", () => node.remove());
  outer.addEventListener("abort", close, { once: true, signal: closing.signal });
  document.body.append(node);
  node.showModal();
  fill(body, closing.signal, close);
}

/** What `load` gives, as `draw` draws it; a refusal as its sentence, with a way to ask again. */
export async function loaded(place, signal, load, draw) {
  put(place, h("p", { class: "nothing", role: "status" }, t("wall.loading")));
  try {
    const found = await load();
    if (!signal.aborted) put(place, draw(found));
  } catch (error) {
    if (signal.aborted) return;
    const words = error.status === 404 ? t("drawer.not-there") : sentence(error);
    put(place, h("p", { class: "notice", role: "alert" }, words),
      h("button", { class: "button small quiet", type: "button", onclick: () => loaded(place, signal, load, draw) }, t("retry")));
  }
}

/** A form that changes something, which needs a reason. `act(values)` sends it, `then()` follows. */
export function reasoned({ submit, fields = [], act, then, bad = false }) {
  forms += 1;
  const reason = field({ name: `reason-${forms}`, label: t("reason.label"), hint: t("reason.hint"), maxlength: "200", autocomplete: "off", wrong: t("field.reason"), check: (value) => value.trim().length > 0 });
  const message = notice();
  const button = h("button", { class: bad ? "button bad" : "button", type: "submit" }, submit);
  const send = async (event) => {
    event.preventDefault();
    const wrong = [...fields, reason].find((one) => !one.check());
    if (wrong) return wrong.input.focus();
    button.disabled = true;
    message.say("");
    try {
      await act({ ...Object.fromEntries(fields.map(({ input }) => [input.name, input.value.trim()])), reason: reason.input.value.trim() });
      await then();
    } catch (error) {
      message.say(error.status === 404 ? t("drawer.not-there") : sentence(error));
    } finally {
      button.disabled = false;
    }
  };
  return h("form", { class: "reasoned", novalidate: true, onsubmit: send }, fields.map(({ node }) => node), reason.node, message.box, button);
}

/** A list that grows by pages. `load(cursor)` gives `{ items, next_cursor }`. */
export function paged(place, signal, load, row, none) {
  const list = h("ul", { class: "drawer-list" });
  const more = h("button", { class: "button small quiet", type: "button", hidden: true }, t("more"));
  let cursor = null;
  const add = ({ items, next_cursor }) => {
    list.append(...items.map(row));
    cursor = next_cursor;
    more.hidden = !cursor;
  };
  more.addEventListener("click", async () => {
    more.disabled = true;
    await load(cursor).then(add).catch(() => null);
    more.disabled = false;
  });
  return loaded(place, signal, () => load(null), (first) => {
    add(first);
    return first.items.length ? [list, more] : h("p", { class: "nothing" }, none);
  });
}
