// Signing in with an access key, as a page and as a dialog in the middle of things.

// The first thing a visitor sees: what only a pressed button needs is read when it is pressed.

import { button, element, field, tick } from "./element.js";
import { session, signIn, signOut } from "./session.js";
import { t } from "./words.js";

function form(ondone, accessKeyId = "") {
  const id = element("input", { type: "text", name: "username", autocomplete: "username", required: true, autocapitalize: "off", spellcheck: "false", value: accessKeyId, autofocus: !accessKeyId });
  const secret = element("input", { type: "password", name: "password", autocomplete: "current-password", required: true, autofocus: Boolean(accessKeyId) });
  const [keepRow, keepBox] = tick(t("signIn.keep"));
  const wrong = element("p", { class: "wrong", role: "alert" });
  const go = button(t("signIn.go"), null, { kind: "primary", type: "submit", sign: "key" });
  const submit = async (event) => {
    event.preventDefault();
    wrong.textContent = "";
    if (!id.value.trim() || !secret.value) { wrong.textContent = t("signIn.both"); return; }
    go.disabled = true;
    try {
      const { ask } = await import("./api.js");
      await signIn(id.value.trim(), secret.value.trim(), keepBox.checked);
      await ask("ListCollections", { MaxResults: 1 }, { patient: false });
      secret.value = "";
      ondone(true);
    } catch (error) {
      signOut();
      const wrongPair = error.code === "UnrecognizedClientException" || error.code === "InvalidSignatureException";
      wrong.textContent = wrongPair ? t("signIn.wrong") : await saidOf(error);
      if (error.code) secret.select();
    } finally {
      go.disabled = false;
    }
  };
  return element("form", { class: "stack", onsubmit: submit },
    field(t("signIn.id"), id), field(t("signIn.secret"), secret), keepRow,
    element("p", { class: "hint" }, t("signIn.keepHint")), wrong,
    element("div", { class: "buttons" }, go));
}

export function signInPage(entered) {
  return element("div", { class: "page narrow" },
    element("h1", {}, t("signIn.title")),
    element("p", { class: "lead" }, t("signIn.lead")),
    element("div", { class: "card" }, form(entered)),
    element("details", {}, element("summary", {}, t("signIn.where")),
      element("p", {}, t("signIn.first")), element("p", {}, t("signIn.more")), element("pre", {}, "trombi keys create")));
}

// Modules are files of the server: while it is away there are none.
const saidOf = (error) => import("./failure.js").then(({ said }) => said(error), () => t("failure.unreachable"));

let asking = null;
// One dialog however many requests were refused; answers whether somebody signed in.
export function signInDialog(error) {
  const was = session.accessKeyId ?? "";
  signOut();
  asking ??= import("./dialog.js").then(({ open }) => open(t("signIn.again"), (done) => element("div", { class: "stack" },
    element("p", {}, error.code === "UnrecognizedClientException" ? t("signIn.revoked") : t("signIn.over")), form(done, was))))
    .then(Boolean).finally(() => { asking = null; });
  return asking;
}
