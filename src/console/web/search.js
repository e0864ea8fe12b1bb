// Searching a collection: by a picture, a face or a person, with a threshold that says what it costs.

import { ask, call } from "./api.js";
import { chooser, takeDrops, takePastes } from "./chooser.js";
import { addressOf } from "./collections.js";
import { button, element, freshId, painted, say } from "./element.js";
import { failed } from "./failure.js";
import { nameOf, portrait } from "./face_card.js";
import { Threshold, expectations, pairShort, restsOn } from "./odds.js";
import { askWith, cutFace, decoded, image } from "./picture.js";
import { Stage } from "./stage.js";
import { similarity, t } from "./words.js";

const FOUND_MAX = 500;
const SHOWN = 24;
const DEFAULT = 80;

export async function searchView(house, by, id) {
  return new Search(house, by, id).node;
}

class Search {
  turn = 0;
  found = null;

  constructor(house, by, id) {
    this.house = house;
    this.users = by === "user";
    this.threshold = new Threshold(DEFAULT, (value) => this.settled(value));
    this.threshold.input.addEventListener("input", () => this.draw());
    this.rest = element("p", { class: "quiet small" });
    this.probe = element("div", { class: "probe" });
    this.results = element("section", { class: "found", "aria-label": t("search.results") });
    const group = freshId("among");
    const choice = (users, key) => element("label", { class: "tick" },
      element("input", { type: "radio", name: group, checked: this.users === users, disabled: by === "user" && !users, onchange: () => { this.users = users; this.expect(); this.search(); } }), element("span", {}, t(key)));
    this.node = element("section", { "aria-label": t("collection.search") },
      element("div", { class: "columns even" },
        element("div", {}, this.probe),
        element("div", { class: "card stack" }, this.threshold.node, this.rest,
          element("fieldset", { class: "plain" }, element("legend", {}, t("search.among")), choice(false, "search.faces"), choice(true, "search.people")))),
      this.results);
    this.expect();
    if (by && id) this.start({ by, id });
    else this.offer();
    takePastes(this.node, ([first]) => this.picture(first));
    takeDrops(this.node, ([first]) => this.picture(first));
  }

  async expect() {
    try {
      this.said = await expectations({ CollectionId: this.house.id, Users: this.users });
      this.threshold.said = this.said;
      this.rest.textContent = restsOn(this.said);
      if (this.found) this.draw();
    } catch (error) {
      this.rest.replaceChildren(failed(error));
    }
  }

  offer() {
    this.probe.replaceChildren(chooser(t("search.drop"), ([first]) => this.picture(first), { hint: t("search.hint"), compact: true }));
  }

  async start(probe) {
    this.asked = probe;
    let face = { UserId: probe.id, FaceId: "" };
    if (probe.by === "face") {
      const listed = await ask("ListFaces", { CollectionId: this.house.id, FaceIds: [probe.id] }).catch(() => ({ Faces: [] }));
      face = listed.Faces[0] ?? { FaceId: probe.id };
    }
    const words = t(probe.by === "user" ? "search.byPerson" : "search.byFace", { name: nameOf(face) });
    this.probe.replaceChildren(element("div", { class: "card probe-card" }, portrait(this.house.id, face), element("p", {}, words), button(t("search.picture"), () => { this.asked = this.found = null; this.results.replaceChildren(); this.offer(); }, { kind: "quiet-button" })));
    this.search();
  }

  picture({ file, path }) {
    performance.mark("trombi-search-start");
    this.asked?.stage?.close();
    const stage = new Stage(file, path);
    stage.img.addEventListener("error", () => { stage.node.hidden = true; });
    const note = element("p", { class: "quiet small" });
    this.asked = { by: "image", file, stage, note, chosen: 0 };
    this.probe.replaceChildren(element("figure", { class: "slot-picture" },
      element("div", { class: "line" }, element("figcaption", {}, path), button(t("try.another"), () => { this.turn++; this.asked = this.found = null; this.results.replaceChildren(); stage.close(); this.offer(); }, { kind: "quiet-button", sign: "cross" })),
      stage.node, note));
    this.search();
  }

  async search() {
    const { asked } = this, turn = ++this.turn;
    if (!asked) return;
    this.results.setAttribute("aria-busy", "true");
    if (!this.found) this.results.replaceChildren(element("p", { class: "quiet busy" }, t("search.searching")));
    try {
      const threshold = this.threshold.value;
      const answer = await this.ask(asked, threshold);
      if (turn !== this.turn) return;
      this.found = { threshold, matches: (answer.FaceMatches ?? answer.UserMatches).map((match) => ({ value: match.Similarity, face: match.Face ?? { ...match.User, FaceId: "" } })) };
      this.shown = SHOWN;
      this.draw();
      performance.mark("trombi-search-shown");
      const n = this.found.matches.length;
      say(n ? t("search.found", { n }) : t("search.nobody", { threshold }));
      if (asked.by === "image" && !asked.faces) { await painted(); this.others(asked); }
    } catch (error) {
      if (turn === this.turn) { this.found = null; this.results.replaceChildren(failed(error, () => this.search())); }
    } finally {
      this.results.removeAttribute("aria-busy");
    }
  }

  async ask(asked, threshold) {
    const many = this.users ? { MaxUsers: FOUND_MAX, UserMatchThreshold: threshold } : { MaxFaces: FOUND_MAX, FaceMatchThreshold: threshold };
    const input = { CollectionId: this.house.id, ...many };
    if (asked.by === "user") return ask("SearchUsers", { ...input, UserId: asked.id });
    if (asked.by === "face") return ask(this.users ? "SearchUsers" : "SearchFaces", { ...input, FaceId: asked.id });
    const operation = this.users ? "SearchUsersByImage" : "SearchFacesByImage";
    const asking = async (Image) => (await call(operation, { ...input, Image })).answer;
    if (asked.chosen > 0) {
      asked.bitmap ??= await decoded(asked.blob);
      return asking(await image(await cutFace(asked.bitmap, asked.faces[asked.chosen].BoundingBox, 0.35, 480)));
    }
    const { answer, blob, note } = await askWith(asked.file, asking, asked.blob ? { blob: asked.blob, note: asked.sent } : null);
    Object.assign(asked, { blob, sent: note });
    asked.note.textContent = note ? t(...note) : "";
    const box = answer.SearchedFaceBoundingBox ?? answer.SearchedFace?.FaceDetail?.BoundingBox;
    if (box && !asked.faces) asked.stage.show([{ BoundingBox: box, Confidence: answer.SearchedFaceConfidence ?? answer.SearchedFace?.FaceDetail?.Confidence ?? 0 }]);
    return answer;
  }

  // After the answer is shown: the picture's other faces, to search for one of them instead.
  async others(asked) {
    try {
      const faces = (await ask("DetectFaces", { Image: await image(asked.blob) })).FaceDetails;
      if (this.asked !== asked || faces.length < 2) return;
      asked.faces = faces;
      asked.stage.show(faces, { onchoose: (index) => { asked.chosen = index; asked.stage.choose(index); this.found = null; this.search(); } });
      asked.stage.choose(asked.chosen);
      asked.note.textContent = [asked.note.textContent, t("search.others")].filter(Boolean).join(" ");
    } catch { /* the answer stands without them */ }
  }

  // Higher thresholds leave matches out of what was found; lower ones ask again.
  settled(value) {
    if (this.asked && (!this.found || value < this.found.threshold || this.found.matches.length >= FOUND_MAX)) this.search();
  }

  draw() {
    if (!this.found) return;
    const matches = this.found.matches.filter((match) => match.value >= this.threshold.value);
    const lower = this.threshold.value < this.found.threshold;
    const cards = matches.slice(0, this.shown).map((match, index) => this.card(match, index));
    this.results.replaceChildren(
      element("h2", {}, matches.length ? t("search.found", { n: matches.length }) : t("search.nobody", { threshold: this.threshold.value })),
      lower ? element("p", { class: "quiet" }, t("search.release")) : "",
      element("ol", { class: "matches" }, cards),
      matches.length > this.shown ? button(t("more"), () => { this.shown += SHOWN * 4; this.draw(); }) : "",
      matches.length >= FOUND_MAX ? element("p", { class: "quiet" }, t("search.most", { n: FOUND_MAX })) : "",
      matches.length ? element("p", { class: "quiet small" }, t("try.notProof")) : "");
  }

  card({ value, face }, index) {
    const to = face.UserId ? addressOf(this.house.id, "people", face.UserId) : addressOf(this.house.id, "search", "face", face.FaceId);
    return element("li", { class: `card match ${index ? "" : "best"}` },
      portrait(this.house.id, face),
      element("div", {},
        element("a", { href: to, class: "name" }, nameOf(face)),
        face.UserId && face.ExternalImageId ? element("p", { class: "quiet small" }, face.ExternalImageId) : null,
        element("p", { class: "odds" }, this.said ? pairShort(this.said, value) : "")),
      element("p", { class: "big-number" }, similarity(value)));
  }
}
