// One face of a collection: its picture where this browser kept one, a card where not.

import * as crops from "./crops.js";
import { element, icon } from "./element.js";

export const nameOf = (face) => face.UserId ?? face.ExternalImageId ?? face.FaceId.slice(0, 8);

// The same name has the same colour everywhere.
function hue(text) {
  let sum = 7;
  for (const char of text) sum = (sum * 31 + char.codePointAt(0)) % 360;
  return sum;
}

export function portrait(collection, face, size = "") {
  const name = nameOf(face);
  const letters = name.split(/[_.:\-\s]+/).filter((part) => /^\p{L}/u.test(part)).slice(0, 2).map((part) => part[0].toUpperCase()).join("");
  const plate = element("span", { class: "plate" }, letters || icon("person"));
  plate.style.setProperty("--hue", hue(name));
  const node = element("span", { class: `portrait ${size}`, "aria-hidden": "true" }, plate);
  crops.get(collection, face.FaceId).then((blob) => {
    if (!blob) return;
    const address = URL.createObjectURL(blob);
    const free = () => URL.revokeObjectURL(address);
    plate.replaceWith(element("img", { src: address, alt: "", onload: free, onerror: free }));
  });
  return node;
}

