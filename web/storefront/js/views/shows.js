// The first page: search, filters, the shows.

import * as api from "../api.js";
import { announce, h, icon, put } from "../dom.js";
import { day, money } from "../format.js";
import { t } from "../i18n.js";
import { badge, liveBadge, showState, watchSale } from "../parts/sale.js";
import { poster } from "../parts/poster.js";
import { empty, failure } from "../parts/states.js";

const PAGE_SIZE = 12;
const FACETS_FROM = 100; // the API's largest page: enough to learn which cities and categories exist
const TYPING_PAUSE_MS = 280;
const SALE_BADGES = {
  open: () => badge("on_sale", t("shows.on-sale")),
  upcoming: () => badge("scheduled", t("shows.not-on-sale")),
  sold_out: () => badge("sold_out"),
  closed: () => badge("closed"),
};
const FEATURED_FIRST = "演唱会"; // what most people come for

export async function showsView({ query, signal }) {
  const filters = Object.fromEntries(["q", "city", "category"].map((name) => [name, query.get(name) ?? ""]));
  filters.page = Math.max(1, Number.parseInt(query.get("page"), 10) || 1);
  const results = h("section", { class: "results", "aria-live": "off" });
  const page = new ShowsPage(filters, results, signal);
  const [facets, found] = await Promise.all([facetsOf(signal), page.ask()]);
  page.featured = facets.featured;
  page.draw(found, { quiet: true });
  const head = h("div", { class: "hero" }, h("div", { class: "wrap" },
    h("h1", {}, t("shows.title")), h("p", { class: "lead" }, t("shows.lead")), page.searchBox()));
  return h("div", {}, head, h("div", { class: "wrap" }, page.filterRows(facets), results));
}

async function facetsOf(signal) {
  const { shows } = await api.shows({ page_size: FACETS_FROM }, signal);
  const distinct = (name) => [...new Set(shows.map((show) => show[name]))];
  const open = shows.filter((show) => show.on_sale);
  const featured = open.find((show) => show.category === FEATURED_FIRST) ?? open[0] ?? null;
  return { city: distinct("city"), category: distinct("category"), featured };
}

class ShowsPage {
  constructor(filters, results, signal) {
    Object.assign(this, { filters, results, signal, asked: 0 });
  }

  searchBox() {
    let pause;
    const type = (event) => {
      clearTimeout(pause);
      pause = setTimeout(() => this.change({ q: event.target.value.trim() }, { typing: true }), TYPING_PAUSE_MS);
    };
    const input = h("input", { type: "search", id: "search", name: "q", placeholder: t("shows.search"), "aria-label": t("shows.search"), autocomplete: "off", maxlength: "100", value: this.filters.q, oninput: type });
    const submit = (event) => {
      event.preventDefault();
      clearTimeout(pause);
      this.change({ q: input.value.trim() });
    };
    return h("form", { class: "search", role: "search", onsubmit: submit },
      icon("search"), input, h("button", { class: "button", type: "submit" }, t("shows.search.button")));
  }

  filterRows(facets) {
    const rows = h("div", { class: "filters" });
    const draw = () => put(rows, ["city", "category"].map((name) => this.filterRow(name, facets[name])));
    this.redrawFilters = draw;
    draw();
    return rows;
  }

  filterRow(name, values) {
    const chip = (value, words) => h("button", {
      class: "chip", type: "button", "aria-pressed": String(this.filters[name] === value), onclick: () => this.change({ [name]: value }),
    }, words);
    return h("div", { class: "filter-row", role: "group", "aria-label": t(`shows.${name}`) },
      h("span", { class: "filter-name", "aria-hidden": "true" }, t(`shows.${name}`)),
      h("div", { class: "chips" }, chip("", t("shows.all")), values.map((value) => chip(value, value))));
  }

  /** New filters: the address follows, so that back, reload and sharing work. */
  change(changes, { typing = false } = {}) {
    Object.assign(this.filters, { page: 1 }, changes);
    const given = Object.entries(this.filters).filter(([name, value]) => value && !(name === "page" && value === 1));
    const address = given.length ? `#/?${new URLSearchParams(given)}` : "#/";
    history[typing ? "replaceState" : "pushState"](null, "", address);
    this.redrawFilters();
    const focused = document.activeElement?.closest(".chip")?.textContent;
    if (focused) [...document.querySelectorAll(".chip")].find((chip) => chip.textContent === focused)?.focus();
    return this.load();
  }

  /** Only the newest question's answer is shown. */
  async load() {
    this.asked += 1;
    const mine = this.asked;
    this.results.setAttribute("aria-busy", "true");
    try {
      const found = await this.ask();
      if (mine === this.asked) this.draw(found);
    } catch (error) {
      if (mine === this.asked && !this.signal.aborted) put(this.results, failure(error, { retry: () => this.load() }));
    }
    if (mine === this.asked) this.results.removeAttribute("aria-busy");
  }

  ask() {
    return api.shows({ ...this.filters, page_size: PAGE_SIZE }, this.signal);
  }

  draw(found, { quiet = false } = {}) {
    this.drawn?.abort();
    this.drawn = new AbortController();
    const until = AbortSignal.any([this.signal, this.drawn.signal]);
    const { q } = this.filters;
    const total = t(q ? "shows.results" : "shows.total", { count: found.total, q });
    if (!quiet) announce(total);
    if (found.shows.length === 0) {
      const clear = () => {
        document.getElementById("search").value = "";
        this.change({ q: "", city: "", category: "" });
      };
      put(this.results, empty(t("shows.none"), t("shows.none.detail"), h("button", { class: "button", type: "button", onclick: clear }, t("shows.clear"))));
      return;
    }
    const plain = !q && !this.filters.city && !this.filters.category && this.filters.page === 1;
    const featured = plain && found.shows.length > 4 ? this.featured : null;
    const rest = found.shows.filter((show) => show.show_id !== featured?.show_id);
    put(this.results,
      featured && featuredCard(featured, until),
      h("p", { class: "results-total" }, total),
      h("ul", { class: "cards" }, rest.map((show) => h("li", {}, card(show, until)))),
      this.pages(found));
  }

  pages({ page, page_size, total }) {
    const last = Math.max(1, Math.ceil(total / page_size));
    if (last === 1) return null;
    const to = (target, words, symbol) => h("button", {
      class: "button quiet", type: "button", disabled: target < 1 || target > last,
      onclick: async () => { await this.change({ page: target }); window.scrollTo({ top: 0 }); },
    }, symbol === "left" && icon("left"), words, symbol === "right" && icon("right"));
    return h("nav", { class: "pages", "aria-label": t("pages.label") },
      to(page - 1, t("pages.previous"), "left"), h("span", {}, t("pages.position", { page, pages: last })), to(page + 1, t("pages.next"), "right"));
  }
}

function when(show) {
  return show.date ? day(show.date, show.time_zone) : t("shows.no-date");
}

function saleBadge(show, signal) {
  return liveBadge(signal, () => showState(show), (state) => SALE_BADGES[state]());
}

function price(show) {
  if (show.price_from === null || show.price_from === undefined) return null;
  if (show.price_from === 0) return h("span", { class: "price" }, t("shows.free"));
  const [before, after] = t("shows.from", { price: "|" }).split("|");
  return h("span", { class: "price" }, before && h("small", {}, before), h("b", {}, money(show.price_from, show.currency)), after && h("small", {}, after));
}

function card(show, signal) {
  return h("a", { class: "card", href: `#/shows/${show.show_id}` },
    poster(show),
    h("span", { class: "card-body" },
      h("span", { class: "card-title" }, show.title),
      h("span", { class: "card-line" }, when(show)),
      h("span", { class: "card-line" }, `${show.city} · ${show.venue}`),
      h("span", { class: "card-foot" }, price(show), saleBadge(show, signal))));
}

function featuredCard(show, signal) {
  const way = h("span", { class: "button" });
  watchSale(signal, () => showState(show), (state) => put(way, t(state === "open" ? "shows.buy" : "shows.view"), icon("right")));
  return h("a", { class: "featured", href: `#/shows/${show.show_id}` },
    poster(show, { size: "wide" }),
    h("span", { class: "featured-body" },
      h("span", { class: "kicker" }, t("shows.featured")),
      h("span", { class: "featured-title" }, show.title),
      h("span", { class: "fact" }, icon("calendar"), when(show)),
      h("span", { class: "fact" }, icon("pin"), `${show.city} · ${show.venue}`),
      h("span", { class: "featured-foot" }, price(show), saleBadge(show, signal)),
      way));
}
