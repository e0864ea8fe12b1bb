// Adding pictures, many at a time: a list that can be stopped and gone on with, whatever happens to the server.

import { ask, rest, Unreachable } from "./api.js";
import { chooser } from "./chooser.js";
import { addressOf } from "./collections.js";
import * as crops from "./crops.js";
import { button, element, field, notice, say, tick } from "./element.js";
import { said } from "./failure.js";
import { associate, tidiedUser } from "./grouping.js";
import { askWith, asJpeg, decoded } from "./picture.js";
import { number, t } from "./words.js";

const AT_ONCE = 3;
const SHOWN_MAX = 100;
const CROP_PX = 144;
const ASK_AGAIN_MS = 2000;
const LISTS_MS = 400;

// One for each collection, so that leaving the page does not end the work.
const works = new Map();
addEventListener("beforeunload", (event) => {
  if ([...works.values()].some((work) => work.running)) event.preventDefault();
});

const stem = (path) => path.split("/").at(-1).replace(/\.[^.]*$/, "");
const folderOf = (path) => path.split("/").at(-2) ?? "";
// "Ada_0001" is a picture of Ada.
const person = (name) => name.replace(/[_\-. ]*\d+$/, "") || name;

class Work {
  items = [];
  running = false;
  trouble = null; // words of what stopped it
  counts = { waiting: 0, done: 0, faces: 0, refused: 0 };
  users = new Map(); // each made once, however many pictures of it are under way
  draw = () => {}; // of the page that shows it, if any does

  constructor(house) { this.house = house; }

  add(files, options) {
    for (const { file, path } of files) this.items.push({ file, path, options, state: "waiting", words: "" });
    this.counts.waiting += files.length;
    this.go();
  }

  go() {
    this.trouble = null;
    if (this.running || !this.counts.waiting) return this.changed();
    this.running = true;
    this.control = new AbortController();
    this.next = 0;
    const { signal } = this.control;
    Promise.all(Array.from({ length: AT_ONCE }, () => this.worker(signal))).then(() => {
      if (this.control.signal !== signal) return;
      this.running = false;
      this.house.refresh().catch(() => {});
      this.changed();
      if (!this.counts.waiting) say(this.summary());
    });
    this.changed();
  }

  stop(words = t("enrol.stopped")) {
    this.trouble = words;
    this.control?.abort();
    this.running = false;
    this.changed();
  }

  again() {
    for (const item of this.items) if (item.state === "refused") { this.turn(item, "waiting", ""); }
    this.go();
  }

  async worker(signal) {
    for (;;) {
      while (this.next < this.items.length && this.items[this.next].state !== "waiting") this.next++;
      const item = this.items[this.next++];
      if (!item || signal.aborted) return;
      await this.one(item, signal);
    }
  }

  async one(item, signal) {
    item.state = "sending";
    for (;;) {
      try {
        return await this.enrol(item, signal);
      } catch (error) {
        if (signal.aborted) return this.back(item, signal);
        if (error instanceof Unreachable) {
          // The server is away: wait for it, unless the person stops.
          this.trouble = t("enrol.away");
          this.changed();
          await rest(ASK_AGAIN_MS, signal).catch(() => {});
          if (signal.aborted) return this.back(item, signal);
          continue;
        }
        if (error.code === "ResourceNotFoundException" || error.name === "SessionOver" || /Signature|Client|Authentication/.test(error.code ?? "")) {
          item.state = "waiting";
          return this.stop(said(error));
        }
        return this.turn(item, "refused", said(error));
      }
    }
  }

  // An item of a round that was stopped waits again; a round that has begun meanwhile takes it up.
  back(item, signal) {
    item.state = "waiting";
    if (!this.running || this.control.signal === signal) return;
    this.next = 0;
    this.worker(this.control.signal);
  }

  async enrol(item, signal) {
    const { collection, options, path } = { collection: this.house.id, options: item.options, path: item.path };
    const name = options.naming === "fixed" ? options.name : options.naming === "folder" && folderOf(path) ? folderOf(path) : stem(path);
    const input = { CollectionId: collection, QualityFilter: options.quality };
    if (options.naming !== "none") input.ExternalImageId = tidiedUser(name);
    if (options.largest) input.MaxFaces = 1;
    const { answer, blob, note } = await askWith(item.file, (Image) => ask("IndexFaces", { ...input, Image }, { signal }));
    this.trouble = null;
    const ids = answer.FaceRecords.map((record) => record.Face.FaceId);
    const left = answer.UnindexedFaces.filter((face) => !(options.largest && face.Reasons.join() === "EXCEEDS_MAX_FACES"));
    const why = [...new Set(left.flatMap((face) => face.Reasons))].map((reason) => t(`reason.${reason}`));
    if (!ids.length) return this.turn(item, "refused", why.length ? t("enrol.refusedFor", { why: why.join(", ") }) : t("failure.noFace"));
    const words = [t("count.faces", { n: ids.length })];
    if (left.length) words.push(t("enrol.leftOut", { n: left.length, why: why.join(", ") }));
    if (note) words.push(t(...note));
    if (options.people && options.naming !== "none") words.push(...await this.toPerson(collection, tidiedUser(options.naming === "file" ? person(name) : name), ids));
    if (options.crops) await this.keepCrops(collection, blob, answer.FaceRecords);
    this.counts.faces += ids.length;
    this.turn(item, "done", words.join(" · "));
  }

  async toPerson(collection, user, ids) {
    if (!this.users.has(user)) {
      this.users.set(user, ask("CreateUser", { CollectionId: collection, UserId: user }).catch((error) => {
        if (error.code === "ConflictException") return;
        this.users.delete(user);
        throw error;
      }));
    }
    try {
      await this.users.get(user);
      const { refused } = await associate(collection, user, ids);
      return refused.some((face) => face.Reasons.includes("LOW_MATCH_CONFIDENCE")) ? [t("enrol.unlike", { name: user })] : [];
    } catch (error) {
      if (error instanceof Unreachable) throw error;
      return [said(error)];
    }
  }

  async keepCrops(collection, blob, records) {
    const bitmap = await decoded(blob).catch(() => null);
    if (!bitmap) return;
    for (const { Face } of records) {
      const { Left, Top, Width, Height } = Face.BoundingBox;
      const side = 1.35 * Math.max(Width * bitmap.width, Height * bitmap.height);
      const [x, y] = [(Left + Width / 2) * bitmap.width - side / 2, (Top + Height / 2) * bitmap.height - side / 2];
      await crops.put(collection, Face.FaceId, await asJpeg(bitmap, x, y, side, side, CROP_PX, CROP_PX, 0.8));
    }
    bitmap.close();
  }

  turn(item, state, words) {
    if (item.state === "refused") this.counts.refused--;
    if (state === "waiting") this.counts.waiting++;
    else this.counts.waiting--;
    if (state !== "waiting") this.counts[state]++;
    Object.assign(item, { state, words });
    if (state === "done") item.file = null; // memory
    this.changed();
  }

  changed() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.draw(); });
  }

  summary() {
    const { done, faces, refused } = this.counts;
    return t("enrol.summary", { pictures: t("count.pictures", { n: done }), faces: t("count.faces", { n: faces }), refused: number(refused) });
  }
}

export function enrolView(house) {
  const work = works.get(house.id) ?? new Work(house);
  work.house = house;
  works.set(house.id, work);
  const naming = element("select", {}, ["file", "folder", "fixed", "none"].map((value) => element("option", { value }, t(`enrol.naming.${value}`))));
  const fixedName = element("input", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  const fixedRow = field(t("enrol.name"), fixedName);
  const quality = element("select", {}, ["AUTO", "LOW", "MEDIUM", "HIGH", "NONE"].map((value) => element("option", { value }, t(`enrol.quality.${value}`))));
  const [largestRow, largest] = tick(t("enrol.largest"));
  const [peopleRow, people] = tick(t("enrol.people"));
  const [cropsRow, keepCrops] = tick(t("enrol.crops"), { checked: crops.wanted(), onchange: () => crops.want(keepCrops.checked) });
  const settle = () => { fixedRow.hidden = naming.value !== "fixed"; people.disabled = naming.value === "none"; };
  naming.addEventListener("change", settle);
  settle();

  const take = (files) => work.add(files, {
    naming: naming.value, name: fixedName.value.trim() || house.id, quality: quality.value,
    largest: largest.checked, people: people.checked && !people.disabled, crops: keepCrops.checked,
  });

  const status = statusView(work);
  work.draw = status.draw;
  status.draw();

  return element("section", { class: "enrol", "aria-label": t("collection.add") },
    element("div", { class: "columns" },
      element("div", {}, chooser(t("enrol.drop"), take, { many: true, hint: t("enrol.hint"), compact: true }), status.node),
      element("fieldset", { class: "card stack" }, element("legend", {}, t("enrol.how")),
        field(t("enrol.naming"), naming, t("enrol.namingHint")), fixedRow, peopleRow, largestRow, field(t("enrol.quality"), quality),
        cropsRow, element("p", { class: "hint" }, t("enrol.cropsHint")))));
}

// How it goes. Made once and changed in place: a button that is made anew under a finger cannot be pressed.
function statusView(work) {
  const head = element("strong", {}), figure = element("span", { class: "figure" });
  const bar = element("progress", { max: 1, value: 0, "aria-label": t("enrol.progress") });
  const [faces, pictures, refused] = [element("span", {}), element("span", {}), element("span", {})];
  const trouble = element("div", {}), lists = element("div", {});
  const stop = button(t("enrol.stop"), () => { work.stop(); resume.focus(); }, { sign: "stop" });
  const resume = button(t("enrol.resume"), () => { work.go(); stop.focus(); }, { kind: "primary", sign: "play" });
  const again = button(t("enrol.again"), () => { work.again(); stop.focus(); });
  const see = element("a", { class: "button", href: addressOf(work.house.id) }, t("enrol.see"));
  const node = element("div", { class: "enrol-status" },
    element("div", { class: "card stack" }, element("div", { class: "line" }, head, figure), bar,
      element("p", { class: "tally" }, faces, pictures, refused), trouble, element("div", { class: "buttons" }, stop, resume, again, see)),
    lists);

  const draw = () => {
    const total = work.items.length, { waiting, done } = work.counts;
    node.hidden = !total;
    if (!total) return;
    head.textContent = t(work.running ? "enrol.running" : waiting ? "enrol.halted" : "enrol.finished");
    figure.textContent = `${number(total - waiting)} / ${number(total)}`;
    Object.assign(bar, { max: total, value: total - waiting });
    faces.textContent = t("count.faces", { n: work.counts.faces });
    pictures.textContent = t("enrol.donePictures", { n: done });
    refused.textContent = t("enrol.refused", { n: work.counts.refused });
    refused.classList.toggle("bad", work.counts.refused > 0);
    if (trouble.textContent !== (work.trouble ?? "")) trouble.replaceChildren(work.trouble ? notice("bad", element("p", {}, work.trouble)) : "");
    stop.hidden = !work.running;
    resume.hidden = work.running || !waiting;
    again.hidden = work.running || !work.counts.refused;
    see.hidden = work.running || !done;
    slowly();
  };

  // Lists of thousands of pictures need not be drawn sixty times a second.
  let due = null;
  const slowly = () => {
    due ??= setTimeout(() => {
      due = null;
      const open = (state, first) => lists.querySelector(`.${state}`)?.open ?? first;
      lists.replaceChildren(...[lines(t("enrol.refusedTitle"), work.items, "refused", open("refused", true)), lines(t("enrol.doneTitle"), work.items, "done", open("done", false))].filter(Boolean));
    }, work.running ? LISTS_MS : 0);
  };
  return { node, draw };
}

// At most SHOWN_MAX lines, the latest first: 10,000 would freeze the page and help nobody.
function lines(title, items, state, open) {
  const shown = [];
  let count = 0;
  for (let i = items.length - 1; i >= 0; i--) {
    if (items[i].state !== state) continue;
    if (++count <= SHOWN_MAX) shown.push(element("li", {}, element("span", { class: "path" }, items[i].path), element("span", { class: "quiet" }, items[i].words)));
  }
  if (!count) return "";
  if (count > shown.length) shown.push(element("li", { class: "quiet" }, t("enrol.more", { n: count - shown.length })));
  return element("details", { class: `lines-of ${state}`, open }, element("summary", {}, `${title} (${number(count)})`), element("ul", {}, shown));
}
