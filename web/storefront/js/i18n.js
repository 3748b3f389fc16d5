// Every sentence of the storefront, in the language that its reader reads. languages.js is made by the
// server from the folders in languages/: what languages there are is written down nowhere else.

import { DEFAULT, LANGUAGES } from "./languages.js";

const STORED = "stampede.language";
const listeners = new Set();
let language = readersOwn();

/** Their names by their codes. */
export const languages = Object.fromEntries(Object.entries(LANGUAGES).map(([code, { name }]) => [code, name]));

/** The one order: what the reader chose here, the first of their browser's languages that there is
 *  (zh-TW and zh-Hans are zh), the default. */
function readersOwn() {
  const wished = (navigator.languages ?? []).map((tag) => tag.toLowerCase().split("-")[0]);
  return [localStorage.getItem(STORED), ...wished].find((code) => Object.hasOwn(LANGUAGES, code)) ?? DEFAULT;
}

export function current() {
  return language;
}

/** For Intl. */
export function locale() {
  return LANGUAGES[language].tag;
}

/** True when the reader has chosen a language here; a profile's locale then does not override it. */
export function chosen() {
  return localStorage.getItem(STORED) !== null;
}

/** What the reader has chosen here, remembered. */
export function choose(next) {
  localStorage.setItem(STORED, next);
  turnTo(next, { pageFollows: false });
}

/** What a profile says, unless the reader has chosen otherwise here; another page follows at once. */
export function adopt(next) {
  if (Object.hasOwn(LANGUAGES, next) && !chosen()) turnTo(next, { pageFollows: true });
}

function turnTo(next, how) {
  if (next === language) return;
  language = next;
  applyToDocument();
  for (const listener of listeners) listener(how);
}

export function onChange(listener) {
  listeners.add(listener);
}

export function applyToDocument() {
  document.documentElement.lang = locale();
}

export function has(key) {
  return key in LANGUAGES[language].words;
}

/** How a seat is said in one line. */
export function seatWords() {
  return LANGUAGES[language].seats;
}

/** The sentence for `key` with `{names}` filled in; counts pick `key.one` where there is one. */
export function t(key, values = {}) {
  const { words } = LANGUAGES[language];
  return fill((values.count === 1 && words[`${key}.one`]) || words[key] || key, values);
}

export function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
