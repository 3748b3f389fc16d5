// Every sentence of the storefront, in Chinese (default) and English.

import zh from "./words/zh.js";
import en from "./words/en.js";

const WORDS = { zh, en };
const STORED = "stampede.language";
const listeners = new Set();
let language = WORDS[localStorage.getItem(STORED)] ? localStorage.getItem(STORED) : "zh";

export const languages = { zh: "中文", en: "English" };

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
