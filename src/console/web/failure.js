// What went wrong, in the reader's words.

import { Refusal, Unreachable } from "./api.js";
import { NotAPicture } from "./picture.js";
import { SessionOver } from "./session.js";
import { has, t } from "./words.js";
import { element, notice } from "./element.js";

export function said(error) {
  if (error instanceof NotAPicture) return t(`picture.${error.why}`);
  if (error instanceof Unreachable) return t("failure.unreachable");
  if (error instanceof SessionOver) return t("failure.signedOut");
  if (error instanceof Refusal) {
    if (error.message.startsWith("There are no faces")) return t("failure.noFace");
    const key = `failure.${error.code}`;
    return has(key) ? t(key, { message: error.message }) : `${error.message} (${error.code})`;
  }
  if (error?.name === "AbortError") return t("failure.stopped");
  console.error(error);
  return t("failure.ours");
}

export const failed = (error, again = null) =>
  notice("bad", element("p", {}, said(error)), again && element("button", { type: "button", class: "button", onclick: again }, t("again")));

export const isUnknownOperation = (error) => error instanceof Refusal && error.code === "UnknownOperationException";
