// The API as any client has it: signed POSTs. Nothing here can do what a script with the same key could not.

import { session, SessionOver } from "./session.js";
import { signedHeaders } from "./sigv4.js";

const OWN = new Set(["ListAccessKeys", "CreateAccessKey", "RevokeAccessKey", "GetExpectations", "GetLedger", "ListEntries", "GetUsage"]);
const NOT_SIGNED_IN = new Set(["UnrecognizedClientException", "MissingAuthenticationTokenException", "InvalidSignatureException", "IncompleteSignatureException"]);
const RETRIES = 6;
const utf8 = new TextEncoder();

// The server answered, and the answer is no.
export class Refusal extends Error {
  constructor(code, message, requestId) {
    super(message);
    Object.assign(this, { code, requestId });
  }
}

// The server did not answer.
export class Unreachable extends Error {}

// What the server's clock is ahead of this one, as far as a refusal made us learn it.
let skewMs = 0;

// Asked when a key is refused in the middle of things; answers whether somebody signed in again.
let signInAgain = async () => false;
export const whenSignedOut = (ask) => { signInAgain = ask; };

// One operation. Answers {answer, headers}; throws Refusal, Unreachable or AbortError.
export async function call(operation, input = {}, { signal, patient = true } = {}) {
  const target = `${OWN.has(operation) ? "Trombi" : "RekognitionService"}.${operation}`;
  const body = utf8.encode(JSON.stringify(input));
  for (let attempt = 0, corrected = false; ; attempt++) {
    try {
      return await once(target, body, signal);
    } catch (error) {
      if (error instanceof Refusal && error.wrongClock && !corrected) { corrected = true; continue; }
      if (error instanceof Refusal && error.waitMs !== undefined && attempt < RETRIES) {
        await rest(error.waitMs * 2 ** attempt * (0.5 + Math.random()), signal);
        continue;
      }
      const signedOut = error instanceof SessionOver || NOT_SIGNED_IN.has(error.code);
      if (signedOut && patient && await signInAgain(error)) continue;
      throw error;
    }
  }
}

export const ask = async (operation, input, options) => (await call(operation, input, options)).answer;

async function once(target, body, signal) {
  const headers = session.signedRequests
    ? await signedHeaders(identity(), target, body, Date.now() + skewMs)
    : { "content-type": "application/x-amz-json-1.1", "x-amz-target": target };
  let reply, text;
  try {
    reply = await fetch("/", { method: "POST", headers, body, signal, credentials: "omit", redirect: "error", cache: "no-store" });
    text = await reply.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  if (reply.ok) return { answer: text ? JSON.parse(text) : {}, headers: reply.headers };
  throw refusal(reply, text);
}

function identity() {
  if (!session.keyOfDay) throw new SessionOver();
  return session;
}

function refusal(reply, text) {
  let told = {};
  try { told = JSON.parse(text); } catch { /* a proxy's page, say */ }
  const code = told.__type ?? `HTTP ${reply.status}`;
  const message = told.Message ?? told.message ?? reply.statusText;
  // A gateway that lost its server is as good as no answer.
  if (!told.__type && reply.status >= 502 && reply.status <= 504) return new Unreachable();
  const error = new Refusal(code, message, reply.headers.get("x-amzn-requestid"));
  const wait = reply.headers.get("x-amz-retry-after");
  if (wait !== null) error.waitMs = Number(wait) || 500;
  if (code === "InvalidSignatureException" && /expired|not yet current/.test(message)) {
    const theirs = Date.parse(reply.headers.get("date"));
    if (theirs) { skewMs = theirs - Date.now(); error.wrongClock = true; }
  }
  return error;
}

export function rest(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

// All pages of a list, at most `most` items.
export async function all(operation, input, member, most = Infinity, options = {}) {
  const items = [];
  let token;
  do {
    const answer = await ask(operation, token ? { ...input, NextToken: token } : input, options);
    items.push(...answer[member]);
    token = answer.NextToken;
  } while (token && items.length < most);
  return items;
}

// Lists of face ids in portions that one request takes.
export const portions = (list, size) => Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
