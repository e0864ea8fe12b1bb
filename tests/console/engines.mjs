// The main flows in an engine beside Chromium, through W3C WebDriver: `node engines.mjs firefox|webkit`.
// Environment as for flows.mjs, and DRIVER (geckodriver or WebKitWebDriver), BROWSER (the program it starts).
// Whatever the pages complain of fails it: script errors, unhandled rejections, breaches of the policy.

import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { Server, assert, equal } from "./browser.mjs";

const { DATA, PICTURES, DRIVER, BROWSER } = process.env;
const engine = process.argv[2];
const picture = (name) => path.resolve(PICTURES, name);
const [somebody] = fs.readdirSync(picture("people")).sort();
const photos = fs.readdirSync(picture(`people/${somebody}`)).sort().map((name) => picture(`people/${somebody}/${name}`));
const WAIT_MS = 120_000; // other work may have the machine
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

const CAPABILITIES = {
  firefox: { browserName: "firefox", "moz:firefoxOptions": { binary: BROWSER, args: ["-headless"], prefs: { "intl.accept_languages": "en-US" } } },
  webkit: { "webkitgtk:browserOptions": { binary: BROWSER, args: ["--automation"] } },
};

const freePort = () => new Promise((resolve) => {
  const server = net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

const port = await freePort();
const driver = spawn(DRIVER, engine === "firefox" ? ["--port", port, "--log", "fatal"] : [`--port=${port}`], { stdio: ["ignore", "ignore", "inherit"] });
process.on("exit", () => driver.kill());
const root = `http://127.0.0.1:${port}`;
while (!await fetch(`${root}/status`).catch(() => null)) {
  assert(driver.exitCode === null, "the driver ended");
  await new Promise((resolve) => setTimeout(resolve, 50));
}

async function wire(method, where, body) {
  const reply = await fetch(`${root}${where}`, { method, body: body && JSON.stringify(body), headers: { "content-type": "application/json" } });
  const { value } = await reply.json();
  if (!reply.ok) throw new Error(`${value.error}: ${value.message}`);
  return value;
}

const session = await wire("POST", "/session", { capabilities: { alwaysMatch: CAPABILITIES[engine] } });
const on = `/session/${session.sessionId}`;
const run = (script, ...args) => wire("POST", `${on}/execute/sync`, { script, args });
const visit = (url) => wire("POST", `${on}/url`, { url });

// The value of a script's expression once it is true, with `arguments` as given.
async function until(script, ...args) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const value = await run(`return ${script}`, ...args);
    if (value) return value;
    if (Date.now() > end) throw new Error(`never: ${script} ${JSON.stringify(args)}; the page says: ${(await run("return document.body.innerText")).slice(0, 500)}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
const find = (css) => until("document.querySelector(arguments[0])", css);
const named = (words) => until(`[...document.querySelectorAll("dialog[open] button, body:not(:has(dialog[open])) button, body:not(:has(dialog[open])) a")]
  .find((node) => node.offsetParent && !node.disabled && (node.textContent.trim() === arguments[0] || node.getAttribute("aria-label") === arguments[0]))`, words);
const says = (words) => until("document.body.innerText.includes(arguments[0])", words);
const text = (css) => until("document.querySelector(arguments[0])?.innerText", css);
const count = (css) => run("return document.querySelectorAll(arguments[0]).length", css);
const type = async (element, keys) => wire("POST", `${on}/element/${(await element)[ELEMENT]}/value`, { text: keys });
const clickOn = async (element) => wire("POST", `${on}/element/${(await element)[ELEMENT]}/click`, {});
const press = (words) => clickOn(named(words));
const go = async (room) => {
  await run("location.hash = arguments[0]", room);
  await until("document.getElementById('main').dataset.shown === arguments[0]", room);
};
// Errors of one load of the page; the first ones of it are asked of the page's own entries.
const listen = () => run(`if (window.complaints) return;
  window.complaints = [];
  const note = (event) => window.complaints.push(event.violatedDirective ? "policy: " + event.violatedDirective + " " + event.blockedURI : String(event.reason ?? event.message));
  for (const name of ["error", "unhandledrejection", "securitypolicyviolation"]) addEventListener(name, note);
  for (const name of ["error", "warn"]) { const old = console[name]; console[name] = (...told) => { window.complaints.push(told.join(" ")); old(...told); }; }`);

async function flow(name, work) {
  const started = Date.now();
  try {
    await work();
    const told = await run("return window.complaints");
    assert(Array.isArray(told) && !told.length, `the page complained:\n${(told ?? ["not heard"]).join("\n")}`);
    console.log(`ok ${engine}: ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    console.log(`FAILED ${engine}: ${name}\n${error.stack}\npage: ${await run("return document.body.innerText").catch(() => "")}\ncomplaints: ${await run("return String(window.complaints)").catch(() => "")}`);
    await leave(1);
  }
}

async function leave(code) {
  await wire("DELETE", on).catch(() => {});
  await server.stop();
  driver.kill();
  process.exit(code);
}

const server = await Server.start(path.join(DATA, `engine-${engine}`));

await flow("what the policy forbids is heard", async () => {
  await visit(`${server.endpoint}/`);
  await find("input[name=username]");
  await listen();
  await run(`const image = document.createElement("img"); image.src = "http://127.0.0.1:9/x.png"; document.body.append(image)`);
  await until("window.complaints.some((line) => line.startsWith('policy: img-src'))");
  await run("window.complaints = []");
});

await flow("signing in, and staying", async () => {
  await type(find("input[name=username]"), server.id);
  await type(find("input[name=password]"), server.secret);
  await run("document.querySelector('form input[type=checkbox]').click()");
  await press("Sign in");
  await says("Whose face is it?");
  await visit(`${server.endpoint}/#/collections`);
  await visit(`${server.endpoint}/`);
  await listen();
  await says("Whose face is it?");
});

const slot = (name) => find(`[data-slot=${name}] input[type=file]`);
await flow("two pictures, joined, in words", async () => {
  await type(slot("source"), picture("portrait.png"));
  await find("[data-slot=source] .facts, .facts");
  equal([await count(".stage .face"), await count(".stage circle")], [1, 5], "faces and landmarks");
  await type(slot("target"), picture("mirrored.png"));
  assert(/Fewer than 1 in 10 million pairs/.test(await text(".pairs")), await text(".pairs"));
  equal(await count(".lines path"), 1, "lines");
});

await flow("a collection is made and pictures are added, refusals with their reason", async () => {
  await go("#/collections");
  await type(until("[...document.querySelectorAll('label')].find((label) => label.textContent === 'Name of a new collection')?.control"), "press");
  await press("Create");
  await says("Drop pictures or a folder here");
  await run("[...document.querySelectorAll('.enrol label')].find((label) => label.textContent.includes('Keep small pictures')).control.click()");
  await type(find(".enrol input[type=file][multiple]:not([webkitdirectory])"), [...photos, picture("text.jpg")].join("\n"));
  await says("1 refused");
  await says("not a picture");
  await says("See the faces");
  await press("See the faces");
  await until("document.querySelectorAll('.face-card').length >= arguments[0]", photos.length);
  await until("document.querySelectorAll('.portrait img').length >= arguments[0]", photos.length);
});

await flow("a search by picture, and a slider that says what it costs", async () => {
  await go("#/collections/press/search");
  await says("to return somebody");
  const before = await text(".expected");
  await run(`const slider = document.querySelector("input[type=range]"); slider.value = 95;
    for (const name of ["input", "change"]) slider.dispatchEvent(new Event(name, { bubbles: true }))`);
  assert(await text(".expected") !== before, before);
  await run("document.querySelector('input[type=range]').value = 80; document.querySelector('input[type=range]').dispatchEvent(new Event('input'))");
  await type(find(".probe input[type=file]"), photos[0]);
  assert(parseFloat(await text(".match.best .big-number")) > 99, "the same picture");
});

await flow("the record, and a key shown once", async () => {
  await go("#/record");
  await says("What was asked");
  await says("SearchFacesByImage");
  await go("#/keys");
  await press("Create a key");
  await press("I have it");
  await until("document.querySelectorAll('tbody tr, .key-row').length >= 2 || document.body.innerText.split('TRMB').length > 2");
});

await flow("another language, other colours", async () => {
  await press("Dark colours");
  equal(await run("return getComputedStyle(document.documentElement).colorScheme"), "dark", "chosen colours");
  await run("const choice = document.querySelector('#tools select'); choice.value = 'fr'; choice.dispatchEvent(new Event('change'))");
  await until("document.documentElement.lang === 'fr' && document.querySelector('#main h1')?.textContent.includes('lé')");
  await listen();
  await go("#/try");
  await says("À qui est ce visage");
});

await leave(0);
