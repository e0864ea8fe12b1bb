// The record: what was asked, by whom, whether it was allowed, and how far the ledger has been witnessed.

import { ask } from "./api.js";
import { button, element, field } from "./element.js";
import { failed, isUnknownOperation } from "./failure.js";
import { day, fixed, has, moment, number, t } from "./words.js";

const PAGE = 50;
const OUTCOMES = ["done", "denied", "refused", "failed"];
const USAGE_DAYS = 30;

export async function recordPage() {
  const page = element("div", { class: "page" }, element("h1", {}, t("record.title")), element("p", { class: "lead" }, t("record.lead")));
  try {
    const ledger = await ask("GetLedger");
    page.append(ledgerCards(ledger), entries(), usage());
  } catch (error) {
    page.append(isUnknownOperation(error) ? element("p", { class: "empty" }, t("record.none")) : failed(error));
  }
  return page;
}

const fact = (label, value, note = null) => element("div", { class: "card fact" }, element("h2", { class: "small" }, label), element("p", { class: "fact-value" }, value), note && element("p", { class: "quiet small" }, note));

function ledgerCards(ledger) {
  const point = ledger.Checkpoint, witnesses = ledger.Witnesses ?? [];
  return element("section", { "aria-label": t("record.ledger") },
    element("div", { class: "fact-row" },
      fact(t("record.entries"), number(ledger.Entries), ledger.Origin),
      fact(t("record.checkpoint"), point ? number(point.Size) : "–", point ? t("record.checkpointAt", { when: moment(point.Timestamp) }) : t("record.noCheckpoint")),
      fact(t("record.witnesses"), number(witnesses.length), t("record.unwitnessed", { n: ledger.UnwitnessedEntries ?? 0 })),
      fact(t("record.profile"), ledger.Profile ?? "–", ledger.PolicyHash ? t("record.policy", { hash: ledger.PolicyHash.slice(0, 16) }) : null)),
    element("details", {}, element("summary", {}, t("record.more")),
      element("dl", { class: "pairs-of" },
        point ? [element("dt", {}, t("record.root")), element("dd", { class: "mono" }, point.RootHash)] : null,
        ledger.PolicyHash ? [element("dt", {}, t("record.policyHash")), element("dd", { class: "mono" }, ledger.PolicyHash)] : null,
        witnesses.map((witness) => [element("dt", {}, witness.Name), element("dd", {}, t("record.witnessed", { size: witness.Size, when: moment(witness.Timestamp) }))]))));
}

function entries() {
  const rows = element("tbody", {});
  const more = element("div", { class: "buttons" });
  const operation = element("input", { type: "text", autocomplete: "off", spellcheck: "false", onchange: () => load() });
  const outcome = element("select", { onchange: () => load() }, element("option", { value: "" }, t("record.every")), OUTCOMES.map((value) => element("option", { value }, t(`outcome.${value}`))));

  async function load(token) {
    try {
      const answer = await ask("ListEntries", { MaxResults: PAGE, NextToken: token, Operation: operation.value.trim() || undefined, Outcome: outcome.value || undefined });
      if (!token) rows.replaceChildren();
      rows.append(...answer.Entries.map(row));
      if (!rows.childElementCount) rows.append(element("tr", {}, element("td", { colspan: 6, class: "quiet" }, t("record.noEntries"))));
      more.replaceChildren(...(answer.NextToken ? [button(t("more"), () => load(answer.NextToken))] : []));
    } catch (error) {
      more.replaceChildren(failed(error, () => load(token)));
    }
  }

  load();
  return element("section", { class: "stack" }, element("h2", {}, t("record.asked")),
    element("div", { class: "inline-form" }, field(t("record.operation"), operation), field(t("record.outcome"), outcome)),
    element("div", { class: "table", tabindex: 0, role: "region", "aria-label": t("record.asked") }, element("table", { class: "entries" },
      element("thead", {}, element("tr", {}, ["when", "operation", "who", "outcome", "rules", "what"].map((name) => element("th", { scope: "col" }, t(`record.${name}`))))),
      rows)), more);
}

function row(entry) {
  const who = [entry.Principal, entry.Tenant && entry.Tenant !== "default" ? entry.Tenant : null].filter(Boolean).join(" · ");
  const purpose = [entry.Purpose, entry.Case].filter(Boolean).join(" · ");
  const threshold = entry.ThresholdUsed ?? entry.ThresholdAsked;
  const what = [
    entry.CollectionId,
    entry.Faces ? t("count.faces", { n: entry.Faces }) : null,
    entry.Matches !== undefined && /Search|Compare/.test(entry.Operation) ? t("count.matches", { n: entry.Matches }) : null,
    threshold !== undefined && threshold !== null ? t("record.threshold", { value: fixed(threshold, 0) }) : null,
    entry.ThresholdAsked !== undefined && entry.ThresholdUsed !== undefined && entry.ThresholdAsked !== null && entry.ThresholdAsked !== entry.ThresholdUsed ? t("record.raised", { value: fixed(entry.ThresholdAsked, 0) }) : null,
    entry.Error,
  ].filter(Boolean).join(" · ");
  return element("tr", { class: entry.Erased ? "gone" : "" },
    element("td", {}, element("span", {}, moment(entry.Timestamp)), element("span", { class: "quiet small block" }, `№ ${number(entry.Index)}`)),
    element("th", { scope: "row" }, entry.Operation),
    element("td", {}, entry.Erased ? element("em", {}, t("record.erased")) : who, purpose ? element("span", { class: "quiet small block" }, purpose) : null),
    element("td", {}, element("span", { class: `chip ${entry.Outcome}` }, has(`outcome.${entry.Outcome}`) ? t(`outcome.${entry.Outcome}`) : entry.Outcome)),
    element("td", {}, (entry.Rules ?? []).map((rule) => element("code", { class: "rule" }, rule))),
    element("td", { class: "quiet" }, what));
}

function usage() {
  const section = element("section", { class: "stack" }, element("h2", {}, t("record.usage")));
  const iso = (ms) => new Date(ms).toISOString().slice(0, 10);
  const now = Date.now();
  ask("GetUsage", { From: iso(now - USAGE_DAYS * 86_400_000), Until: iso(now) }).then(({ Rows }) => {
    if (!Rows.length) return section.append(element("p", { class: "quiet" }, t("record.noUsage")));
    section.append(chart(Rows), element("details", {}, element("summary", {}, t("record.usageTable")),
      element("div", { class: "table", tabindex: 0, role: "region", "aria-label": t("record.usage") }, element("table", {},
        element("thead", {}, element("tr", {}, ["day", "tenant", "operation", "unit", "quantity"].map((name) => element("th", { scope: "col" }, t(`record.${name}`))))),
        element("tbody", {}, Rows.slice(0, 1000).map((r) => element("tr", {}, element("th", { scope: "row" }, r.Day), element("td", {}, r.Tenant), element("td", {}, r.Operation), element("td", {}, r.Unit), element("td", { class: "figure" }, number(r.Quantity)))))))));
  }, (error) => section.append(isUnknownOperation(error) ? element("p", { class: "quiet" }, t("record.noUsage")) : failed(error)));
  return section;
}

// A bar for each day: all requests of the day, in one unit each.
function chart(rows) {
  const units = Map.groupBy ? [...Map.groupBy(rows, (r) => r.Unit)] : [["", rows]];
  return element("div", { class: "usage" }, units.map(([unit, own]) => {
    const days = new Map();
    for (const r of own) days.set(r.Day, (days.get(r.Day) ?? 0) + r.Quantity);
    const most = Math.max(1, ...days.values());
    const list = [...days].sort(([a], [b]) => (a < b ? -1 : 1));
    return element("figure", { class: "card" }, element("figcaption", {}, t("record.perDay", { unit })),
      element("ol", { class: "bars" }, list.map(([date, quantity]) => {
        const words = t("record.onDay", { day: day(Date.parse(`${date}T12:00:00Z`) / 1000), n: quantity, unit });
        return element("li", { title: words }, element("i", { place: { height: `${Math.max(2, 100 * quantity / most)}%` } }), element("span", { class: "unseen-title" }, words), element("small", { "aria-hidden": "true" }, date.slice(8)));
      })));
  }));
}
