// Ways to hand over a picture: choose, drop, paste, or take one with the camera.

import { button, element, freshId, icon, notice } from "./element.js";
import { open } from "./dialog.js";
import { chosen, dropped } from "./picture.js";
import { t } from "./words.js";

// onfiles([{file, path}]) gets what was handed over. `many` also offers folders.
export function chooser(title, onfiles, { many = false, hint = null, camera = !many, compact = false } = {}) {
  const input = element("input", { type: "file", accept: "image/*", multiple: many, class: "unseen", tabindex: -1, "aria-hidden": "true",
    onchange: () => { const files = chosen(input); input.value = ""; if (files.length) onfiles(files); } });
  const folder = many && element("input", { type: "file", webkitdirectory: true, multiple: true, class: "unseen", tabindex: -1, "aria-hidden": "true",
    onchange: () => { const files = chosen(folder); folder.value = ""; if (files.length) onfiles(files); } });
  const canTake = camera && navigator.mediaDevices?.getUserMedia;
  const id = freshId("chooser");
  const zone = element("section", { class: `zone ${compact ? "compact" : ""}`, "aria-labelledby": id },
    icon(many ? "folder" : "picture"),
    element("h2", { id }, title),
    element("div", { class: "buttons" },
      button(t(many ? "choose.pictures" : "choose.picture"), () => input.click(), { kind: "primary", sign: "picture" }),
      folder && button(t("choose.folder"), () => folder.click(), { sign: "folder" }),
      canTake && button(t("choose.camera"), async () => { const file = await takePicture(); if (file) onfiles([{ file, path: file.name }]); }, { sign: "camera" })),
    hint && element("p", { class: "quiet" }, hint), input, folder);
  takeDrops(zone, onfiles);
  return zone;
}

export function takeDrops(zone, onfiles) {
  const over = (event) => { if ([...event.dataTransfer.types].includes("Files")) { event.preventDefault(); zone.classList.add("over"); } };
  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", (event) => { if (!zone.contains(event.relatedTarget)) zone.classList.remove("over"); });
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    zone.classList.remove("over");
    const files = await dropped(event.dataTransfer);
    if (files.length) onfiles(files);
  });
}

// Pictures pasted anywhere on the page, while `node` is on it.
export function takePastes(node, onfiles) {
  const paste = (event) => {
    if (!node.isConnected) return document.removeEventListener("paste", paste);
    const files = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    if (!files.length) return;
    event.preventDefault();
    onfiles(files.map((file) => ({ file, path: file.name || "clipboard.png" })));
  };
  document.addEventListener("paste", paste);
}

async function takePicture() {
  let stream = null;
  const stop = () => stream?.getTracks().forEach((track) => track.stop());
  const file = await open(t("camera.title"), (done) => {
    const video = element("video", { autoplay: true, playsinline: true, muted: true, "aria-label": t("camera.view") });
    const place = element("div", { class: "camera" }, video);
    const shoot = button(t("camera.shoot"), () => snapshot(video).then(done), { kind: "primary", sign: "camera", disabled: true, autofocus: true });
    navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 960 } } }).then((opened) => {
      stream = opened;
      if (!video.isConnected) return stop();
      video.srcObject = opened;
      video.addEventListener("loadeddata", () => { shoot.disabled = false; shoot.focus(); }, { once: true });
    }, (error) => place.replaceChildren(notice("bad", element("p", {}, t(error.name === "NotAllowedError" ? "camera.refused" : "camera.none")))));
    return element("div", { class: "stack" }, place, element("div", { class: "buttons" }, button(t("cancel"), () => done(null)), shoot));
  }, { wide: true, onclose: stop });
  return file;
}

function snapshot(video) {
  const canvas = element("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(new File([blob], t("camera.name"), { type: "image/jpeg" })), "image/jpeg", 0.92));
}
