// Small pictures of faces that this browser has enrolled, kept in this browser if its person wants that.
// The server keeps no pictures; these never leave the browser either.

import { keep } from "./words.js";

const WANTED = "trombi-keep-crops";
let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("trombi-crops", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("crops");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function store(mode) {
  return (await database()).transaction("crops", mode).objectStore("crops");
}

const ofCollection = (collection) => IDBKeyRange.bound([collection], [collection, []]);

export const wanted = () => { try { return localStorage.getItem(WANTED) === "yes"; } catch { return false; } };
export const want = (yes) => keep(WANTED, yes ? "yes" : "no");

// Nothing here may make an enrolment fail: a browser without room for pictures shows cards.
const quietly = (work, otherwise) => work().catch(() => otherwise);

// Kept as bytes: WebKit's private windows refuse to keep a Blob.
export const put = (collection, faceId, blob) => quietly(async () => {
  const bytes = await blob.arrayBuffer();
  return done((await store("readwrite")).put(bytes, [collection, faceId]));
});
const asPicture = (bytes) => bytes && new Blob([bytes], { type: "image/jpeg" });
export const get = (collection, faceId) => quietly(async () => asPicture(await done((await store("readonly")).get([collection, faceId]))), undefined);

// Answers how many were there.
export const erase = (collection, faceIds) => quietly(async () => {
  const crops = await store("readwrite");
  const counts = await Promise.all(faceIds.map(async (id) => {
    const there = await done(crops.count([collection, id]));
    if (there) await done(crops.delete([collection, id]));
    return there;
  }));
  return counts.reduce((sum, n) => sum + n, 0);
}, 0);

export const eraseCollection = (collection) => quietly(async () => {
  const crops = await store("readwrite");
  const count = await done(crops.count(ofCollection(collection)));
  await done(crops.delete(ofCollection(collection)));
  return count;
}, 0);

// A few of a collection's, in no order.
export const some = (collection, most) => quietly(async () => (await done((await store("readonly")).getAll(ofCollection(collection), most))).map(asPicture), []);

export const count = (collection) => quietly(async () => done((await store("readonly")).count(ofCollection(collection))), 0);
