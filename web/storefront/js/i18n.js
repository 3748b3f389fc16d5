// Every sentence of the storefront, in Chinese and in English.

import zh from "./words/zh.js";
import en from "./words/en.js";

const WORDS = { zh, en };
const STORED = "stampede.language";
const listeners = new Set();
const DEFAULT = "en"; // for readers of neither: more of them can make something of it
let language = WORDS[localStorage.getItem(STORED)] ? localStorage.getItem(STORED) : preferred(navigator.languages);

export const languages = { zh: "中文", en: "English" };

/** The first of the reader's languages that there are words in; zh-TW and zh-Hans are zh. */
function preferred(tags) {
  const known = (tags ?? []).map((tag) => tag.toLowerCase().split("-")[0]);
  return known.find((one) => one in WORDS) ?? DEFAULT;
}

export function current() {
  return language;
}

/** For Intl. */
export function locale() {
  return language === "zh" ? "zh-CN" : "en";
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
  if (WORDS[next] && !chosen()) turnTo(next, { pageFollows: true });
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
  return key in WORDS[language];
}

/** The sentence for `key` with `{names}` filled in; counts pick `key.one` where there is one. */
export function t(key, values = {}) {
  const words = WORDS[language];
  const sentence = (values.count === 1 && words[`${key}.one`]) || words[key] || key;
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
