// The whole wall: the head with the lights, and the panels.

import { h, icon, put } from "/js/dom.js";
import { logOut } from "/js/api.js";
import { now } from "/js/clock.js";
import { actionsDrawer } from "./drawers/actions.js";
import { lettersDrawer } from "./drawers/letters.js";
import { tracesDrawer } from "./drawers/traces.js";
import { languageSwitch } from "./languages.js";
import { LATE_AFTER_S, light } from "./panel.js";
import { flowPanels } from "./panels/flow.js";
import { lightsOf, platformPanels } from "./panels/platform.js";
import { refusedPanel } from "./panels/refused.js";
import { seatsPanel } from "./panels/seats.js";
import { age, clock, t } from "./say.js";
import { WINDOWS } from "./state.js";

const SPANS_S = { minute: 60, hour: 3600, sale: Number.POSITIVE_INFINITY };
const STORED = "stampede.wall.window";

export function board(state, someone, signal) {
  const shown = { window: WINDOWS.find((name) => name === sessionStorage.getItem(STORED)) ?? "minute" };
  const panels = [...flowPanels(state, shown), seatsPanel(state, signal), refusedPanel(state), ...platformPanels(state, signal)];
  const head = heading(state, someone, signal, shown, () => draw());
  const body = h("div", { class: "board" }, panels.map(({ node }) => node));
  const waiting = h("p", { class: "board-waiting", role: "status" }, t("wall.waiting"));
  const node = h("div", { class: "wall" }, head.node, h("main", { id: "main" }, waiting, body));
  body.hidden = true;
  const ages = () => {
    const age_s = state.age_s();
    head.ages(age_s);
    for (const panel of panels) panel.ages(age_s);
  };
  const draw = () => {
    if (!state.frame) return;
    waiting.hidden = true;
    body.hidden = false;
    head.draw();
    for (const panel of panels) panel.draw(state.frame, state.windows[shown.window], SPANS_S[shown.window]);
    ages();
  };
  return { node, draw, ages };
}

function heading(state, someone, signal, shown, redraw) {
  const live = h("p", { class: "live" });
  const time = h("p", { class: "time" });
  const lights = h("ul", { class: "lights", "aria-label": t("wall.lights") });
  const announcer = document.getElementById("announcer");
  let wasLate = null;
  const ages = (age_s) => {
    const late = age_s === null || age_s > LATE_AFTER_S;
    live.className = late ? "live is-late" : "live";
    put(live, light(late ? "bad" : "good"), age_s === null ? t("live.none") : t(late ? "live.late" : "live.now", { age: age(Math.max(0, age_s)) }));
    time.textContent = clock(now() / 1000);
    if (wasLate !== null && late !== wasLate) announcer.textContent = live.textContent;
    wasLate = late;
  };
  const draw = () => put(lights, lightsOf(state.frame).map(({ tone, words }) => h("li", { class: `is-${tone}` }, light(tone), words)));
  const node = h("header", { class: "head" },
    h("a", { class: "brand", href: "/" }, h("img", { src: "/favicon.svg", alt: "Stampede", width: "28", height: "28" }), h("h1", {}, t("wall.title"))),
    live, lights, windows(shown, redraw),
    h("nav", { class: "head-nav", "aria-label": t("wall.nav") },
      tool("search", t("traces.title"), () => tracesDrawer(signal)),
      tool("alert", t("letters.title"), () => lettersDrawer(signal)),
      tool("ticket", t("actions.title"), () => actionsDrawer(state, signal)),
      languageSwitch(),
      h("button", { class: "head-button", type: "button", title: someone.email, onclick: logOut }, icon("user"), h("span", {}, t("wall.log-out")))),
    time);
  return { node, draw, ages };
}

function tool(symbol, words, act) {
  return h("button", { class: "head-button", type: "button", onclick: act }, icon(symbol), h("span", {}, words));
}

function windows(shown, redraw) {
  const buttons = WINDOWS.map((name) => {
    const pick = () => {
      shown.window = name;
      sessionStorage.setItem(STORED, name);
      press();
      redraw();
    };
    return h("button", { type: "button", dataset: { window: name }, onclick: pick }, t(`window.${name}`));
  });
  const press = () => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.window === shown.window));
  };
  press();
  return h("div", { class: "segmented", role: "group", "aria-label": t("window.label") }, buttons);
}
