// The wall's own sentences, and the storefront's where both say the same.

import { dayAndHour, dotted } from "/js/format.js";
import { current, fill, locale, t as shared } from "/js/i18n.js";
import { WORDS } from "./words.js";

export function knows(key) {
  return key in WORDS[current()];
}

export function t(key, values = {}) {
  const words = WORDS[current()];
  if (!(key in words)) return shared(key, values);
  return fill((values.count === 1 && words[`${key}.one`]) || words[key], values);
}

/** A session's venue, and its day and hour there: a show has several. */
export function whereAndWhen({ venue, starts_at, time_zone }) {
  return dotted(venue, dayAndHour(starts_at, time_zone));
}

/** A name that the platform gives (a reason, a consumer): our words for it, or itself. */
export function named(group, name) {
  return knows(`${group}.${name}`) ? t(`${group}.${name}`) : name.replaceAll(/[-_]/g, " ");
}

export function number(value, digits = 0) {
  if (value === null || value === undefined) return "–";
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);
}

/** 12,300 a second, 3.4 a second, 0. */
export function rate(value) {
  return number(value, value > 0 && value < 10 ? 1 : 0);
}

/** Of a time in seconds: 4 ms, 180 ms, 1.2 s. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.01) return `${number(seconds * 1000, 1)} ms`;
  if (seconds < 1) return `${number(seconds * 1000)} ms`;
  return age(seconds);
}

/** 0.8 s, 42 s, 3 min, 2 h. */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 9.95) return t("unit.s", { n: number(seconds, 1) });
  if (seconds < 120) return t("unit.s", { n: number(seconds) });
  if (seconds < 7200) return t("unit.min", { n: number(seconds / 60) });
  return t("unit.h", { n: number(seconds / 3600) });
}

export function percent(share) {
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 0 }).format(share);
}

export function clock(at_s, seconds = true) {
  const shape = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(seconds ? { second: "2-digit" } : {}) };
  return new Intl.DateTimeFormat(locale(), shape).format(new Date(at_s * 1000));
}
