// Try it: the faces of a picture, and two pictures side by side. Nothing is enrolled.

import { ask, call } from "./api.js";
import { chooser, takeDrops, takePastes } from "./chooser.js";
import { button, drawn, element, say } from "./element.js";
import { failed } from "./failure.js";
import { modelExpectations, pairWords, restsOn, scale } from "./odds.js";
import { askWith, cutFace, decoded, image } from "./picture.js";
import { Stage, faceFacts } from "./stage.js";
import { similarity, t } from "./words.js";

const SLOTS = ["source", "target"];
const PAINTS = 6;
const JOINED = 80; // what the API takes for a match unless told otherwise

export function tryPage() {
  const page = new TryPage();
  return page.node;
}

class TryPage {
  slots = { source: null, target: null };
  turn = 0;

  constructor() {
    this.places = Object.fromEntries(SLOTS.map((name) => [name, element("div", { class: "slot", "data-slot": name })]));
    this.side = element("div", { class: "stack" }); // facts of the faces, while there is one picture
    this.lines = drawn("svg", { class: "lines", "aria-hidden": "true" });
    this.pair = element("div", { class: "pair" }, ...SLOTS.map((name) => this.places[name]), this.lines);
    this.result = element("section", { class: "result", "aria-label": t("try.result") });
    this.node = element("div", { class: "page" },
      element("div", { class: "intro" }, element("h1", {}, t("try.title")), element("p", { class: "lead" }, t("try.lead"))),
      this.pair, this.result);
    const free = () => this.slots.source && !this.slots.target ? "target" : "source";
    takePastes(this.node, (files) => this.take(free(), files));
    takeDrops(this.node, (files) => this.take(free(), files));
    new ResizeObserver(() => this.join()).observe(this.pair);
    this.draw();
  }

  draw() {
    for (const name of SLOTS) {
      const slot = this.slots[name], place = this.places[name];
      place.hidden = name === "target" && !this.slots.source;
      if (slot) { if (place.firstChild !== slot.node) place.replaceChildren(slot.node); }
      else if (!place.querySelector(".zone")) {
        const source = name === "source";
        place.replaceChildren(source ? "" : this.side, chooser(t(source ? "try.drop" : "try.dropSecond"), (files) => this.take(name, files), { hint: t(source ? "try.hint" : "try.hintSecond"), compact: !source }));
      }
    }
    this.pair.classList.toggle("one", !this.slots.source);
  }

  take(name, files) {
    this.put(name, files[0]);
    if (files.length > 1 && name === "source") this.put("target", files[1]);
  }

  async put(name, { file, path }) {
    this.slots[name]?.stage?.close();
    const status = element("div", { class: "under" }, element("p", { class: "quiet busy" }, t("try.looking")));
    const slot = { file, path, faces: null, status, chosen: 0 };
    const again = button(t("try.another"), () => this.clear(name), { kind: "quiet-button", sign: "cross" });
    slot.stage = new Stage(file, path);
    slot.stage.img.addEventListener("error", () => { slot.stage.node.hidden = true; });
    slot.node = element("figure", { class: "slot-picture" },
      element("div", { class: "line" }, element("figcaption", {}, path), again), slot.stage.node, status);
    this.slots[name] = slot;
    this.pairs = null;
    this.side.replaceChildren();
    this.result.replaceChildren();
    this.lines.replaceChildren();
    this.draw();
    try {
      const { answer, blob, note } = await askWith(file, (Image) => ask("DetectFaces", { Image }));
      Object.assign(slot, { blob, faces: answer.FaceDetails });
      if (this.slots[name] !== slot) return;
      slot.stage.show(slot.faces, { onchoose: (index) => this.choose(name, index) });
      status.replaceChildren(...this.found(slot, note));
      say(t("try.found", { n: slot.faces.length }));
      performance.mark("trombi-shown");
      await this.compare();
    } catch (error) {
      if (this.slots[name] === slot) status.replaceChildren(failed(error, () => this.put(name, { file, path })));
    }
  }

  clear(name) {
    this.slots[name]?.stage.close();
    this.slots[name] = null;
    if (name === "source" && this.slots.target) {
      [this.slots.source, this.slots.target] = [this.slots.target, null];
      for (const place of Object.values(this.places)) place.replaceChildren();
    }
    this.turn++;
    this.pairs = null;
    this.side.replaceChildren();
    this.result.replaceChildren();
    this.lines.replaceChildren();
    this.draw();
    this.compare();
    this.places[name].querySelector("button:not([hidden])")?.focus();
  }

  found(slot, note) {
    const count = slot.faces.length;
    return [
      element("p", { class: "quiet" }, t("try.found", { n: count }), count ? "" : ` ${t("try.foundNone")}`),
      note && element("p", { class: "quiet small" }, t(...note)),
    ].filter(Boolean);
  }

  choose(name, index) {
    this.slots[name].chosen = index;
    if (name === "source" && this.slots.target) this.compare();
    else if (!this.slots.target) this.describe(index);
  }

  // Facts of the faces of a single picture.
  describe(index = 0) {
    const { faces, stage } = this.slots.source;
    if (!faces?.length) return this.side.replaceChildren();
    stage.choose(index);
    const shown = [faceFacts(faces[index], index)];
    this.side.replaceChildren(...shown, faces.length > 1 ? element("p", { class: "quiet" }, t("try.chooseFace")) : "");
  }

  async compare() {
    const { source, target } = this.slots, turn = ++this.turn;
    if (source?.faces && !target) return this.describe(source.chosen);
    if (!source?.faces?.length || !target?.faces?.length) return;
    this.result.replaceChildren(element("p", { class: "quiet busy" }, t("try.comparing")));
    try {
      const [model, answer] = await Promise.all([modelExpectations(), this.ask(source, target, source.chosen)]);
      if (turn === this.turn) this.tell(model, [{ from: source.chosen, answer }]);
    } catch (error) {
      if (turn === this.turn) this.result.replaceChildren(failed(error, () => this.compare()));
    }
  }

  // The API compares the largest face of the first picture; another one is sent cut out of it.
  async ask(source, target, index) {
    let sent = source.blob;
    if (index > 0) {
      source.bitmap ??= await decoded(source.blob);
      sent = await cutFace(source.bitmap, source.faces[index].BoundingBox, 0.35, 480);
    }
    const [SourceImage, TargetImage] = await Promise.all([image(sent), image(target.blob)]);
    return (await call("CompareFaces", { SourceImage, TargetImage, SimilarityThreshold: 0 })).answer;
  }

  async every() {
    const { source, target } = this.slots, turn = ++this.turn;
    this.result.replaceChildren(element("p", { class: "quiet busy" }, t("try.comparing")));
    try {
      const model = await modelExpectations(), answers = [];
      for (const from of source.faces.keys()) answers.push({ from, answer: await this.ask(source, target, from) });
      if (turn === this.turn) this.tell(model, answers);
    } catch (error) {
      if (turn === this.turn) this.result.replaceChildren(failed(error, () => this.every()));
    }
  }

  // Every face of the first picture with the face of the second that is most like it.
  tell(model, answers) {
    const { source, target } = this.slots;
    const pairs = answers.flatMap(({ from, answer }) => {
      const best = answer.FaceMatches[0];
      return best ? [{ from, to: nearest(target.faces, best.Face.BoundingBox), value: best.Similarity }] : [];
    }).sort((a, b) => b.value - a.value);
    pairs.forEach((pair, index) => { pair.paint = index % PAINTS; });
    for (const { stage } of [source, target]) [...stage.boxes.children].forEach((box) => delete box.dataset.paint);
    for (const pair of pairs.filter(({ value }) => value >= JOINED)) { source.stage.paint(pair.from, pair.paint); target.stage.paint(pair.to, pair.paint); }
    source.stage.choose(answers.length === 1 ? answers[0].from : -1);
    this.pairs = pairs;
    this.join();
    const many = source.faces.length;
    this.result.replaceChildren(
      element("h2", { class: "unseen-title" }, t("try.result")),
      element("ol", { class: "pairs" }, pairs.map((pair) => this.pairCard(model, pair))),
      scale(model, pairs.map(({ value, paint }) => ({ value, paint }))),
      element("p", { class: "quiet small" }, restsOn(model), " ", t("try.notProof")),
      many > 1 && answers.length === 1 ? element("div", { class: "buttons" },
        button(t("try.every", { n: many - 1 }), () => this.every()), element("span", { class: "quiet" }, t("try.chooseOther"))) : "");
    say(pairs.map(({ value }) => `${t("odds.similarity", { similarity: similarity(value) })} ${pairWords(model, value)}`).join(" "));
  }

  pairCard(model, { from, to, value, paint }) {
    return element("li", { class: "card pair-card", "data-paint": paint },
      element("p", { class: "big-number" }, similarity(value), element("small", {}, t("odds.unit"))),
      element("div", {},
        element("p", { class: "strong" }, pairWords(model, value)),
        element("p", { class: "quiet" }, t("try.between", { from: from + 1, to: to + 1 }), value < JOINED ? ` · ${t("try.notJoined", { least: JOINED })}` : "")));
  }

  // Lines between joined faces, as the pictures lie now.
  join() {
    this.lines.replaceChildren();
    if (!this.pairs || !this.slots.source || !this.slots.target) return;
    const area = this.pair.getBoundingClientRect();
    this.lines.setAttribute("viewBox", `0 0 ${area.width} ${area.height}`);
    for (const { from, to, paint } of this.pairs.filter((pair) => pair.value >= JOINED)) {
      const boxes = [this.slots.source.stage.boxes.children[from], this.slots.target.stage.boxes.children[to]];
      if (boxes.some((box) => !box)) continue;
      const [a, b] = boxes.map((box) => box.getBoundingClientRect());
      const beside = b.left > a.right;
      const [x1, y1, x2, y2] = beside
        ? [a.right, (a.top + a.bottom) / 2, b.left, (b.top + b.bottom) / 2]
        : [(a.left + a.right) / 2, a.bottom, (b.left + b.right) / 2, b.top];
      const [px, py] = [(x1 + x2) / 2, (y1 + y2) / 2];
      const bend = beside ? `C${px - area.left} ${y1 - area.top} ${px - area.left} ${y2 - area.top}` : `C${x1 - area.left} ${py - area.top} ${x2 - area.left} ${py - area.top}`;
      this.lines.append(drawn("path", { "data-paint": paint, d: `M${x1 - area.left} ${y1 - area.top}${bend} ${x2 - area.left} ${y2 - area.top}` }));
    }
  }
}

// The face whose box is the one the API named: two answers round alike, so the nearest is the same.
function nearest(faces, box) {
  const far = (other) => Math.hypot(other.Left - box.Left, other.Top - box.Top, other.Width - box.Width);
  return faces.reduce((best, face, index) => far(face.BoundingBox) < far(faces[best].BoundingBox) ? index : best, 0);
}

