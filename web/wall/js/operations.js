// The operations' API, as far as the wall needs it. Raises what /js/api.js raises.

import { call } from "/js/api.js";

const BASE = "/operations";

export const snapshot = (signal) => call("GET", `${BASE}/wall/snapshot`, { signal });

/** The answer whose body is the stream of events. */
export function open(last_id, signal) {
  const headers = { Accept: "text/event-stream", ...(last_id ? { "Last-Event-ID": last_id } : {}) };
  return call("GET", `${BASE}/wall`, { headers, signal, raw: true });
}

export const sale = (id, signal) => call("GET", `${BASE}/sessions/${id}/sale`, { signal });
export const pause = (id, reason) => call("POST", `${BASE}/sessions/${id}/pause`, { body: { reason } });
export const resume = (id, reason) => call("POST", `${BASE}/sessions/${id}/resume`, { body: { reason } });
export const limit = (id, limits) => call("PATCH", `${BASE}/sessions/${id}/limits`, { body: limits });

export const actions = (cursor, signal) => call("GET", `${BASE}/actions${page(cursor)}`, { signal });
export const deadLetters = (cursor, signal) => call("GET", `${BASE}/dead-letters${page(cursor)}`, { signal });

export function retry({ service, consumer, event_id }, reason) {
  const path = [service, consumer, event_id].map(encodeURIComponent).join("/");
  return call("POST", `${BASE}/dead-letters/${path}/retry`, { body: { reason } });
}

export const traces = (signal) => call("GET", `${BASE}/traces`, { signal });
export const trace = (id, signal) => call("GET", `${BASE}/traces/${encodeURIComponent(id)}`, { signal });

function page(cursor) {
  return `?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
}
