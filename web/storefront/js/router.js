// The address after # names the page. Each page gets a signal that aborts when it is left.

import { h, put } from "./dom.js";
import { t } from "./i18n.js";
import { failure, loading } from "./parts/states.js";

const routes = [];
let leaving = new AbortController();
let outlet;
let redrawing = false;

/** `pattern` like /shows/:id; `view(context)` returns (a promise of) a node. */
export function route(pattern, view) {
  routes.push({ parts: pattern.split("/"), view });
}

export function go(path, { replace = false } = {}) {
  if (`#${path}` === location.hash) return show();
  if (replace) location.replace(`#${path}`);
  else location.hash = path;
}

/** The path that is shown, with its query. */
export function here() {
  return location.hash.slice(1) || "/";
}

function match(path) {
  const parts = path.split("/");
  for (const { parts: pattern, view } of routes) {
    if (pattern.length !== parts.length) continue;
    if (!pattern.every((part, index) => part === parts[index] || (part.startsWith(":") && parts[index]))) continue;
    const named = pattern.map((part, index) => [part.slice(1), decoded(parts[index])]);
    return { view, params: Object.fromEntries(named.filter((_, index) => pattern[index].startsWith(":"))) };
  }
  return null;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function show({ quiet = false } = {}) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const asked = here();
  const [path, search = ""] = asked.split("?");
  const found = match(path);
  if (!quiet) put(outlet, loading());
  outlet.setAttribute("aria-busy", "true");
  const node = await draw(found, { query: new URLSearchParams(search), signal });
  if (signal.aborted) return;
  put(outlet, node);
  outlet.removeAttribute("aria-busy");
  outlet.dataset.path = here(); // a page may have taken something out of its address
  settle(quiet);
}

async function draw(found, context) {
  if (!found) return failure({ code: "not-found" }, { title: t("page.not-found"), detail: t("page.not-found.detail") });
  try {
    return await found.view({ ...context, params: found.params });
  } catch (error) {
    if (context.signal.aborted) return h("div");
    if (!error.code) console.error(error); // a mistake of ours, not a refusal
    return failure(error, { retry: () => show() });
  }
}

/** After a new page: the reader at its top, the focus on its heading. */
function settle(quiet) {
  if (quiet) return;
  const heading = outlet.querySelector("h1");
  window.scrollTo(0, 0);
  if (!heading || redrawing) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

export function redraw() {
  redrawing = true;
  return show().finally(() => { redrawing = false; });
}

/** The tab says what the page's heading says, also when a page changes while it is open. */
function entitle() {
  const heading = outlet.querySelector("h1")?.textContent;
  const title = heading ? `${heading} · Stampede` : "Stampede";
  if (document.title !== title && !outlet.querySelector(".loading")) document.title = title;
}

export function start(element) {
  outlet = element;
  new MutationObserver(entitle).observe(outlet, { childList: true, characterData: true, subtree: true });
  window.addEventListener("hashchange", () => show());
  redrawing = true; // the first page leaves the focus where browsers put it
  return show().finally(() => { redrawing = false; });
}
