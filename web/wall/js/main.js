// Puts the wall together: who looks, what is heard, what is drawn.

import { profile } from "/js/api.js";
import { every, h, put } from "/js/dom.js";
import { applyToDocument, onChange } from "/js/i18n.js";
import * as login from "/js/login.js";
import { now } from "/js/clock.js";
import { sentence } from "/js/problems.js";
import { board } from "./board.js";
import { follow } from "./feed.js";
import { loginPage, refusedPage } from "./login.js";
import * as operations from "./operations.js";
import { t } from "./say.js";
import { State } from "./state.js";

const WATCHERS = ["admin", "operator"];
const AGES_MS = 500;
const HISTORY_MS = 60_000; // longer windows are stretched by the server

const place = document.getElementById("wall");
let leaving = new AbortController();

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  document.title = t("wall.tab");
  if (!login.current()) return put(place, loginPage());
  try {
    const someone = await profile(signal);
    if (signal.aborted) return;
    if (!someone.roles.some((role) => WATCHERS.includes(role))) return put(place, refusedPage(t("wall.refused")));
    watch(someone, signal);
  } catch (error) {
    if (!signal.aborted) put(place, login.current() ? refusedPage(sentence(error), show) : loginPage());
  }
}

function watch(someone, signal) {
  const state = new State();
  const drawn = board(state, someone, signal);
  put(place, drawn.node);
  const heard = (name, data) => {
    if (name === "snapshot") state.begin(data);
    if (name === "snapshot" && data.frame) state.take(data.frame, { old: true, now_s: now() / 1000 });
    if (name === "frame") state.take(data);
    drawn.draw();
  };
  follow({ heard, lost: drawn.ages, refused: () => show(), signal });
  every(signal, AGES_MS, drawn.ages);
  every(signal, HISTORY_MS, async () => {
    const { hour, sale } = await operations.snapshot(signal).catch(() => ({}));
    if (hour && state.frame) Object.assign(state.windows, { hour, sale });
  });
}

applyToDocument();
await login.join();
login.onChange(show);
onChange(show);
await show();
