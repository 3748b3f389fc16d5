// The other languages, to choose one.

import { h, icon } from "/js/dom.js";
import { choose, current, languages } from "/js/i18n.js";

export function languageSwitch() {
  const others = Object.keys(languages).filter((code) => code !== current());
  return others.map((other) => h("button", { class: "head-button", type: "button", lang: other, onclick: () => choose(other) },
    icon("globe"), h("span", {}, languages[other])));
}
