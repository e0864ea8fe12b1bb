// What a similarity stands for, in words, from the levels that the server's calibration states.

import { ask } from "./api.js";
import { drawn, element, freshId } from "./element.js";
import { number, roundNumber, significant, similarity, t } from "./words.js";
import { isUnknownOperation } from "./failure.js";

const NOTHING = { Levels: [], Thresholds: [], Unknown: "unsaid" };

// Of the network in use, or of a collection. A server that cannot say is not an error.
export async function expectations(input = {}) {
  try {
    return await ask("GetExpectations", input);
  } catch (error) {
    if (isUnknownOperation(error)) return NOTHING;
    throw error;
  }
}

let ofModel = null;
export const modelExpectations = () => (ofModel ??= expectations().catch((error) => { ofModel = null; throw error; }));
export const forgetModelExpectations = () => { ofModel = null; };

// Share of pairs of different people at or above a similarity: {rate, bound}, or null where nothing is known.
// Between two thresholds by a straight line on the logarithm.
export function rateAt(said, value) {
  const levels = said.Levels;
  if (!levels.length) return null;
  const [first, last] = [levels[0], levels.at(-1)];
  if (value < first.Similarity) return { rate: first.FalseMatchRate, bound: "above" };
  if (value > last.Similarity) return { rate: last.FalseMatchRate, bound: "below" };
  const below = Math.floor(value), at = (index) => said.Thresholds[Math.min(index, 100)].FalseMatchRate;
  const rate = at(below) * (at(below + 1) / at(below)) ** (value - below);
  return { rate, bound: null };
}

const oneIn = (rate) => {
  const n = 1 / rate;
  return n < 10 ? significant(n, 2) : roundNumber(Number(n.toPrecision(n < 100 ? 2 : 1)));
};

export function pairWords(said, value) {
  const found = rateAt(said, value);
  if (!found) return t("odds.unknown");
  if (found.bound === "above" || found.rate > 0.4) return t("odds.most");
  return t(found.bound === "below" ? "odds.fewer" : "odds.about", { count: oneIn(found.rate) });
}

export const pairShort = (said, value) => {
  const found = rateAt(said, value);
  if (!found) return "";
  if (found.bound === "above" || found.rate > 0.4) return t("odds.shortMost");
  return t(found.bound === "below" ? "odds.shortFewer" : "odds.short", { count: oneIn(found.rate) });
};

// "Of 1,000 searches of people who are not enrolled, expect 8.8 to return somebody (8.0 to 10.5)."
export function searchWords(said, threshold) {
  if (said.Unknown) return t(`odds.search.${said.Unknown}`);
  if (!said.Faces) return t("odds.search.nobody");
  const { Fpir, Lower, Upper } = said.Thresholds[threshold];
  if (Fpir >= 0.9995) return t("odds.search.all");
  const of = Math.min(1e9, Math.max(100, 10 ** Math.ceil(-Math.log10(Fpir))));
  const shown = (share) => share * of >= 9.95 ? number(Math.round(share * of)) : significant(share * of, 2);
  return t("odds.search.expect", { of, n: Fpir * of, count: shown(Fpir), low: shown(Lower), high: shown(Upper) });
}

export function restsOn(said) {
  if (!said.Levels.length) return t("odds.restsOnNothing");
  const estimated = said.Levels.find((level) => level.Basis === "tail");
  return [t("odds.restsOn", { set: said.DataSet, comparisons: said.Comparisons }),
    estimated ? t("odds.estimated", { count: oneIn(estimated.FalseMatchRate) }) : "", t("odds.elsewhere")].filter(Boolean).join(" ");
}

// A scale of the levels with a mark at each similarity.
export function scale(said, values) {
  const levels = said.Levels;
  const at = (value) => {
    if (!levels.length) return value;
    let i = levels.findIndex((level) => level.Similarity > value);
    if (i < 0) i = levels.length;
    const [low, high] = [i ? levels[i - 1].Similarity : 0, i < levels.length ? levels[i].Similarity : 100];
    return 100 * (i + (value - low) / (high - low)) / (levels.length + 1);
  };
  const stops = levels.filter((level, i) => i % 2 === 0 || i === levels.length - 1);
  return element("div", { class: "scale", "aria-hidden": "true" },
    element("div", { class: "bar" }, values.map(({ value, paint }) => element("i", { "data-paint": paint, place: { left: `${at(value)}%` } }))),
    element("div", { class: "stops" }, stops.map((level) =>
      element("span", { place: { left: `${at(level.Similarity)}%` } }, t("odds.stop", { count: oneIn(level.FalseMatchRate) })))));
}

// A slider of the threshold that says, as it moves, how many strangers a search of this gallery would return.
export class Threshold {
  #said = { ...NOTHING };

  constructor(value, onsettled) {
    const id = freshId("threshold");
    this.input = element("input", { type: "range", min: 0, max: 100, step: 1, id, value, "aria-describedby": `${id}-words`,
      oninput: () => this.#tell(), onchange: () => onsettled(this.value) });
    this.output = element("output", { for: id, class: "big" });
    this.words = element("p", { id: `${id}-words`, class: "expected" });
    this.curve = drawn("svg", { class: "curve", viewBox: "0 0 100 34", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.node = element("div", { class: "threshold" },
      element("div", { class: "line" }, element("label", { for: id }, t("threshold.label")), this.output),
      element("div", { class: "slide" }, this.curve,
        element("span", { class: "end", "aria-hidden": "true" }, t("threshold.every")), element("span", { class: "end low", "aria-hidden": "true" }, t("threshold.rare")), this.input),
      this.words);
    this.#tell();
  }

  get value() { return Number(this.input.value); }
  set value(value) { this.input.value = value; this.#tell(); }

  set said(said) {
    this.#said = said;
    const rows = said.Unknown ? [] : said.Thresholds;
    const y = (share) => (34 * Math.min(1, -Math.log10(Math.max(share, 1e-7)) / 7)).toFixed(2);
    const line = (member) => rows.map((row) => `${row.Threshold} ${y(row[member])}`);
    this.curve.replaceChildren(...(rows.length && said.Faces ? [
      drawn("path", { class: "band", d: `M${[...line("Lower"), ...line("Upper").reverse()].join("L")}Z` }),
      drawn("path", { class: "rate", d: `M${line("Fpir").join("L")}` }),
      this.mark = drawn("line", { y1: 0, y2: 34 })] : []));
    this.curve.classList.toggle("empty", !(rows.length && said.Faces));
    if (!this.curve.childElementCount) this.mark = null;
    this.#tell();
  }

  #tell() {
    const { value } = this;
    this.output.textContent = String(value);
    const words = searchWords(this.#said, value);
    this.words.textContent = words;
    this.input.setAttribute("aria-valuetext", `${value}. ${words}`);
    this.mark?.setAttribute("x1", value);
    this.mark?.setAttribute("x2", value);
  }
}

export const similarityWords = (said, value) => `${t("odds.similarity", { similarity: similarity(value) })} ${pairWords(said, value)}`;
