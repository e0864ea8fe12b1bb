// Questions that must be answered: real dialogs, so that focus stays in them and Escape leaves.

import { button, element, field, freshId } from "./element.js";
import { t } from "./words.js";

// Shows `content`; answers what `done(value)` is called with, or null when left.
export function open(title, content, { wide = false, onclose = () => {} } = {}) {
  return new Promise((resolve) => {
    const id = freshId("dialog");
    const box = element("dialog", { "aria-labelledby": id, class: wide ? "wide" : "" });
    let answer = null;
    const done = (value) => { answer = value; box.close(); };
    const heading = element("h2", { id }, title);
    const shut = element("button", { type: "button", class: "shut", "aria-label": t("close"), onclick: () => done(null) }, "×");
    box.append(element("div", { class: "head-line" }, heading, shut), content(done));
    box.addEventListener("close", () => { onclose(); box.remove(); resolve(answer); });
    document.body.append(box);
    box.showModal();
    box.querySelector("[autofocus]")?.focus();
  });
}

// A yes or no; `typed` must be typed in first.
export function confirm(title, lines, { yes, typed = null, extra = null, danger = true } = {}) {
  return open(title, (done) => {
    const go = button(yes, null, { kind: danger ? "danger" : "primary", type: "submit", disabled: Boolean(typed) });
    const word = typed && element("input", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", autofocus: true,
      oninput: () => { go.disabled = word.value !== typed; } });
    return element("form", { method: "dialog", class: "stack", onsubmit: (event) => { event.preventDefault(); done(true); } },
      lines.map((line) => element("p", {}, line)),
      extra,
      typed && field(t("dialog.type", { name: typed }), word),
      element("div", { class: "buttons" }, button(t("cancel"), () => done(null), { autofocus: !typed }), go));
  });
}

// One line of text; `check(value)` answers what is wrong, or nothing.
export function prompt(title, label, { value = "", yes, check = () => null, hint = null, list = [] } = {}) {
  return open(title, (done) => {
    const wrong = element("p", { class: "wrong", role: "alert" });
    const choices = freshId("choices");
    const input = element("input", { type: "text", value, autocomplete: "off", autocapitalize: "off", spellcheck: "false", autofocus: true, list: list.length ? choices : undefined });
    const submit = (event) => {
      event.preventDefault();
      const text = input.value.trim();
      wrong.textContent = check(text) ?? "";
      if (!wrong.textContent) done(text);
    };
    return element("form", { class: "stack", method: "dialog", novalidate: true, onsubmit: submit },
      field(label, input, hint), wrong,
      list.length ? element("datalist", { id: choices }, list.map((item) => element("option", { value: item }))) : null,
      element("div", { class: "buttons" }, button(t("cancel"), () => done(null)), button(yes, null, { kind: "primary", type: "submit" })));
  });
}
