// AWS Signature Version 4 with the browser's own cryptography. Keys that signed once cannot be read back.

const SERVICE = "rekognition";
const REGION = "us-east-1";
const utf8 = new TextEncoder();

const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
const hmacKey = (bytes) => crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
const hmac = (key, text) => crypto.subtle.sign("HMAC", key, utf8.encode(text));

// `subtle` exists on https and on this machine's own addresses only.
export const canSign = () => Boolean(globalThis.crypto?.subtle);

// The secret as a key that can sign and cannot be read.
export const rootKey = (secret) => hmacKey(utf8.encode(`AWS4${secret}`));

// The bytes that sign for one day (YYYYMMDD) and this service, and for nothing else.
export async function dayBytes(root, date) {
  const ofDay = await hmac(root, date);
  const ofRegion = await hmac(await hmacKey(ofDay), REGION);
  const ofService = await hmac(await hmacKey(ofRegion), SERVICE);
  return hmac(await hmacKey(ofService), "aws4_request");
}

export const dayKey = hmacKey;

// 20261125T015420Z
export const stamp = (now) => new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");

// Headers that make `body` (bytes) a signed request. `host` is signed too: the browser sends it by itself.
export async function signedHeaders({ accessKeyId, keyOfDay }, target, body, now) {
  const time = stamp(now), date = time.slice(0, 8), type = "application/x-amz-json-1.1";
  const names = "content-type;host;x-amz-date;x-amz-target";
  const lines = [`content-type:${type}`, `host:${location.host}`, `x-amz-date:${time}`, `x-amz-target:${target}`];
  const [key, bodyHash] = await Promise.all([keyOfDay(date), crypto.subtle.digest("SHA-256", body)]);
  const canonical = ["POST", "/", "", ...lines, "", names, hex(bodyHash)].join("\n");
  const scope = `${date}/${REGION}/${SERVICE}/aws4_request`;
  const asked = ["AWS4-HMAC-SHA256", time, scope, hex(await crypto.subtle.digest("SHA-256", utf8.encode(canonical)))];
  const signature = hex(await hmac(key, asked.join("\n")));
  const credential = `Credential=${accessKeyId}/${scope}`;
  return {
    "content-type": type, "x-amz-date": time, "x-amz-target": target,
    authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names}, Signature=${signature}`,
  };
}
