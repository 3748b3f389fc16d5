// The door of one session: a code is typed, pasted, scanned by a hand scanner or seen by the camera;
// then green or red, and what the ticket is for.

import * as api from "../api.js";
import { h, icon, put } from "../dom.js";
import { dotted, moment, seatName, zoneName } from "../format.js";
import { has, t } from "../i18n.js";
import { canSee, watchWithCamera } from "../parts/camera.js";
import { doorSession, when } from "../parts/doorsession.js";
import { field } from "../parts/field.js";
import { notice } from "../parts/states.js";
import { Problem, sentence } from "../problems.js";
import { needLogin } from "./login.js";

const STORED = "stampede.gate";
const ROLES = ["staff", "admin"];

export async function doorView({ signal }) {
  if (needLogin()) return h("div");
  const { roles } = await api.profile(signal);
  if (!roles.some((role) => ROLES.includes(role))) throw new Problem(403, { code: "forbidden" });
  return page(signal);
}

function page(signal) {
  const verdict = h("section", { class: "door-verdict", role: "status", "aria-live": "assertive" });
  const tally = { in: 0, out: 0 };
  const tallied = h("p", { class: "door-tally" });
  const gate = field({ name: "gate", label: t("door.gate"), hint: t("door.gate.hint"), maxlength: "40", required: false, value: sessionStorage.getItem(STORED) ?? "", check: () => true });
  const code = field({ name: "code", label: t("door.code"), autocomplete: "off", autocapitalize: "off", spellcheck: "false", check: (value) => value.trim().length > 0 });
  const count = () => put(tallied, t("door.tally", tally));
  const ready = () => show(verdict, "ready", [h("b", {}, t("door.ready"))]);
  const session = doorSession(signal, ready);
  const scan = async (text) => {
    const door = session.chosen();
    if (!door) {
      show(verdict, "unknown", [icon("calendar"), h("b", {}, t("door.session.choose"))]);
      return session.ask();
    }
    sessionStorage.setItem(STORED, gate.input.value.trim());
    put(verdict, waiting());
    verdict.dataset.verdict = "asking";
    try {
      const entry = await api.checkIn(text.trim(), door.session_id, gate.input.value.trim());
      tally.in += 1;
      show(verdict, "in", welcome(entry));
    } catch (error) {
      if (signal.aborted) return;
      const judged = error instanceof Problem && error.status < 500 && error.status !== 429;
      tally.out += judged ? 1 : 0;
      show(verdict, judged ? "out" : "unknown", refusal(error, judged, door));
    }
    count();
  };
  const send = async (event) => {
    event.preventDefault();
    if (!code.check()) return code.input.focus();
    const text = code.input.value;
    code.input.value = "";
    code.input.focus();
    await scan(text);
  };
  ready();
  count();
  return h("div", { class: "wrap door" }, h("h1", {}, t("door.title")), session.node,
    h("div", { class: "door-layout" },
      h("form", { class: "door-form", novalidate: true, onsubmit: send }, code.node,
        h("button", { class: "button large wide", type: "submit" }, t("door.check")), camera(scan, signal), gate.node),
      h("div", { class: "door-side" }, verdict, tallied)));
}

function show(verdict, word, content) {
  verdict.dataset.verdict = word;
  put(verdict, content);
}

const waiting = () => h("b", {}, t("door.asking"));

function welcome({ seat, holder, gate, ...session }) {
  return [icon("check"), h("b", {}, t("door.in")), h("p", { class: "door-seat" }, dotted(seatName(seat), seat.category_name)),
    seat.proof && h("p", { class: "door-caution" }, t("door.proof", { proof: seat.proof })), holder && h("p", {}, holder), ...whatFor(session),
    session.door === "open" ? null : h("p", { class: "door-caution" }, t(`door.caution.${session.door}`)), gate && h("small", {}, gate)];
}

function refusal(error, judged, door) {
  const { seat, checked_in_at, gate, show: title, reason, ...rest } = error.document ?? {};
  const zone = rest.time_zone ?? door.time_zone;
  const at = checked_in_at && `${moment(checked_in_at, zone)} (${zoneName(checked_in_at, zone)})`;
  const why = `door.void.${reason}`;
  return [icon("alert"), h("b", {}, t(judged ? "door.out" : "door.unknown")), h("p", {}, has(why) ? t(why) : sentence(error)),
    at && h("p", { class: "door-seat" }, [at, gate].filter(Boolean).join(" · ")),
    seat && h("small", {}, seatName(seat)), title && whatFor({ ...rest, title })];
}

/** The date on the venue's clock, which it names; of which show, and where. */
function whatFor(session) {
  return [h("p", { class: "door-date" }, when(session)), h("p", {}, session.title),
    h("small", {}, `${session.venue} · ${zoneName(session.starts_at, session.time_zone)}`)];
}

function camera(scan, signal) {
  if (!canSee()) return h("p", { class: "field-hint" }, t("door.no-camera"));
  const refused = notice();
  const place = h("div", {});
  const open = async (event) => {
    const button = event.currentTarget;
    try {
      put(place, await watchWithCamera(scan, signal));
      button.hidden = true;
    } catch {
      refused.say(t("door.camera.refused"));
    }
  };
  return h("div", { class: "door-see" }, h("button", { class: "button quiet wide", type: "button", onclick: open }, t("door.camera")), place, refused.box);
}
