// Changes to who is who: faces to a person and away, renaming, deleting. Each answers a sentence of what was done,
// or null when the person thought better of it.

import { all, ask, portions } from "./api.js";
import * as crops from "./crops.js";
import { confirm, prompt } from "./dialog.js";
import { tick } from "./element.js";
import { t } from "./words.js";

const FACES_PER_REQUEST = 100;
const FACES_OF_USER = 100; // the API allows no more
const USER = /^[a-zA-Z0-9_.:-]{1,128}$/;

export const tidiedUser = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").trim().replace(/[^a-zA-Z0-9_.:-]+/g, "_").replace(/^_+|_+$/g, "").slice(0, 128) || "person";
export const userProblem = (name) => !name ? t("people.nameNeeded") : USER.test(name) ? null : t("people.nameWrong", { better: tidiedUser(name) });

export const facesOf = (collection, user) => all("ListFaces", { CollectionId: collection, UserId: user, MaxResults: FACES_OF_USER }, "Faces", FACES_OF_USER);

async function someUsers(collection) {
  return (await ask("ListUsers", { CollectionId: collection, MaxResults: 500 })).Users.map((user) => user.UserId);
}

async function ensureUser(collection, user) {
  try {
    await ask("CreateUser", { CollectionId: collection, UserId: user });
    return true;
  } catch (error) {
    if (error.code === "ConflictException") return false;
    throw error;
  }
}

// Answers {associated, refused}.
export async function associate(collection, user, faceIds, threshold) {
  const associated = [], refused = [];
  for (const FaceIds of portions(faceIds, FACES_PER_REQUEST)) {
    const answer = await ask("AssociateFaces", { CollectionId: collection, UserId: user, FaceIds, UserMatchThreshold: threshold });
    associated.push(...answer.AssociatedFaces);
    refused.push(...answer.UnsuccessfulFaceAssociations);
  }
  return { associated, refused };
}

async function disassociate(collection, faces) {
  const byUser = Map.groupBy ? Map.groupBy(faces, (face) => face.UserId) : grouped(faces);
  for (const [user, own] of byUser) {
    for (const some of portions(own, FACES_PER_REQUEST)) {
      await ask("DisassociateFaces", { CollectionId: collection, UserId: user, FaceIds: some.map((face) => face.FaceId) });
    }
  }
}

function grouped(faces) {
  const map = new Map();
  for (const face of faces) map.set(face.UserId, [...(map.get(face.UserId) ?? []), face]);
  return map;
}

// Faces to a person, new or known; faces of another person are moved.
export async function group(collection, faces) {
  const list = await someUsers(collection);
  const named = faces.find((face) => face.ExternalImageId)?.ExternalImageId ?? "";
  const user = await prompt(t("group.title", { n: faces.length }), t("group.who"), { yes: t("group.yes"), check: userProblem, hint: t("group.hint"), list, value: list.length ? "" : tidiedUser(named) });
  return user === null ? null : moveTo(collection, user, faces);
}

async function moveTo(collection, user, faces) {
  const made = await ensureUser(collection, user);
  const elsewhere = faces.filter((face) => face.UserId && face.UserId !== user);
  await disassociate(collection, elsewhere);
  const ids = faces.filter((face) => face.UserId !== user).map((face) => face.FaceId);
  let { associated, refused } = await associate(collection, user, ids);
  let unlike = refused.filter((face) => face.Reasons.includes("LOW_MATCH_CONFIDENCE"));
  if (unlike.length && await confirm(t("group.unlikeTitle", { n: unlike.length }), [t("group.unlike", { n: unlike.length, name: user })], { yes: t("group.anyway"), danger: false })) {
    const more = await associate(collection, user, unlike.map((face) => face.FaceId), 0);
    associated = [...associated, ...more.associated];
    unlike = [];
  }
  return [made ? t("group.made", { name: user }) : "", t("group.done", { n: associated.length, name: user }),
    elsewhere.length ? t("group.moved", { n: elsewhere.length }) : "", unlike.length ? t("group.left", { n: unlike.length }) : ""].filter(Boolean).join(" ");
}

export async function move(collection, faces) {
  const list = (await someUsers(collection)).filter((user) => user !== faces[0].UserId);
  const user = await prompt(t("move.title", { n: faces.length }), t("move.to"), { yes: t("move.yes"), check: userProblem, hint: t("group.hint"), list });
  return user === null ? null : moveTo(collection, user, faces);
}

export async function notThisPerson(collection, faces) {
  const own = faces.filter((face) => face.UserId);
  await disassociate(collection, own);
  return t("not.done", { n: own.length });
}

// A new user takes the faces, then the old one goes: at every moment each face is enrolled.
export async function rename(collection, user) {
  const name = await prompt(t("rename.title", { name: user }), t("rename.to"), { value: user, yes: t("rename.yes"), check: userProblem });
  if (name === null || name === user) return null;
  const made = await ensureUser(collection, name);
  if (!made && !await confirm(t("rename.mergeTitle", { name }), [t("rename.merge", { name, old: user })], { yes: t("rename.mergeYes"), danger: false })) return null;
  const faces = await facesOf(collection, user);
  await disassociate(collection, faces.map((face) => ({ ...face, UserId: user })));
  const { associated } = await associate(collection, name, faces.map((face) => face.FaceId), 0);
  await ask("DeleteUser", { CollectionId: collection, UserId: user });
  return { name, words: t("rename.done", { old: user, name, n: associated.length }) };
}

// Deletes faces; those of a person are taken from the person first. Answers a sentence.
export async function eraseFaces(collection, faces) {
  const own = faces.filter((face) => face.UserId);
  const lines = [t("erase.what", { n: faces.length }), own.length ? t("erase.ofPeople", { n: own.length }) : null, t("deleteForGood")].filter(Boolean);
  if (!await confirm(t("erase.title", { n: faces.length }), lines, { yes: t("erase.yes") })) return null;
  return erase(collection, faces);
}

async function erase(collection, faces) {
  await disassociate(collection, faces.filter((face) => face.UserId));
  const deleted = [], refused = [];
  for (const FaceIds of portions(faces.map((face) => face.FaceId), 1000)) {
    const answer = await ask("DeleteFaces", { CollectionId: collection, FaceIds });
    deleted.push(...answer.DeletedFaces);
    refused.push(...answer.UnsuccessfulFaceDeletions);
  }
  const pictures = await crops.erase(collection, deleted);
  return [t("erase.done", { n: deleted.length }), pictures ? t("crops.erased", { n: pictures }) : "", refused.length ? t("erase.left", { n: refused.length }) : ""].filter(Boolean).join(" ");
}

// Deletes a person, and the faces too if wanted.
export async function eraseUser(collection, user) {
  const faces = (await facesOf(collection, user)).map((face) => ({ ...face, UserId: user }));
  const [row, both] = tick(t("people.deleteFaces", { n: faces.length }));
  if (!await confirm(t("people.deleteTitle", { name: user }), [t("people.deleteWhat", { name: user, faces: t("count.faces", { n: faces.length }) })], { yes: t("people.deleteYes"), extra: row })) return null;
  const told = both.checked && faces.length ? await erase(collection, faces) : "";
  await ask("DeleteUser", { CollectionId: collection, UserId: user });
  return [t("people.deleted", { name: user }), told || t("people.facesStay", { n: faces.length })].join(" ");
}

