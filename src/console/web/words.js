// Words in the reader's language, and numbers as sentences.

import { element, say } from "./element.js";

export const LANGUAGES = { en: "English", fr: "Français" };

const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
export const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private windows */ } };

function chosen() {
  const asked = [kept("trombi-language"), ...navigator.languages].filter(Boolean).map((tag) => tag.slice(0, 2));
  return asked.find((tag) => tag in LANGUAGES) ?? "en";
}

export const language = chosen();
// English comes in the page itself, and stands in where another language lacks a text, or cannot be had.
const words = JSON.parse(document.getElementById("words").textContent);
// To be awaited before the first text. No module awaits anything while it is loaded: of two imports at once of one that
// stands on such a module, WebKit lets the second go on before there is anything in it.
export const wordsRead = language === "en" ? Promise.resolve()
  : fetch(`/console/${language}.json`).then((reply) => reply.json()).then((own) => { Object.assign(words, own); }, () => {});
document.documentElement.lang = language;

const plural = new Intl.PluralRules(language);
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });

// The text of a key with its {values} filled in; `n` also chooses between "one" and "other".
export function t(key, values = {}) {
  const found = words[key];
  if (found === undefined) { console.warn(`no words for ${key}`); return key; }
  const text = typeof found === "string" ? found : found[plural.select(values.n ?? 0)] ?? found.other;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : String(value ?? "");
  });
}

export const has = (key) => key in words;
export const number = (value) => Number.isInteger(value) ? whole.format(value) : String(value);
// 10,000 but 10 million.
const words10 = new Intl.NumberFormat(language, { notation: "compact", compactDisplay: "long", maximumSignificantDigits: 3 });
export const roundNumber = (value) => value < 1e6 ? number(value) : words10.format(value);
export const fixed = (value, digits) =>
  new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
export const significant = (value, digits) =>
  new Intl.NumberFormat(language, { maximumSignificantDigits: digits, maximumFractionDigits: 20, roundingPriority: "lessPrecision" }).format(value);
export const bytes = (size) => size < 1e6 ? `${fixed(size / 1024, 0)} KiB` : `${fixed(size / 1048576, 1)} MiB`;
// Of a moment that is not known, a dash.
export const moment = (seconds) =>
  seconds === undefined ? "–" : new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(seconds * 1000));
export const day = (seconds) => new Intl.DateTimeFormat(language, { dateStyle: "long" }).format(new Date(seconds * 1000));

// Similarity as shown: one decimal, rounded down, so that 79.96 is not shown as 80.
export const similarity = (value) => fixed(Math.floor(value * 10) / 10, 1);

export function languageChoice() {
  const change = (event) => { keep("trombi-language", event.target.value); location.reload(); };
  const options = Object.entries(LANGUAGES).map(([tag, name]) => element("option", { value: tag, lang: tag, selected: tag === language }, name));
  return element("select", { class: "small", "aria-label": t("tools.language"), onchange: change }, options);
}

export function tell(key, values) { say(t(key, values)); }
