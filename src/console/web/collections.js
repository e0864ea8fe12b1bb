// Collections: all of them, making one, deleting one.

import { ask } from "./api.js";
import * as crops from "./crops.js";
import { confirm } from "./dialog.js";
import { button, element, field, icon, notice, say } from "./element.js";
import { failed, said } from "./failure.js";
import { day, t } from "./words.js";

const PAGE = 30;
const SHOWN_FACES = 6;
const NAME = /^[a-zA-Z0-9_.-]{1,255}$/;

export const addressOf = (collection, ...rest) => `#/collections/${[collection, ...rest].map(encodeURIComponent).join("/")}`;

export function nameProblem(name) {
  if (!name) return t("collections.nameNeeded");
  return NAME.test(name) ? null : t("collections.nameWrong", { better: tidied(name) });
}

// A name that the API takes, as near as can be to what was typed.
export const tidied = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[^a-zA-Z0-9_.-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 255) || "faces";

export function collectionsPage() {
  const list = element("ul", { class: "cards" });
  const more = element("div", { class: "buttons" });
  const news = element("div", {});
  const page = element("div", { class: "page" },
    element("h1", {}, t("collections.title")), element("p", { class: "lead" }, t("collections.lead")),
    creation(), news, list, more);
  // Counts are asked for when a card comes into view, a few at a time.
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) { seen.unobserve(target); describe(target); }
  });

  function creation() {
    const wrong = element("p", { class: "wrong", role: "alert" });
    const input = element("input", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: 255 });
    const submit = async (event) => {
      event.preventDefault();
      const name = input.value.trim();
      wrong.textContent = nameProblem(name) ?? "";
      if (wrong.textContent) return input.focus();
      try {
        await ask("CreateCollection", { CollectionId: name });
        location.hash = addressOf(name, "add");
      } catch (error) {
        wrong.textContent = error.code === "ResourceAlreadyExistsException" ? t("collections.exists", { name }) : said(error);
      }
    };
    return element("form", { class: "card inline-form", novalidate: true, onsubmit: submit },
      field(t("collections.new"), input), button(t("collections.create"), null, { kind: "primary", sign: "plus", type: "submit" }), wrong);
  }

  function card(id) {
    const counts = element("p", { class: "quiet counts" }, " ");
    const item = element("li", { class: "card collection", "data-id": id },
      element("a", { class: "cover", href: addressOf(id) }, icon("people"), element("strong", {}, id)), counts,
      button(null, () => remove(id, item), { kind: "quiet-button", sign: "bin", "aria-label": t("collections.deleteNamed", { name: id }) }));
    seen.observe(item);
    faces(id, item);
    return item;
  }

  // Those of this browser's small pictures that are of it; nothing is asked of the server.
  async function faces(id, item) {
    const blobs = await crops.some(id, SHOWN_FACES);
    item.append(element("span", { class: "row", "aria-hidden": "true" }, blobs.map((blob) => {
      const address = URL.createObjectURL(blob);
      return element("img", { src: address, alt: "", onload: () => URL.revokeObjectURL(address) });
    })));
  }

  async function describe(item) {
    try {
      const told = await ask("DescribeCollection", { CollectionId: item.dataset.id });
      item.querySelector(".counts").textContent = [t("count.faces", { n: told.FaceCount }), t("count.people", { n: told.UserCount }), t("collections.since", { day: day(told.CreationTimestamp) })].join(" · ");
    } catch (error) {
      item.querySelector(".counts").textContent = said(error);
    }
  }

  async function load(token) {
    try {
      const answer = await ask("ListCollections", { MaxResults: PAGE, NextToken: token });
      list.append(...answer.CollectionIds.map(card));
      more.replaceChildren(...(answer.NextToken ? [button(t("more"), () => load(answer.NextToken))] : []));
      if (!list.childElementCount) list.replaceWith(element("p", { class: "empty" }, t("collections.none")));
    } catch (error) {
      more.replaceChildren(failed(error, () => load(token)));
    }
  }

  async function remove(id, item) {
    const erased = await deleteCollection(id);
    if (!erased) return;
    item.remove();
    news.replaceChildren(erased);
  }

  load();
  return page;
}

// Asks, deletes and answers a notice of what was erased; null when left.
export async function deleteCollection(id) {
  let counts;
  try {
    counts = await ask("DescribeCollection", { CollectionId: id });
    const lines = [t("collections.deleteWhat", { faces: t("count.faces", { n: counts.FaceCount }), people: t("count.people", { n: counts.UserCount }) }), t("deleteForGood")];
    if (!await confirm(t("collections.deleteTitle", { name: id }), lines, { yes: t("collections.deleteYes"), typed: id })) return null;
    await ask("DeleteCollection", { CollectionId: id });
  } catch (error) {
    return failed(error);
  }
  const pictures = await crops.eraseCollection(id);
  const told = [t("collections.deleted", { name: id, faces: t("count.faces", { n: counts.FaceCount }), people: t("count.people", { n: counts.UserCount }) }), pictures ? t("crops.erased", { n: pictures }) : ""].join(" ");
  say(told);
  return notice("good", element("p", {}, told));
}
