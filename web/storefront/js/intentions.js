// One idempotency key for each thing that a person means to do.
//
// A double click, a retry after a lost answer, a reload: all carry the same key, so the server does
// it once. A definite answer ends the intention; doing the same again is then a new one.

const STORED = "stampede.intentions";
const FORGET_AFTER_MS = 15 * 60_000; // an unpaid order has ended by then, so nothing can be doubled
const underWay = new Map();

function all() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORED)) ?? {};
    return Object.fromEntries(Object.entries(kept).filter(([, one]) => Date.now() - one.since < FORGET_AFTER_MS));
  } catch {
    return {};
  }
}

function save(intentions) {
  sessionStorage.setItem(STORED, JSON.stringify(intentions));
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function keyOf(intention) {
  const intentions = all();
  intentions[intention] ??= { key: newKey(), since: Date.now() };
  save(intentions);
  return intentions[intention].key;
}

function settle(intention) {
  const intentions = all();
  delete intentions[intention];
  save(intentions);
}

/**
 * Runs `act(key)` for what `what` describes; the same thing under way already is waited for instead.
 * `isDefinite(error)` says whether an error settles the matter or leaves it unknown.
 */
export function once(what, act, isDefinite) {
  const intention = JSON.stringify(what);
  if (underWay.has(intention)) return underWay.get(intention);
  const running = act(keyOf(intention))
    .then(
      (answer) => { settle(intention); return answer; },
      (error) => { if (isDefinite(error)) settle(intention); throw error; },
    )
    .finally(() => underWay.delete(intention));
  underWay.set(intention, running);
  return running;
}
