// The frame round every page: header with navigation and language, footer.

import { h, icon, put } from "./dom.js";
import { choose, current, languages, t } from "./i18n.js";
import * as login from "./login.js";
import { onlyInDemo } from "./parts/demo.js";

export function chrome() {
  const outlet = h("main", { id: "main", tabindex: "-1" });
  const header = h("header", { class: "top" });
  const footer = h("footer", { class: "bottom" });
  const skip = h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); outlet.focus(); } });
  const refresh = () => {
    skip.textContent = t("skip");
    put(header, headerBar());
    put(footer, footerBar());
  };
  refresh();
  return { node: h("div", { class: "frame" }, skip, header, outlet, footer), outlet, refresh };
}

function headerBar() {
  const someone = login.current() !== null;
  return h("div", { class: "wrap top-bar" },
    h("a", { class: "brand", href: "#/", "aria-label": "Stampede" },
      h("img", { src: "favicon.svg", alt: "", width: "30", height: "30" }),
      h("span", { class: "brand-name" }, "Stampede")),
    h("nav", { class: "top-nav", "aria-label": t("nav.label") },
      h("a", { class: "nav-link only-wide", href: "#/" }, t("nav.shows")),
      someone && link("#/orders", "ticket", t("nav.orders")),
      someone ? link("#/me", "user", t("nav.account")) : link("#/login", "user", t("nav.login")),
      languageSwitch()));
}

function link(href, symbol, words) {
  return h("a", { class: "nav-link", href, "aria-label": words }, icon(symbol), h("span", { class: "nav-words" }, words));
}

function languageSwitch() {
  const others = Object.keys(languages).filter((code) => code !== current());
  if (others.length > 1) return languageMenu();
  return others.map((other) => h("button", { class: "nav-link language", type: "button", lang: other, onclick: () => choose(other) },
    icon("globe"), h("span", {}, languages[other])));
}

function languageMenu() {
  const options = Object.entries(languages).map(([code, name]) => h("option", { value: code, lang: code, selected: code === current() }, name));
  return h("select", { class: "nav-link language", "aria-label": t("nav.language"), onchange: (event) => choose(event.target.value) }, options);
}

function footerBar() {
  return h("div", { class: "wrap bottom-bar" },
    h("p", {}, h("strong", {}, "Stampede"), ` · ${t("brand.tagline")}`),
    h("p", { class: "bottom-links" },
      onlyInDemo(h("span", {}, t("footer.note"))),
      h("a", { href: "/docs" }, t("footer.docs")),
      onlyInDemo(h("a", { href: "/dev/mailbox" }, t("footer.mailbox")))));
}
