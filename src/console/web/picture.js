// A file of the person's to bytes that the API takes, and nothing of it kept.

const API_BYTES_MAX = 5_242_880;
const FILE_BYTES_MAX = 200 * 1048576; // beyond, no browser decodes it in peace
const UNKNOWN_BYTES_MAX = 64 * 1048576; // without a picture's first bytes, larger files are not even tried
const SIDE_MIN = 80;
const SIDES = [4096, 3072, 2048, 1536];

export class NotAPicture extends Error {
  constructor(why) { super(why); this.why = why; }
}

// JPEG, PNG and WebP are sent as they are; whatever else the browser can show is turned into JPEG.
async function isSent(file) {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  const at = (from, ...bytes) => bytes.every((byte, i) => head[from + i] === byte);
  if (at(0, 0xff, 0xd8, 0xff) || at(0, 0x89, 0x50, 0x4e, 0x47)) return true;
  return at(0, 0x52, 0x49, 0x46, 0x46) && at(8, 0x57, 0x45, 0x42, 0x50);
}

// {blob, note}: what to send, and what was done to it, as a key of words with values.
export async function prepared(file) {
  if (file.size === 0) throw new NotAPicture("empty");
  if (file.size > FILE_BYTES_MAX) throw new NotAPicture("huge");
  const sent = await isSent(file).catch(() => { throw new NotAPicture("gone"); });
  if (sent && file.size <= API_BYTES_MAX) return { blob: file, note: null };
  if (!sent && file.size > UNKNOWN_BYTES_MAX) throw new NotAPicture("unreadable");
  return smaller(file, sent);
}

// Upright and at most 5 MiB; asked for again when the server says it has too many pixels.
export async function smaller(file, sent = true) {
  const whole = await decoded(file);
  try {
    const { width, height } = whole;
    if (Math.min(width, height) < SIDE_MIN) throw new NotAPicture("small");
    for (const side of SIDES) {
      const scale = Math.min(1, side / Math.max(width, height));
      const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
      const blob = await asJpeg(whole, 0, 0, width, height, w, h, 0.9);
      if (blob.size <= API_BYTES_MAX) {
        const note = scale < 1 ? ["picture.scaled", { from: `${width} × ${height}`, to: `${w} × ${h}` }] : [sent ? "picture.packed" : "picture.converted", {}];
        return { blob, note };
      }
    }
  } finally {
    whole.close();
  }
  throw new NotAPicture("huge");
}

export const decoded = (blob) => createImageBitmap(blob).catch(() => { throw new NotAPicture("unreadable"); });

// Part of a bitmap, drawn at w x h, as a JPEG blob.
export function asJpeg(bitmap, left, top, width, height, w, h, quality) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: w, height: h });
  const pen = canvas.getContext("2d", { alpha: false });
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, w, h);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, left, top, width, height, 0, 0, w, h);
  return new Promise((resolve, reject) => canvas.toBlob((blob) => {
    canvas.width = canvas.height = 0;
    blob ? resolve(blob) : reject(new NotAPicture("huge"));
  }, "image/jpeg", quality));
}

// One face with `margin` times its size around it, as a picture of its own; sides of at least 80 pixels.
export async function cutFace(bitmap, box, margin, side) {
  const { width, height } = bitmap;
  const [w, h] = [box.Width * width, box.Height * height];
  const half = (0.5 + margin) * Math.max(w, h);
  const [x, y] = [(box.Left + box.Width / 2) * width, (box.Top + box.Height / 2) * height];
  const [left, top] = [Math.max(0, x - half), Math.max(0, y - half)];
  const [cutW, cutH] = [Math.min(width, x + half) - left, Math.min(height, y + half) - top];
  const scale = side / Math.max(cutW, cutH);
  return asJpeg(bitmap, left, top, cutW, cutH, Math.max(1, Math.round(cutW * scale)), Math.max(1, Math.round(cutH * scale)), 0.92);
}

export async function base64(blob) {
  if (Uint8Array.prototype.toBase64) return new Uint8Array(await blob.arrayBuffer()).toBase64();
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new NotAPicture("gone"));
    reader.readAsDataURL(blob);
  });
}

export const image = async (blob) => ({ Bytes: await base64(blob).catch(() => { throw new NotAPicture("gone"); }) });

// Prepares and asks; makes the picture smaller once when the server finds it too large.
export async function askWith(file, asking, known = null) {
  // Most files go as they are: they are read while their first bytes are looked at.
  const early = !known && file.size <= API_BYTES_MAX ? image(file) : null;
  early?.catch(() => {}); // told by whoever awaits it
  const ready = known ?? await prepared(file);
  try {
    return { ...ready, answer: await asking(await (early && ready.blob === file ? early : image(ready.blob))) };
  } catch (error) {
    if (error.code !== "ImageTooLargeException") throw error;
    const less = await smaller(file);
    return { ...less, answer: await asking(await image(less.blob)) };
  }
}

// Files of a drop, folders opened. Must be called within the event; answers [{file, path}].
export async function dropped(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

async function walk(entry, folder, found) {
  if (!entry) return;
  if (entry instanceof File) return void found.push({ file: entry, path: folder + entry.name });
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file && !file.name.startsWith(".")) found.push({ file, path: folder + file.name });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length) return;
    for (const inner of some) await walk(inner, `${folder}${entry.name}/`, found);
  }
}

export const chosen = (input) => [...input.files].filter((file) => !file.name.startsWith(".")).map((file) => ({ file, path: file.webkitRelativePath || file.name }));
