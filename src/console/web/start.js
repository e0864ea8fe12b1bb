// Start: the frame around every page, who is signed in, and which page an address means.

import { button, element, icon } from "./element.js";
import { signInDialog, signInPage } from "./sign_in.js";
import { resume, session, signOut } from "./session.js";
import { canSign } from "./sigv4.js";
import { keep, languageChoice, t, wordsRead } from "./words.js";

const main = document.getElementById("main");
const ROOMS = [["try", "picture"], ["collections", "people"], ["record", "book"], ["keys", "key"]];

// Pages are read when they are wanted.
const PAGES = {
  try: async () => (await import("./try.js")).tryPage(),
  collections: async (rest) => rest.length ? (await import("./collection.js")).collectionPage(rest) : (await import("./collections.js")).collectionsPage(),
  record: async () => (await import("./record.js")).recordPage(),
  keys: async () => (await import("./keys.js")).keysPage(),
};

let shown = 0;

async function route() {
  const turn = ++shown, address = location.hash;
  const [path, query = ""] = address.replace(/^#\/?/, "").split("?");
  const [room = "", ...rest] = path.split("/").map(decode);
  const name = room in PAGES ? room : "try";
  mark(name);
  if (session.signedRequests && !session.keyOfDay) return show(address, canSign() ? signInPage(entered) : insecure(), t("signIn.title"));
  try {
    await signedIn();
    const page = await PAGES[name](rest, new URLSearchParams(query));
    if (turn === shown) show(address, page, t(`nav.${name}`));
  } catch (error) {
    if (turn === shown) show(address, element("div", { class: "page" }, await told(error)), t(`nav.${name}`));
  }
}

async function told(error) {
  try {
    return (await import("./failure.js")).failed(error, route);
  } catch { // modules are files of the server: while it is away there are none
    return element("div", { class: "notice bad", role: "alert" }, element("p", {}, t("failure.unreachable")), button(t("again"), route));
  }
}

let ready = null;
// What every page but the sign-in needs, once.
function signedIn() {
  ready ??= import("./api.js").then(({ whenSignedOut }) => whenSignedOut(async (error) => {
    const again = await signInDialog(error);
    frame();
    if (!again) { signOut(); frame(); route(); }
    return again;
  })).catch((error) => { ready = null; throw error; });
  return ready;
}

function decode(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

let first = true;
function show(address, page, title) {
  main.replaceChildren(page);
  main.dataset.shown = address;
  document.title = `${title} · Trombi`;
  performance.mark("trombi-page");
  scrollTo(0, 0);
  if (!first) main.focus({ preventScroll: true });
  first = false;
}

function mark(name) {
  for (const link of document.querySelectorAll("#rooms a")) {
    if (link.dataset.room === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function insecure() {
  return element("div", { class: "page narrow" },
    element("h1", {}, t("insecure.title")),
    element("p", {}, t("insecure.why")),
    element("ul", {}, element("li", {}, t("insecure.tls"), element("pre", {}, "trombi serve --listen 0.0.0.0:8443 --tls-cert chain.pem --tls-key key.pem")),
      element("li", {}, t("insecure.tunnel"), element("pre", {}, `ssh -L 8080:localhost:${location.port || 80} ${location.hostname}`))));
}

function entered() {
  frame();
  route();
}

function frame() {
  document.getElementById("skip").textContent = t("nav.skip");
  const rooms = document.getElementById("rooms");
  rooms.setAttribute("aria-label", t("nav.label"));
  rooms.replaceChildren(...ROOMS.map(([name, sign]) => element("a", { href: `#/${name}`, "data-room": name }, icon(sign), element("span", {}, t(`nav.${name}`)))));
  const out = session.accessKeyId && button(t("tools.signOut"), () => { signOut(); frame(); route(); }, { kind: "quiet-button small", sign: "out", title: session.accessKeyId });
  document.getElementById("tools").replaceChildren(...[languageChoice(), themeSwitch(), out].filter(Boolean));
  document.getElementById("foot").replaceChildren(
    element("p", {}, t(session.signedRequests ? "foot.signed" : "foot.open")),
    element("p", {}, t("foot.advice")));
}

const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function themeSwitch() {
  const flip = () => {
    const theme = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    keep("trombi-theme", theme);
    frame();
    document.querySelector(".theme").focus();
  };
  const label = t(dark() ? "tools.light" : "tools.dark");
  return element("button", { type: "button", class: "button quiet-button small theme", "aria-label": label, title: label, onclick: flip }, icon(dark() ? "sun" : "moon"));
}

try {
  const theme = localStorage.getItem("trombi-theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch { /* private windows */ }

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
// A picture dropped beside the place for it must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

async function start() {
  await wordsRead;
  if (session.signedRequests && canSign()) await resume();
  addEventListener("hashchange", route);
  frame();
  await route();
  // After the first page, so that it comes first: what signing in and the next page will want.
  for (const name of ["api", "failure", "try"]) import(`./${name}.js`).catch(() => {});
}
start();
