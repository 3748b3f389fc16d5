// Who is logged in: tokens in memory and in the tab's sessionStorage, never in a cookie or on disk.
//
// All tabs are one login: they tell each other when it starts, ends, or is renewed, and a tab that
// opens asks the others. It ends with the last of them. A refresh token may be used once, so tabs
// exchange it one at a time where the browser has locks (ADR 33).

import { wait } from "./dom.js";

const STORED = "stampede.login";
const SHARED = "stampede.somebody"; // no secret: whether it is worth while to wait for another tab's answer
const ANSWER_WITHIN_MS = 300;
const HEARD_WITHIN_MS = 60; // a message that was sent before a lock was let go is here by then
const listeners = new Set();
const tabs = "BroadcastChannel" in window ? new BroadcastChannel("stampede.login") : null;
let joined = () => {};
let login = read();

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(STORED));
  } catch {
    return null;
  }
}

export function current() {
  return login;
}

export function token() {
  return login?.access_token ?? "";
}

function keep(next, how = { elsewhere: false }) {
  const someone = login?.user_id;
  login = next;
  if (next) {
    sessionStorage.setItem(STORED, JSON.stringify(next));
    localStorage.setItem(SHARED, "yes");
  } else sessionStorage.removeItem(STORED);
  if (someone !== next?.user_id) for (const listener of listeners) listener(how);
}

/** Starts a login, here and in the other tabs, from an answer of /auth/login or /auth/register. */
export function start({ user_id, access_token, refresh_token }) {
  const next = { user_id, access_token, refresh_token };
  tabs?.postMessage({ started: next });
  keep(next);
}

/** Ends it in this tab and in the others. */
export function end() {
  if (login) tabs?.postMessage({ ended: login.user_id });
  localStorage.removeItem(SHARED);
  keep(null);
}

/** Takes over another tab's login before the first page is drawn. At once where there is none. */
export async function join() {
  if (login) localStorage.setItem(SHARED, "yes");
  if (login || !tabs || !localStorage.getItem(SHARED)) return;
  tabs.postMessage({ asked: true });
  const answered = new AbortController();
  joined = () => answered.abort();
  await wait(ANSWER_WITHIN_MS, answered.signal).catch(() => null);
  if (!login) localStorage.removeItem(SHARED);
}

/** `listener({ elsewhere })` when it is somebody else, or nobody; elsewhere: by another tab's doing. */
export function onChange(listener) {
  listeners.add(listener);
}

/** Replaces the pair by `exchange(refresh_token)`, unless somebody did since `stale` was the token. */
export async function renew(stale, exchange) {
  const once = async () => {
    await wait(HEARD_WITHIN_MS);
    if (!login || login.access_token !== stale) return;
    const spent = login.refresh_token;
    const { user_id, access_token, refresh_token } = await exchange(spent);
    const next = { user_id, access_token, refresh_token };
    tabs?.postMessage({ spent, next });
    keep(next);
  };
  return navigator.locks ? navigator.locks.request("stampede.refresh", once) : once();
}

tabs?.addEventListener("message", ({ data }) => {
  if (data.asked && login) tabs.postMessage({ answer: login });
  if (data.answer && !login) keep(data.answer, { elsewhere: true });
  if (data.started) keep(data.started, { elsewhere: true });
  if (data.spent && login?.refresh_token === data.spent) keep(data.next);
  if (data.ended && login?.user_id === data.ended) keep(null, { elsewhere: true });
  if (login) joined();
});
