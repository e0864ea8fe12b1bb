// How soon the console shows something, and what it adds to a search. Environment as for flows.mjs; prints medians.

import fs from "node:fs";
import path from "node:path";
import { Server, go, launch, open, signIn } from "./browser.mjs";

const { DATA, PICTURES } = process.env;
const ROUNDS = 15;
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const told = (name, list) => console.log(`${name}: median ${median(list).toFixed(1)}, ${Math.min(...list).toFixed(1)} to ${Math.max(...list).toFixed(1)} (${list.length} rounds)`);

const browser = await launch();
const server = await Server.start(path.join(DATA, "measured"));

// A browser that has never been here: to the first text, and to the form or page itself.
const [first, useful, bytes] = [[], [], []];
for (let round = 0; round < ROUNDS; round++) {
  const page = await open(browser, server);
  await page.locator("input[name=username]").waitFor();
  await page.waitForTimeout(100);
  const seen = await page.evaluate(() => ({
    paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
    page: performance.getEntriesByName("trombi-page")[0].startTime,
    bytes: performance.getEntriesByType("resource").reduce((sum, entry) => sum + entry.encodedBodySize, performance.getEntriesByType("navigation")[0].encodedBodySize),
  }));
  first.push(seen.paint);
  useful.push(seen.page);
  bytes.push(seen.bytes);
  await page.context().close();
}
told("first contentful paint, ms", first);
told("sign-in form in place, ms", useful);
told("bytes of the first page", bytes);

// A search: from the picture's drop to the next frame after the result is on the page, less the request's own time.
const page = await open(browser, server);
await signIn(page, server);
await go(page, "#/collections");
await page.getByLabel("Name of a new collection").fill("measured");
await page.getByRole("button", { name: "Create" }).click();
await page.locator("input[webkitdirectory]").setInputFiles(path.join(PICTURES, "people"));
await page.getByText("See the faces").waitFor();
for (const name of ["portrait.png", "mirrored.png"]) {
  await page.locator(".enrol input[type=file][multiple]:not([webkitdirectory])").setInputFiles(path.join(PICTURES, name));
  await page.getByText("See the faces").waitFor();
}
for (const name of ["portrait.png", "mirrored.png"]) {
  const [added, whole] = [[], []];
  const bytes64 = fs.readFileSync(path.join(PICTURES, name)).toString("base64");
  for (let round = 0; round < ROUNDS; round++) {
    await go(page, "#/collections/measured/faces");
    await go(page, "#/collections/measured/search");
    await page.locator(".zone").waitFor();
    await page.waitForTimeout(150);
    const seen = await page.evaluate(async ([text, file]) => {
      const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], file, { type: "image/png" }));
      performance.clearResourceTimings();
      const shown = new Promise((resolve) => {
        new MutationObserver((_, observer) => {
          if (!document.querySelector(".match.best")) return;
          observer.disconnect();
          requestAnimationFrame(() => { const port = new MessageChannel(); port.port1.onmessage = () => resolve(performance.now()); port.port2.postMessage(0); });
        }).observe(document.body, { childList: true, subtree: true });
      });
      const dropped = performance.now();
      document.querySelector(".probe .zone").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
      const whole = (await shown) - dropped;
      const request = performance.getEntriesByType("resource").find((entry) => entry.initiatorType === "fetch" && entry.name === `${location.origin}/`);
      return { whole, added: whole - request.duration };
    }, [bytes64, name]);
    added.push(seen.added);
    whole.push(seen.whole);
    await page.locator(".match.best").waitFor();
    await page.waitForTimeout(300);
  }
  told(`search by ${name} (${bytes64.length} base64 characters): added to the request, ms`, added);
  told("  whole, ms", whole);
}
await browser.close();
await server.stop();
process.exit(0);
