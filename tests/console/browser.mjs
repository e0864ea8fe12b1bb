// A browser, pages that complain, and a server that can be stopped: what every flow stands on.

import { spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const { PACKAGES, CHROMIUM, TROMBI } = process.env;
const require = createRequire(path.resolve(PACKAGES, "package.json"));
const { chromium } = require("playwright-core");
const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export function assert(truth, words) {
  if (!truth) throw new Error(words);
}
export function equal(found, expected, words = "") {
  assert(JSON.stringify(found) === JSON.stringify(expected), `${words}: found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
}

// A started `trombi serve`; `stop` kills it as a power cut would, `again` starts it on the same port.
export class Server {
  static async start(data, more = []) {
    const server = new Server();
    Object.assign(server, { data, more, address: "127.0.0.1:0" });
    await server.again();
    return server;
  }

  async again() {
    this.child = spawn(TROMBI, ["--data", this.data, "serve", "--listen", this.address, ...this.more], { stdio: ["ignore", "pipe", "inherit"] });
    process.on("exit", () => this.child.kill("SIGKILL"));
    let printed = "";
    await new Promise((resolve, reject) => {
      this.child.on("exit", () => reject(new Error(`the server ended:\n${printed}`)));
      this.child.stdout.on("data", (text) => {
        printed += text;
        if (/AWS_ENDPOINT_URL_REKOGNITION=\S+\n/.test(printed)) resolve();
      });
    });
    const value = (name) => new RegExp(`export ${name}=(\\S+)`).exec(printed)?.[1];
    this.endpoint = value("AWS_ENDPOINT_URL_REKOGNITION");
    this.address = this.endpoint.replace("http://", "");
    if (process.env.FROM_SOURCE) await this.fromSource();
    this.id ??= value("AWS_ACCESS_KEY_ID");
    this.secret ??= value("AWS_SECRET_ACCESS_KEY");
  }

  // While pages are being written: those of the source folder, in front of a program built before.
  async fromSource() {
    const port = Number(this.address.split(":")[1]) ^ 1;
    this.endpoint = `http://127.0.0.1:${port}`;
    if (this.proxy) return;
    this.proxy = spawn("scripts/console", ["--server", this.address, "--listen", port], { stdio: "ignore" });
    process.on("exit", () => this.proxy.kill());
    while (!await fetch(this.endpoint).catch(() => null)) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  stop() {
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    return gone;
  }
}

export const launch = () => chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
});

// What pages complained of; refused requests are a complaint only where nothing was to be refused.
export const complaints = [];
export const expecting = { refusals: false, silence: false };

export async function open(browser, server, { width = 1280, height = 800, scheme = "light", locale = "en-US", room = "" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, locale, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000); // other work may have the machine
  page.on("console", (message) => {
    const text = message.text();
    if (!["error", "warning"].includes(message.type())) return;
    if (expecting.refusals && /status of 400/.test(text)) return;
    if (expecting.silence && /ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_SOCKET|status of 502/.test(text)) return;
    complaints.push(text);
  });
  page.on("pageerror", (error) => complaints.push(`${error.message}\n${error.stack}`));
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`)));
  await page.goto(`${server.endpoint}/${room}`);
  return page;
}

export async function signIn(page, { id, secret }, kept = true) {
  await page.locator("input[name=username]").fill(id);
  await page.locator("input[name=password]").fill(secret);
  if (kept) await page.locator("form input[type=checkbox]").check();
  await page.locator("form button[type=submit]").click();
  await page.locator("input[name=password]").waitFor({ state: "detached" });
}

export const go = async (page, room) => {
  await page.evaluate((hash) => { location.hash = hash; }, room);
  await page.waitForFunction((hash) => document.getElementById("main").dataset.shown === hash, room);
};

// No violation in light and in dark (the shapes are the same, so the phone's are looked at in dark alone), nothing wider than the window, and one heading that names the page.
export async function accessible(page, label, schemes = ["dark", "light"]) {
  await page.evaluate(AXE);
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme });
    const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    const told = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html}\n    ${n.failureSummary}`).join("\n  ")}`);
    assert(!told.length, `${label}, ${colorScheme}:\n${told.join("\n")}`);
  }
  const { wide, titles } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth - innerWidth, titles: document.querySelectorAll("main h1").length }));
  assert(wide <= 0, `${label} is ${wide} pixels wider than the window`);
  equal(titles, 1, `main headings of ${label}`);
}
