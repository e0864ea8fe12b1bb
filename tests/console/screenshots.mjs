// The pictures of the console in the README, from a real run on drawn people (`drawn_people.js`).
// Environment as for flows.mjs; the pictures go to the folder named in INTO. Called by scripts/screenshots.

import fs from "node:fs";
import path from "node:path";
import { Server, complaints, go, launch, open, signIn } from "./browser.mjs";

const { DATA, INTO } = process.env;
const VIEWS = [
  { size: 1.45 },
  { size: 1.35, yaw: 0.5, roll: 6, light: 1, smile: 1 },
  { size: 1.3, yaw: -0.6, roll: -5, smile: 0.5 },
];

const browser = await launch();
const server = await Server.start(path.join(DATA, "server"));

async function draw() {
  const canvas = await browser.newPage();
  await canvas.evaluate(fs.readFileSync(new URL("drawn_people.js", import.meta.url), "utf8"));
  const write = async (name, views, options) => {
    const address = await canvas.evaluate(([list, more]) => globalThis.photograph(list, more), [views, options]);
    const file = path.join(DATA, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, Buffer.from(address.split(",")[1], "base64"));
    return file;
  };
  const names = await canvas.evaluate(() => globalThis.drawnPeople);
  for (const [i, who] of names.entries()) {
    for (const [n, view] of VIEWS.entries()) await write(`people/${who}/${n + 1}.jpg`, [{ who, ...view }], { seed: 10 * i + n });
  }
  const [a, b, c, d, e, f] = names;
  const group = await write("party.jpg", [{ who: d, x: 0.2, y: 0.5, size: 0.62, yaw: 0.3, smile: 1 }, { who: c, x: 0.5, y: 0.44, size: 0.66, roll: -4, smile: 1, light: 1 }, { who: e, x: 0.8, y: 0.5, size: 0.62, yaw: -0.4, roll: 3 }], { width: 1024, height: 640, seed: 91 });
  const couple = await write("holiday.jpg", [{ who: c, x: 0.31, y: 0.47, size: 0.95, yaw: 0.25, smile: 1 }, { who: d, x: 0.69, y: 0.51, size: 0.9, yaw: -0.3, roll: 4, smile: 1, light: 1 }], { width: 900, height: 640, seed: 77 });
  const probe = await write("somebody.jpg", [{ who: a, size: 1.25, yaw: -0.3, roll: 8, smile: 1, light: 1 }], { seed: 55 });
  await canvas.close();
  return { group, couple, probe, names: [a, b, c, d, e, f] };
}

const drawn = await draw();

async function shoot(page, name, options = {}) {
  await page.evaluate(() => { document.activeElement?.blur(); scrollTo(0, 0); });
  await page.waitForTimeout(400);
  await page.screenshot({ path: path.join(INTO, `console-${name}.jpg`), type: "jpeg", quality: 84, ...options });
}

const slot = async (page, name, file) => {
  await page.locator(`[data-slot=${name}] input[type=file]`).setInputFiles(file);
  await page.locator(`[data-slot=${name}] .under .busy`).waitFor({ state: "detached" });
};

async function tryIt(page, name, options) {
  await slot(page, "source", drawn.group);
  await slot(page, "target", drawn.couple);
  await page.locator(".pairs li").waitFor();
  await page.getByRole("button", { name: /Compare the other|Comparer aussi/ }).click();
  await page.locator(".pairs li").nth(2).waitFor();
  await shoot(page, name, options);
}

const desk = await open(browser, server);
await signIn(desk, server);
await desk.setViewportSize({ width: 1280, height: 1120 });
await tryIt(desk, "try");
await desk.setViewportSize({ width: 1280, height: 800 });

await go(desk, "#/collections");
await desk.getByLabel("Name of a new collection").fill("drawn-people");
await desk.getByRole("button", { name: "Create" }).click();
await desk.getByLabel("Name of the faces").selectOption("folder");
await desk.getByLabel("Make a person of each name").check();
await desk.getByLabel("Keep small pictures").check();
await desk.locator("input[webkitdirectory]").setInputFiles(path.join(DATA, "people"));
await desk.getByText("See the faces").waitFor();
await desk.getByText("See the faces").click();
await desk.locator(".portrait img").nth(17).waitFor();
await desk.locator(".face-card input").nth(3).check();
await shoot(desk, "wall");

await go(desk, "#/collections/drawn-people/search");
await desk.locator(".probe input[type=file]").setInputFiles(drawn.probe);
await desk.locator(".match").first().waitFor();
await desk.setViewportSize({ width: 1280, height: 1120 });
await shoot(desk, "search");
await desk.setViewportSize({ width: 1280, height: 800 });
await go(desk, "#/record");
await desk.locator(".entries tbody tr, .empty").first().waitFor();
await shoot(desk, "record");
await desk.context().close();

const phone = await open(browser, server, { width: 390, height: 844, scheme: "dark", locale: "fr-FR" });
await signIn(phone, server);
await go(phone, "#/collections/drawn-people/search");
await phone.locator(".probe input[type=file]").setInputFiles(drawn.probe);
await phone.locator(".match").first().waitFor();
await phone.setViewportSize({ width: 390, height: 1120 });
await shoot(phone, "phone");

if (complaints.length) console.log(complaints.join("\n"));
await browser.close();
await server.stop();
for (const name of fs.readdirSync(INTO).filter((file) => file.startsWith("console-"))) console.log(`${name}: ${fs.statSync(path.join(INTO, name)).size} bytes`);
process.exit(0);
