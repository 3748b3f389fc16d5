// What went wrong, as a sentence. The server's `code` decides; its `detail` is a last resort.

import { current, has, t } from "./i18n.js";

const DETAILS = "en"; // the language of what the API says in words

export class Problem extends Error {
  constructor(status, document, retry_after_s = null) {
    super(document.code ?? "unknown");
    this.status = status;
    this.code = document.code ?? "unknown";
    this.document = document;
    this.retry_after_s = retry_after_s;
  }
}

/** Nothing came back: what was asked may or may not have happened. */
export class Unreachable extends Error {
  code = "unreachable";
}

export function isDefinite(error) {
  if (!(error instanceof Problem)) return false;
  return error.status < 500 && error.status !== 429 && error.code !== "idempotency-in-flight";
}

export function sentence(error) {
  if (!error?.code) return t("problem.unknown", { code: error?.name ?? "" });
  const values = { seconds: error.retry_after_s ?? 5, ...plain(error.document) };
  const key = `problem.${error.code}${error.document?.accessible ? ".accessible" : ""}`;
  if (error.code === "validation-failed") return [t(key), ...fields(error)].join(" ");
  if (has(key)) return t(key, values);
  const detail = current() === DETAILS ? error.document?.detail : "";
  return detail || t("problem.unknown", { code: error.code });
}

/** Sentences about single fields: our own words where we have them. */
function fields(error) {
  const found = error.document?.errors ?? [];
  return found.slice(0, 3).map(({ field, message }) => {
    const key = `field.${field}`;
    if (has(key)) return t(key);
    return current() === DETAILS ? `${field} ${message}.` : t("field.other", { field });
  });
}

function plain(document = {}) {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => typeof value !== "object"));
}

/** The seat ids that a refusal names: those taken, or those that would be left alone. */
export function seatsOf(error) {
  const seats = error.document?.seats ?? [];
  return seats.map((seat) => (typeof seat === "object" ? seat.seat_id : seat));
}
