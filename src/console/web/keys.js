// Access keys: making one, whose secret is shown once, and revoking.

import { ask } from "./api.js";
import { confirm, open } from "./dialog.js";
import { button, element, field, notice, say } from "./element.js";
import { failed } from "./failure.js";
import { session } from "./session.js";
import { moment, t } from "./words.js";

export async function keysPage() {
  const news = element("div", {});
  const rows = element("tbody", {});

  async function load() {
    try {
      const { AccessKeys } = await ask("ListAccessKeys");
      AccessKeys.sort((a, b) => (a.Status < b.Status ? -1 : a.Status > b.Status ? 1 : b.CreateDate - a.CreateDate));
      rows.replaceChildren(...AccessKeys.map(row));
    } catch (error) {
      news.replaceChildren(failed(error, load));
    }
  }

  function row(key) {
    const active = key.Status === "Active", own = key.AccessKeyId === session.accessKeyId;
    return element("tr", { class: active ? "" : "gone" },
      element("th", { scope: "row" }, element("code", {}, key.AccessKeyId), own ? element("span", { class: "chip" }, t("keys.own")) : null),
      element("td", {}, t(active ? "keys.active" : "keys.revoked")),
      element("td", {}, moment(key.CreateDate)),
      element("td", {}, active ? button(t("keys.revoke"), () => revoke(key.AccessKeyId, own), { kind: "quiet-button", "aria-label": t("keys.revokeNamed", { id: key.AccessKeyId }) }) : null));
  }

  async function create() {
    try {
      const { AccessKey } = await ask("CreateAccessKey");
      await open(t("keys.madeTitle"), (done) => once(AccessKey, done), { wide: true });
      say(t("keys.made", { id: AccessKey.AccessKeyId }));
      news.replaceChildren(notice("good", element("p", {}, t("keys.made", { id: AccessKey.AccessKeyId }))));
      await load();
    } catch (error) {
      news.replaceChildren(failed(error));
    }
  }

  function once(key, done) {
    const shown = (label, value) => {
      const input = element("input", { type: "text", readonly: true, value, class: "mono", onfocus: () => input.select() });
      const copy = button(t("keys.copy"), async () => {
        await navigator.clipboard?.writeText(value).catch(() => input.select());
        say(t("keys.copied"));
        copy.querySelector("span").textContent = t("keys.copied");
      }, { sign: "copy", "aria-label": t("keys.copyNamed", { label }) });
      return element("div", { class: "copy-row" }, field(label, input), copy);
    };
    return element("div", { class: "stack" }, element("p", { class: "strong" }, t("keys.once")),
      shown(t("signIn.id"), key.AccessKeyId), shown(t("signIn.secret"), key.SecretAccessKey),
      element("div", { class: "buttons" }, button(t("keys.written"), () => done(true), { kind: "primary" })));
  }

  async function revoke(id, own) {
    const lines = [t("keys.revokeWhat", { id }), own ? t("keys.revokeOwn") : null].filter(Boolean);
    if (!await confirm(t("keys.revokeTitle"), lines, { yes: t("keys.revoke") })) return;
    try {
      await ask("RevokeAccessKey", { AccessKeyId: id });
      say(t("keys.gone", { id }));
      news.replaceChildren(notice("good", element("p", {}, t("keys.gone", { id }))));
      await load();
    } catch (error) {
      news.replaceChildren(failed(error));
    }
  }

  await load();
  return element("div", { class: "page" },
    element("h1", {}, t("keys.title")), element("p", { class: "lead" }, t("keys.lead")), news,
    element("div", { class: "buttons" }, button(t("keys.create"), create, { kind: "primary", sign: "plus" })),
    element("div", { class: "table", tabindex: 0, role: "region", "aria-label": t("keys.title") }, element("table", { class: "keys" },
      element("thead", {}, element("tr", {}, ["id", "state", "since", "act"].map((name) => element("th", { scope: "col" }, t(`keys.${name}`))))),
      rows)));
}
