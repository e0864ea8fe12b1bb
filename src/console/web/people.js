// People: users of the API, and the faces each of them has.

import { ask } from "./api.js";
import { addressOf } from "./collections.js";
import { button, element, notice, say } from "./element.js";
import { failed } from "./failure.js";
import { portrait } from "./face_card.js";
import { Wall } from "./faces.js";
import * as grouping from "./grouping.js";
import { prompt } from "./dialog.js";
import { t } from "./words.js";

const PAGE = 48;
const SHOWN_FACES = 4;

export async function peopleView(house) {
  const list = element("ul", { class: "people" });
  const more = element("div", { class: "buttons" });
  const news = element("div", {});
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) { seen.unobserve(target); faces(target); }
  });

  async function faces(item) {
    const user = item.dataset.user;
    try {
      const own = await grouping.facesOf(house.id, user);
      item.querySelector(".row").replaceChildren(...own.slice(0, SHOWN_FACES).map((face) => portrait(house.id, { ...face, UserId: user }, "little")));
      item.querySelector(".quiet").textContent = t("count.faces", { n: own.length });
    } catch { /* the name stands without them */ }
  }

  const card = ({ UserId }) => {
    const item = element("li", { class: "card person-card", "data-user": UserId },
      element("span", { class: "row" }, portrait(house.id, { UserId, FaceId: "" }, "little")),
      element("a", { class: "cover", href: addressOf(house.id, "people", UserId) }, UserId), element("span", { class: "quiet small" }, " "));
    seen.observe(item);
    return item;
  };

  async function load(token) {
    try {
      const answer = await ask("ListUsers", { CollectionId: house.id, MaxResults: PAGE, NextToken: token });
      list.append(...answer.Users.map(card));
      more.replaceChildren(...(answer.NextToken ? [button(t("more"), () => load(answer.NextToken))] : []));
      if (!list.childElementCount) news.replaceChildren(element("p", { class: "empty" }, t("people.none")));
    } catch (error) {
      more.replaceChildren(failed(error, () => load(token)));
    }
  }

  async function make() {
    const user = await prompt(t("people.new"), t("people.name"), { yes: t("people.create"), check: grouping.userProblem });
    if (user === null) return;
    try {
      await ask("CreateUser", { CollectionId: house.id, UserId: user });
      await house.refresh();
      list.replaceChildren();
      news.replaceChildren(notice("good", element("p", {}, t("group.made", { name: user }))));
      await load();
    } catch (error) {
      news.replaceChildren(failed(error));
    }
  }

  await load();
  return element("section", { "aria-label": t("collection.people") },
    element("div", { class: "line" }, element("p", { class: "quiet" }, t("people.lead")), button(t("people.new"), make, { sign: "plus" })),
    news, list, more);
}

export async function personView(house, user) {
  const news = element("div", {});
  const wall = new Wall(house, { user });
  const run = (work) => async () => {
    try {
      await work();
    } catch (error) {
      news.replaceChildren(failed(error));
    }
  };
  const rename = run(async () => {
    const done = await grouping.rename(house.id, user);
    if (!done) return;
    say(done.words);
    sessionStorage.setItem("trombi-news", done.words);
    location.hash = addressOf(house.id, "people", done.name);
  });
  const remove = run(async () => {
    const told = await grouping.eraseUser(house.id, user);
    if (told === null) return;
    say(told);
    await house.refresh();
    node.replaceChildren(notice("good", element("p", {}, told)), element("p", {}, element("a", { href: addressOf(house.id, "people") }, t("people.all"))));
  });
  const told = sessionStorage.getItem("trombi-news");
  sessionStorage.removeItem("trombi-news");
  if (told) news.replaceChildren(notice("good", element("p", {}, told)));
  await wall.load();
  const node = element("section", { "aria-label": user },
    element("div", { class: "line" }, element("h2", {}, user), element("div", { class: "buttons" },
      element("a", { class: "button", href: addressOf(house.id, "search", "user", user) }, t("people.search")),
      button(t("people.rename"), rename, { sign: "pen" }),
      button(t("people.delete"), remove, { kind: "danger", sign: "bin" }))),
    news, wall.node);
  return node;
}
