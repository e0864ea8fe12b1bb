// Who is signed in. The secret is turned at once into a key that signs and cannot be read back, and forgotten.
// "Keep for this tab" keeps less than the secret: two days' signing keys for this one service.

import { dayBytes, dayKey, rootKey, stamp } from "./sigv4.js";

const PLACE = "trombi-session";
const DAY_MS = 86_400_000;

export const session = {
  signedRequests: document.querySelector("meta[name=trombi-signed-requests]").content !== "false", // whether this server wants signatures at all
  accessKeyId: null,
  keyOfDay: null,
};

const dateOf = (now) => stamp(now).slice(0, 8);
const toText = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
const toBytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

export async function signIn(accessKeyId, secret, kept, now = Date.now()) {
  const root = await rootKey(secret);
  const days = new Map();
  session.accessKeyId = accessKeyId;
  session.keyOfDay = async (date) => {
    if (!days.has(date)) days.set(date, await dayKey(await dayBytes(root, date)));
    return days.get(date);
  };
  sessionStorage.removeItem(PLACE);
  if (!kept) return;
  const held = {};
  for (const date of [dateOf(now), dateOf(now + DAY_MS)]) held[date] = toText(await dayBytes(root, date));
  sessionStorage.setItem(PLACE, JSON.stringify({ accessKeyId, days: held }));
}

export function signOut() {
  session.accessKeyId = null;
  session.keyOfDay = null;
  sessionStorage.removeItem(PLACE);
}

// What this tab kept, if it still signs today.
export async function resume(now = Date.now()) {
  try {
    const { accessKeyId, days } = JSON.parse(sessionStorage.getItem(PLACE));
    const keys = new Map();
    for (const [date, text] of Object.entries(days)) keys.set(date, await dayKey(toBytes(text)));
    if (!keys.has(dateOf(now))) throw new Error("over");
    session.accessKeyId = accessKeyId;
    session.keyOfDay = async (date) => {
      const key = keys.get(date);
      if (!key) throw new SessionOver();
      return key;
    };
    return true;
  } catch {
    sessionStorage.removeItem(PLACE);
    return false;
  }
}

export class SessionOver extends Error {}
