// The server's time. A Date header may come out of a cache, and then it is older than now, never
// newer: so the largest difference seen is the truth. Counted on the monotonic clock, which nobody
// sets; the reader's own clock does not matter.

let offset_ms = Number.NEGATIVE_INFINITY;

export function learn(date_header) {
  const sent = Date.parse(date_header ?? "");
  if (!Number.isNaN(sent)) offset_ms = Math.max(offset_ms, sent - performance.now());
}

/** Milliseconds since the epoch, as the server counts them, to about a second. */
export function now() {
  return Number.isFinite(offset_ms) ? performance.now() + offset_ms : Date.now();
}

export function until(iso) {
  return Date.parse(iso) - now();
}
