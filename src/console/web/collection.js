// One collection: its faces, its people, adding pictures, searching.

import { ask } from "./api.js";
import { addressOf, deleteCollection } from "./collections.js";
import { button, element, icon } from "./element.js";
import { t } from "./words.js";

const PARTS = [["faces", "picture"], ["people", "people"], ["add", "plus"], ["search", "search"]];

const VIEWS = {
  faces: async (house) => (await import("./faces.js")).facesView(house),
  people: async (house, [user, face]) => user ? (await import("./people.js")).personView(house, user, face) : (await import("./people.js")).peopleView(house),
  add: async (house) => (await import("./enrol.js")).enrolView(house),
  search: async (house, [by, id]) => (await import("./search.js")).searchView(house, by, id),
};

export async function collectionPage([id, part = "faces", ...rest]) {
  const counts = element("p", { class: "quiet" });
  const house = {
    id,
    // Counts at the head of the page, asked for again after each change.
    async refresh() {
      house.told = await ask("DescribeCollection", { CollectionId: id });
      counts.textContent = [t("count.faces", { n: house.told.FaceCount }), t("count.people", { n: house.told.UserCount }), t("collection.model", { version: house.told.FaceModelVersion })].join(" · ");
    },
  };
  await house.refresh();
  const now = part in VIEWS ? part : "faces";
  const view = await VIEWS[now](house, rest);
  const links = PARTS.map(([name, sign]) =>
    element("a", { href: addressOf(id, name), "aria-current": name === now ? "page" : undefined }, icon(sign), element("span", {}, t(`collection.${name}`))));
  const page = element("div", { class: "page" },
    element("nav", { class: "crumbs", "aria-label": t("nav.where") }, element("a", { href: "#/collections" }, t("nav.collections")), icon("right"), element("span", { "aria-current": "location" }, id)),
    element("div", { class: "line" }, element("h1", {}, id),
      button(t("collection.delete"), async () => {
        const erased = await deleteCollection(id);
        if (!erased) return;
        page.replaceChildren(element("h1", {}, id), erased, element("p", {}, element("a", { href: "#/collections" }, t("collection.back"))));
      }, { kind: "quiet-button", sign: "bin" })),
    counts,
    element("nav", { class: "parts", "aria-label": id }, links),
    view);
  return page;
}
