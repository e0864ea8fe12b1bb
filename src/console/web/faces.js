// The wall of faces, one page at a time: a collection may have a million.

import { ask } from "./api.js";
import * as crops from "./crops.js";
import { addressOf } from "./collections.js";
import { button, element, icon, notice, say, tick } from "./element.js";
import { failed } from "./failure.js";
import { portrait } from "./face_card.js";
import * as grouping from "./grouping.js";
import { fixed, t } from "./words.js";

const PAGE = 60;

export async function facesView(house) {
  const wall = new Wall(house);
  await wall.load();
  return wall.node;
}

// user: the wall of one person alone; onchange() after faces came or went.
export class Wall {
  tokens = [undefined];
  chosen = new Map();

  constructor(house, { user = null, onchange = () => {} } = {}) {
    Object.assign(this, { house, user, onchange });
    this.news = element("div", {});
    this.list = element("ul", { class: "wall" });
    this.pages = element("nav", { class: "pages", "aria-label": t("faces.pages") });
    this.bar = element("div", { class: "bar-of-choice", role: "region", "aria-label": t("faces.chosenLabel"), hidden: true });
    this.note = element("p", { class: "quiet small" });
    this.node = element("section", { "aria-label": t("collection.faces") }, this.news, this.note, this.list, this.pages, this.bar);
  }

  async load() {
    const token = this.tokens.at(-1);
    try {
      const answer = await ask("ListFaces", { CollectionId: this.house.id, UserId: this.user ?? undefined, MaxResults: PAGE, NextToken: token });
      this.faces = answer.Faces.map((face) => this.user ? { ...face, UserId: this.user } : face);
      this.next = answer.NextToken;
      if (!this.faces.length && this.tokens.length > 1) { // the last page's faces are gone
        this.tokens.pop();
        return this.load();
      }
      this.draw();
    } catch (error) {
      this.list.replaceChildren();
      this.news.replaceChildren(failed(error, () => this.load()));
    }
  }

  draw() {
    this.list.replaceChildren(...this.faces.map((face) => this.card(face)));
    const from = (this.tokens.length - 1) * PAGE;
    if (!this.faces.length && !from) {
      this.list.replaceChildren(element("li", { class: "empty" }, t(this.user ? "faces.noneOfPerson" : "faces.none"), " ",
        this.user ? null : element("a", { class: "button primary", href: addressOf(this.house.id, "add") }, t("faces.add"))));
    }
    const total = this.user ? null : this.house.told.FaceCount;
    const back = button(t("pages.before"), () => { this.tokens.pop(); this.turn(); }, { sign: "left", disabled: from === 0 });
    const on = button(t("pages.after"), () => { this.tokens.push(this.next); this.turn(); }, { sign: "right", disabled: !this.next });
    const range = t(total === null ? "pages.range" : "pages.rangeOf", { from: from + 1, to: from + this.faces.length, total });
    this.pages.replaceChildren(...(from || this.next ? [back, element("span", { "aria-current": "true" }, range), on] : []));
    this.tellPictures();
    this.choice();
  }

  async tellPictures() {
    const kept = await crops.count(this.house.id);
    this.note.textContent = this.faces.length ? t(kept ? "crops.some" : "crops.none") : "";
  }

  async turn() {
    await this.load();
    this.node.scrollIntoView({ block: "start" });
    say(this.pages.querySelector("span")?.textContent ?? "");
  }

  card(face) {
    const [row, box] = tick(face.ExternalImageId ?? face.FaceId.slice(0, 8), { title: face.FaceId, checked: this.chosen.has(face.FaceId), onchange: () => {
      if (box.checked) this.chosen.set(face.FaceId, face); else this.chosen.delete(face.FaceId);
      card.classList.toggle("chosen", box.checked);
      this.choice();
    } });
    row.prepend(portrait(this.house.id, face));
    const card = element("li", { class: `face-card ${this.chosen.has(face.FaceId) ? "chosen" : ""}` }, row,
      this.user ? null : face.UserId
        ? element("a", { class: "person", href: addressOf(this.house.id, "people", face.UserId), "aria-label": t("face.person", { name: face.UserId }) }, icon("person"), element("span", {}, face.UserId))
        : element("span", { class: "person quiet" }, t("face.nobody")),
      element("span", { class: "quiet small" }, t("face.confidence", { confidence: fixed(face.Confidence, 1) })));
    return card;
  }

  choice() {
    const faces = [...this.chosen.values()], n = faces.length;
    this.bar.hidden = !n;
    if (!n) return;
    const run = (work) => async () => {
      try {
        const told = await work(this.house.id, faces);
        if (told === null) return;
        this.chosen.clear();
        await this.changed(told);
      } catch (error) {
        this.news.replaceChildren(failed(error));
        await this.load();
      }
    };
    const owned = faces.some((face) => face.UserId);
    this.bar.replaceChildren(element("strong", {}, t("faces.chosen", { n })),
      element("div", { class: "buttons" },
        this.user ? button(t("faces.move"), run(grouping.move), { sign: "people" }) : button(t("faces.group"), run(grouping.group), { kind: "primary", sign: "people" }),
        owned && button(t("faces.not"), run(grouping.notThisPerson), { sign: "cross" }),
        n === 1 && element("a", { class: "button", href: addressOf(this.house.id, "search", "face", faces[0].FaceId) }, t("faces.searchLike")),
        button(t("faces.delete"), run(grouping.eraseFaces), { kind: "danger", sign: "bin" }),
        button(t("faces.unchoose"), () => { this.chosen.clear(); this.draw(); }, { kind: "quiet-button" })));
  }

  async changed(told) {
    await this.house.refresh();
    await this.load();
    this.news.replaceChildren(notice("good", element("p", {}, told)));
    say(told);
    this.onchange();
  }
}
