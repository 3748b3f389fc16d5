// A labelled input that says what is wrong with it.

import { h } from "../dom.js";
import { t } from "../i18n.js";

/** `check(value)` tells whether it may be sent; `.check()` shows `wrong`, or the sentence for the field, if not. */
export function field({ name, label, type = "text", hint = "", check, wrong: sentence = "", ...props }) {
  const id = `field-${name}`;
  const wrong = h("p", { class: "field-wrong", id: `${id}-wrong`, role: "alert" });
  const input = h("input", { id, name, type, required: true, "aria-describedby": hint ? `${id}-hint ${id}-wrong` : `${id}-wrong`, oninput: () => say(""), ...props });
  const say = (words) => {
    wrong.textContent = words;
    input.setAttribute("aria-invalid", String(Boolean(words)));
  };
  const node = h("div", { class: "field" }, h("label", { for: id }, label), input, hint && h("p", { class: "field-hint", id: `${id}-hint` }, hint), wrong);
  const ask = () => {
    const fine = check(input.value);
    say(fine ? "" : sentence || t(`field.${name}`));
    return fine;
  };
  return { node, input, say, check: ask };
}

/** Puts a validation answer's findings beside the fields they name; true if all found their place. */
export function fieldErrors(fields, problem) {
  const errors = problem.code === "validation-failed" ? problem.document.errors ?? [] : [];
  const places = errors.map((error) => fields.find((one) => one.input.name === error.field));
  if (errors.length === 0 || places.includes(undefined)) return false;
  places.forEach((place) => place.say(t(`field.${place.input.name}`)));
  places[0].input.focus();
  return true;
}
