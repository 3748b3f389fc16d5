// Which session this device stands at the door of. What was chosen is remembered on the device; else it
// is what is on now here, where the device last stood. Where that leaves a choice, staff make it.

import * as api from "../api.js";
import { until } from "../clock.js";
import { every, h, put } from "../dom.js";
import { day, hour, zoneName } from "../format.js";
import { t } from "../i18n.js";
import { sentence } from "../problems.js";

const STORED = "stampede.door";
const LOOK_EVERY_MS = 60_000; // doors open and close while the page is

/** `changed()` is called when another session is chosen. `chosen()`: it, or null. */
export function doorSession(signal, changed) {
  const select = h("select", { id: "field-session", name: "session" });
  const about = h("div", { class: "door-for", "aria-live": "polite" });
  const node = h("section", { class: "door-session field" }, h("label", { for: "field-session" }, t("door.session")), select, about);
  let offered = [];
  let asked = false;
  let chosen = null;
  let drawn = "";

  const draw = (failed = null) => {
    const next = JSON.stringify([asked, failed?.code, chosen, listed().map((one) => [one, doorOf(one)])]);
    if (next === drawn) return; // an open list stays open, and nothing is read out again
    drawn = next;
    put(select, h("option", { value: "", selected: !chosen }, t("door.session.choose")), options(listed(), chosen));
    node.dataset.door = chosen ? doorOf(chosen) : "none";
    put(about, failed && h("p", { class: "field-wrong" }, sentence(failed)), chosen ? told(chosen) : !failed && h("p", {}, t(unchosen())));
  };
  const unchosen = () => (!asked ? "loading" : offered.length ? "door.session.missing" : "door.session.none");
  const listed = () => (chosen && !offered.some((one) => one.session_id === chosen.session_id) ? [chosen, ...offered] : offered);
  const choose = (session) => {
    chosen = session;
    if (chosen) localStorage.setItem(STORED, JSON.stringify(chosen));
    draw();
  };
  const look = async () => {
    try {
      offered = (await api.doorSessions(signal)).sessions;
      asked = true;
      choose(offered.find((one) => one.session_id === chosen?.session_id) ?? chosen ?? preferred(offered, remembered()));
    } catch (error) {
      if (signal.aborted) return;
      chosen ??= remembered(); // the door stays open while the list cannot be asked for
      draw(error);
    }
  };
  select.addEventListener("change", () => {
    choose(listed().find((one) => one.session_id === select.value) ?? null);
    changed();
  });
  draw();
  every(signal, LOOK_EVERY_MS, look);
  return { node, chosen: () => chosen, ask: () => select.focus() };
}

function preferred(offered, before) {
  const open = offered.filter((one) => doorOf(one) === "open");
  const here = before ? open.filter((one) => one.venue === before.venue) : open;
  return offered.find((one) => one.session_id === before?.session_id) ?? (here.length === 1 ? here[0] : null);
}

function options(sessions, chosen) {
  const groups = [["door.session.now", sessions.filter((one) => doorOf(one) === "open")], ["door.session.other", sessions.filter((one) => doorOf(one) !== "open")]];
  return groups.map(([words, some]) => some.length > 0 && h("optgroup", { label: t(words) },
    some.map((one) => h("option", { value: one.session_id, selected: one.session_id === chosen?.session_id }, `${when(one)} · ${one.title}`))));
}

/** What it is, when by the venue's clock, and where. */
export function told(session) {
  const door = doorOf(session);
  return [h("p", { class: "door-when" }, h("b", {}, when(session)), h("span", { class: `badge door-${door}` }, t(`door.is.${door}`))),
    h("p", {}, session.title),
    h("p", { class: "field-hint" }, `${session.venue} · ${zoneName(session.starts_at, session.time_zone)}`),
    door === "open" ? null : h("p", { class: "door-warn" }, t(`door.is.${door}.detail`, { when: stamp(door === "early" ? session.door_opens_at : session.door_closes_at, session.time_zone) }))];
}

export function when(session) {
  return stamp(session.starts_at, session.time_zone);
}

function stamp(iso, time_zone) {
  return `${day(iso, time_zone)} ${hour(iso, time_zone)}`;
}

/** By the server's clock, as the server judges it. */
function doorOf(session) {
  if (until(session.door_opens_at) > 0) return "early";
  return until(session.door_closes_at) > 0 ? "open" : "over";
}

function remembered() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORED));
    return stored?.session_id && stored.time_zone ? stored : null;
  } catch {
    return null;
  }
}
