// The platform's public API. One function a route; everything that can be refused raises a Problem.

import { learn } from "./clock.js";
import { wait } from "./dom.js";
import { once } from "./intentions.js";
import * as login from "./login.js";
import { Problem, Unreachable, isDefinite } from "./problems.js";

const BASE = "/api/v1";
const TRIES = 4;
const PATIENCE_S = 8; // a longer Retry-After is told to the reader instead of waited out
const JITTER = 0.5; // everybody was refused at once; they must not all come back at once
const FIRST_PAUSE_MS = 400;

function pause_ms(attempt, retry_after_s) {
  const base = retry_after_s === null ? FIRST_PAUSE_MS * 2 ** attempt : retry_after_s * 1000;
  return base * (1 + Math.random() * JITTER);
}

function worthRetrying(error) {
  if (error instanceof Unreachable) return true;
  if (!(error instanceof Problem)) return false;
  if (error.code === "idempotency-in-flight") return true;
  return [429, 502, 503, 504].includes(error.status) && (error.retry_after_s ?? 0) <= PATIENCE_S;
}

async function send(method, path, { body, key, signal, headers = {}, anonymous = false }) {
  const sent = { Accept: "application/json", ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (key) sent["Idempotency-Key"] = key;
  const bearer = anonymous ? "" : login.token();
  if (bearer) sent.Authorization = `Bearer ${bearer}`;
  const payload = body === undefined ? undefined : JSON.stringify(body);
  let answer;
  try {
    // only logging in has a cookie: by it a browser is known again that the account was logged in from
    const credentials = path.startsWith("/auth/") ? "same-origin" : "omit";
    answer = await fetch(BASE + path, { method, headers: sent, body: payload, signal, credentials });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable();
  }
  learn(answer.headers.get("Date"));
  return { answer, bearer };
}

async function refuse(answer) {
  const document = await answer.json().catch(() => ({}));
  const after = Number.parseFloat(answer.headers.get("Retry-After"));
  throw new Problem(answer.status, document, Number.isNaN(after) ? null : after);
}

function exchange(refresh_token) {
  const asked = { body: { refresh_token }, anonymous: true };
  return send("POST", "/auth/refresh", asked).then(({ answer }) => (answer.ok ? answer.json() : refuse(answer)));
}

/** One request, with the token renewed once if it has expired. Raises Problem or Unreachable. */
async function authorized(method, path, options) {
  let { answer, bearer } = await send(method, path, options);
  if (answer.status === 401 && bearer) {
    const { code } = await answer.clone().json().catch(() => ({}));
    try {
      if (code === "token-expired") await login.renew(bearer, exchange);
    } catch (error) {
      if (isDefinite(error)) login.end();
      throw error;
    }
    if (code === "token-expired") ({ answer } = await send(method, path, options));
    if (answer.status === 401 && code !== "invalid-credentials") login.end();
  }
  return answer.ok || answer.status === 304 ? answer : refuse(answer);
}

/** GETs, and POSTs that carry a key, are tried again when that may help; nothing else is. */
export async function call(method, path, options = {}) {
  const repeatable = method === "GET" || Boolean(options.key);
  for (let attempt = 0; ; attempt += 1) {
    try {
      const answer = await authorized(method, path, options);
      if (options.raw) return answer;
      return answer.status === 204 ? null : await answer.json();
    } catch (error) {
      if (!repeatable || attempt + 1 >= TRIES || !worthRetrying(error)) throw error;
      await wait(pause_ms(attempt, error.retry_after_s ?? null), options.signal);
    }
  }
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return new URLSearchParams(given).toString();
}

const get = (path, signal) => call("GET", path, { signal });
const post = (path, body, key) => call("POST", path, { body, key });

export const shows = (filters, signal) => get(`/shows?${query(filters)}`, signal);
export const show = (id, signal) => get(`/shows/${id}`, signal);
export const session = (id, signal) => get(`/sessions/${id}`, signal);
export const hall = (id, signal) => get(`/sessions/${id}/hall`, signal);
export const streamUrl = (id) => `${BASE}/sessions/${id}/seats/stream`;

/** The live state, or null when it is still the one that `etag` names. */
export async function seats(id, etag, signal) {
  const headers = etag ? { "If-None-Match": etag } : {};
  const answer = await call("GET", `/sessions/${id}/seats`, { headers, signal, raw: true });
  if (answer.status === 304) return null;
  return { etag: answer.headers.get("ETag"), ...(await answer.json()) };
}

export const order = (id, signal) => get(`/orders/${id}`, signal);
export const orders = (filters, signal) => get(`/orders?${query(filters)}`, signal);
export const tickets = (filters, signal) => get(`/tickets?${query(filters)}`, signal);
export const orderEvents = (id, signal) => get(`/orders/${id}/events`, signal);

export function placeOrder(body) {
  const what = ["order", login.current()?.user_id, body];
  return once(what, (key) => post("/orders", body, key), isDefinite);
}

export const paymentOptions = (signal) => get("/payments/options", signal);

export function pay(order_id, body) {
  return once(["pay", order_id, body], (key) => post(`/orders/${order_id}/pay`, body, key), isDefinite);
}

export function cancel(order_id) {
  return once(["cancel", order_id], (key) => post(`/orders/${order_id}/cancel`, undefined, key), isDefinite);
}

export const refunds = (order_id, signal) => get(`/orders/${order_id}/refunds`, signal);

export function refund(order_id, body) {
  return once(["refund", order_id, body], (key) => post(`/orders/${order_id}/refund`, body, key), isDefinite);
}

export function transfer(ticket_id, to_email) {
  return once(["transfer", ticket_id, to_email], (key) => post(`/tickets/${ticket_id}/transfer`, { to_email }, key), isDefinite);
}

/** What whoever is logged in may scan for: open doors first. */
export const doorSessions = (signal) => get("/check-ins/sessions", signal);

/** A scan whose answer was lost is repeated under its key, so nobody is turned away for it. */
export function checkIn(code, session_id, gate) {
  const body = { code, session_id, gate };
  return once(["check-in", body], (key) => post("/check-ins", body, key), isDefinite);
}

export async function logIn(email, password) {
  login.start(await call("POST", "/auth/login", { body: { email, password }, anonymous: true }));
}

/** `locale`: what the reader has chosen; without it the server follows the browser's languages. */
export async function register(email, password, full_name, locale) {
  const body = { email, password, full_name, locale };
  login.start(await call("POST", "/auth/register", { body, anonymous: true }));
}

export const askForPasswordLink = (email) => call("POST", "/auth/password/forgot", { body: { email }, anonymous: true });

export async function resetPassword(token, password) {
  login.start(await call("POST", "/auth/password/reset", { body: { token, password }, anonymous: true }));
}

export const changePassword = (current_password, password) => post("/auth/password/change", { current_password, password });

/** Always ends the login here; the server is told as well if it can be reached. */
export async function logOut() {
  await call("POST", "/auth/logout").catch(() => null);
  login.end();
}

export const profile = (signal) => get("/auth/me", signal);
export const changeProfile = (changes) => call("PATCH", "/auth/me", { body: changes });
