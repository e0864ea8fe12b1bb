// A picture with its faces: boxes that can be chosen by hand and by keyboard, and landmarks.

import { drawn, element } from "./element.js";
import { fixed, t } from "./words.js";

const share = (value) => `${value * 100}%`;

// faces: FaceDetail of the API. onchoose(index) makes boxes buttons; `colours` gives an index of a colour each.
export class Stage {
  constructor(blob, name) {
    this.address = URL.createObjectURL(blob);
    const kind = blob.type === "image/png" ? "png" : "";
    this.img = element("img", { src: this.address, alt: t("stage.alt", { name }), class: kind, decoding: "async" });
    this.points = drawn("svg", { class: "points", "aria-hidden": "true", viewBox: "0 0 1 1", preserveAspectRatio: "none" });
    this.boxes = element("div", { class: "boxes" });
    this.node = element("div", { class: "stage" }, this.img, this.points, this.boxes);
    this.img.addEventListener("load", () => this.#fit());
  }

  // As large as the place and the window allow; small pictures are shown larger than they are.
  #fit() {
    const { naturalWidth: w, naturalHeight: h } = this.img;
    this.node.style.width = `min(100%, ${(66 * w / h).toFixed(2)}vh, ${Math.max(w, 460)}px)`;
  }

  show(faces, { onchoose = null, label = null } = {}) {
    this.faces = faces;
    this.boxes.replaceChildren(...faces.map((face, index) => this.#box(face, index, onchoose, label)));
    this.points.replaceChildren();
    const settle = () => this.#landmarks(faces);
    this.img.complete && this.img.naturalWidth ? settle() : this.img.addEventListener("load", settle, { once: true });
  }

  #box(face, index, onchoose, label) {
    const { Left, Top, Width, Height } = face.BoundingBox;
    const name = label?.(face, index) ?? t("stage.face", { number: index + 1, confidence: fixed(face.Confidence, 1) });
    const place = { left: share(Left), top: share(Top), width: share(Width), height: share(Height) };
    const tag = element("span", { class: "tag", "aria-hidden": "true" }, String(index + 1));
    if (!onchoose) return element("div", { class: "face", place, role: "img", "aria-label": name }, tag);
    return element("button", { type: "button", class: "face", place, "aria-label": name, "aria-pressed": "false", onclick: () => onchoose(index) }, tag);
  }

  #landmarks(faces) {
    const { naturalWidth: w, naturalHeight: h } = this.img;
    this.points.setAttribute("viewBox", `0 0 ${w} ${h}`);
    for (const face of faces) {
      const r = Math.max(0.014 * Math.hypot(face.BoundingBox.Width * w, face.BoundingBox.Height * h), 0.002 * w);
      for (const point of face.Landmarks ?? []) {
        this.points.append(drawn("circle", { cx: point.X * w, cy: point.Y * h, r }));
      }
    }
  }

  choose(index) {
    [...this.boxes.children].forEach((box, i) => {
      if (box.tagName === "BUTTON") box.setAttribute("aria-pressed", String(i === index));
    });
  }

  paint(index, name) {
    const box = this.boxes.children[index];
    if (box) box.dataset.paint = name;
  }

  close() { URL.revokeObjectURL(this.address); }
}

// A head that is turned as the face is: a small drawing beside the numbers.
export function head(pose) {
  const turn = (degrees) => Math.sin(degrees * Math.PI / 180);
  const [x, y] = [9 * turn(pose.Yaw), -9 * turn(pose.Pitch)];
  return drawn("svg", { class: "head", viewBox: "-16 -16 32 32", "aria-hidden": "true" },
    drawn("g", { transform: `rotate(${pose.Roll})` },
      drawn("ellipse", { rx: 11, ry: 14 }),
      drawn("path", { d: `M${x - 5.5} ${y - 3}h3M${x + 2.5} ${y - 3}h3M${x} ${y - 1}l${1.3 * Math.sign(pose.Yaw || 1)} 4h-1.300M${x - 3.5} ${y + 7}q3.500 2 7 0` })));
}

export function poseWords({ Yaw, Pitch, Roll }) {
  const said = (key, value) => Math.abs(value) >= 5 && t(`pose.${key}${value > 0 ? "Plus" : "Minus"}`, { degrees: Math.round(Math.abs(value)) });
  const parts = [said("yaw", Yaw), said("pitch", Pitch), said("roll", Roll)].filter(Boolean);
  return parts.length ? parts.join(", ") : t("pose.ahead");
}

function meter(label, value) {
  const bar = element("meter", { min: 0, max: 100, value, "aria-label": label });
  return [element("dt", {}, label), element("dd", {}, bar, element("span", { class: "figure" }, fixed(value, 0)))];
}

// What the API says of one face.
export function faceFacts(face, index) {
  return element("article", { class: "card facts" },
    element("header", {}, head(face.Pose), element("div", {},
      element("h2", {}, t("facts.title", { number: index + 1 })),
      element("p", { class: "quiet" }, poseWords(face.Pose)))),
    element("dl", { class: "meters" },
      meter(t("facts.confidence"), face.Confidence),
      meter(t("facts.sharpness"), face.Quality.Sharpness),
      meter(t("facts.brightness"), face.Quality.Brightness)),
    element("p", { class: "quiet small" }, t("facts.angles", { yaw: fixed(face.Pose.Yaw, 0), pitch: fixed(face.Pose.Pitch, 0), roll: fixed(face.Pose.Roll, 0) })));
}
