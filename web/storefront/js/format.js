// Money, times and names of seats as people read them.

import { fill, locale, seatWords, t } from "./i18n.js";

/** `minor` in the currency's minor unit; whole amounts are shown without decimals. */
export function money(minor, currency) {
  if (minor === null || minor === undefined || !currency) return "";
  const style = { style: "currency", currency };
  const digits = numbers(style).resolvedOptions().maximumFractionDigits;
  const amount = minor / 10 ** digits;
  const shown = Number.isInteger(amount) ? 0 : digits;
  return numbers({ ...style, minimumFractionDigits: shown, maximumFractionDigits: digits }).format(amount);
}

export function count(number) {
  return numbers({}).format(number);
}

const formats = new Map();

/** Made once: making a format costs a hundred times what using it does. */
function numbers(options) {
  const key = [locale(), options.currency, options.minimumFractionDigits].join(" ");
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(locale(), options));
  return formats.get(key);
}

function inZone(iso, time_zone, options) {
  const zone = time_zone ? { timeZone: time_zone } : {};
  return new Intl.DateTimeFormat(locale(), { ...zone, ...options });
}

/** 2026年8月15日 周六 */
export function day(iso, time_zone) {
  const options = { year: "numeric", month: "short", day: "numeric", weekday: "short" };
  return inZone(iso, time_zone, options).format(new Date(iso));
}

export function hour(iso, time_zone) {
  return inZone(iso, time_zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(iso));
}

/** On the venue's clock; names the venue's zone where the reader's own clock shows another time. */
export function dayAndHour(iso, time_zone) {
  const shown = `${day(iso, time_zone)} ${hour(iso, time_zone)}`;
  return isForeign(iso, time_zone) ? `${shown} (${zoneName(iso, time_zone)})` : shown;
}

/** Parts of a line that may have to be broken: never before the dot between them. */
export function dotted(...parts) {
  return parts.filter(Boolean).join("\u00a0· ");
}

function isForeign(iso, time_zone) {
  const options = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" };
  const date = new Date(iso);
  return inZone(iso, time_zone, options).format(date) !== inZone(iso, null, options).format(date);
}

/** 中国标准时间 */
export function zoneName(iso, time_zone) {
  const parts = inZone(iso, time_zone, { timeZoneName: "long" }).formatToParts(new Date(iso));
  return parts.find((part) => part.type === "timeZoneName")?.value ?? time_zone;
}

/** With seconds, for an order's history. */
export function moment(iso, time_zone) {
  const options = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  return inZone(iso, time_zone, options).format(new Date(iso));
}

/** Parts of a remaining time, never below zero. */
export function remaining(left_ms) {
  const seconds = Math.max(0, Math.ceil(left_ms / 1000));
  return {
    days: Math.floor(seconds / 86_400),
    hours: Math.floor(seconds / 3600) % 24,
    minutes: Math.floor(seconds / 60) % 60,
    seconds: seconds % 60,
  };
}

export function two(number) {
  return String(number).padStart(2, "0");
}

/** A区 3排12座, as contracts/seats.py says it, too; a standing place has no row, and its number is nothing
 *  that people look for. */
export function seatName({ area = "", row, number }) {
  const words = seatWords();
  const says = (name, word) => name.toLowerCase().includes(word);
  if (!row) return says(area, words.standing_word) ? area : fill(words.standing, { area });
  const said = says(row, words.row_word) ? row : fill(words.row, { row });
  return fill(words.seat, { area, row: said, number });
}

/** Several of them, standing places of one area together. */
export function seatNames(seats) {
  const counted = new Map();
  for (const name of seats.map(seatName)) counted.set(name, (counted.get(name) ?? 0) + 1);
  return [...counted].map(([seat, count]) => (count === 1 ? seat : t("seat.times", { seat, count })));
}
