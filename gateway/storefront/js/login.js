// Who is logged in: tokens in memory and in this tab's sessionStorage, never in a cookie.
//
// A refresh token may be used once. A duplicated tab starts with a copy of this tab's storage, so
// tabs tell each other what they exchanged, and exchange one at a time where the browser has locks.

const STORED = "stampede.login";
const listeners = new Set();
const tabs = "BroadcastChannel" in window ? new BroadcastChannel("stampede.login") : null;
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

function keep(next) {
  const someone = login?.user_id;
  login = next;
  if (next) sessionStorage.setItem(STORED, JSON.stringify(next));
  else sessionStorage.removeItem(STORED);
  if (someone !== next?.user_id) for (const listener of listeners) listener();
}

/** Starts a login from an answer of /auth/login or /auth/register. */
export function start({ user_id, access_token, refresh_token }) {
  keep({ user_id, access_token, refresh_token });
}

/** Ends it in this tab and in the tabs that share it. */
export function end() {
  if (login) tabs?.postMessage({ ended: login.refresh_token });
  keep(null);
}

export function onChange(listener) {
  listeners.add(listener);
}

/** Replaces the pair by `exchange(refresh_token)`, unless somebody did since `stale` was the token. */
export async function renew(stale, exchange) {
  const once = async () => {
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
  if (data.spent && login?.refresh_token === data.spent) keep(data.next);
  if (data.ended && login?.refresh_token === data.ended) keep(null);
});
