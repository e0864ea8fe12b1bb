// Every flow of the console, end to end, in a real browser on a running server with real networks.
// Environment: TROMBI (program), DATA and PICTURES (folders), PACKAGES (with node_modules), CHROMIUM; the
// pictures are made by tests/console.rs.

import fs from "node:fs";
import path from "node:path";
import { Server, accessible, assert, complaints, equal, expecting, go, launch, open, signIn } from "./browser.mjs";

const { DATA, PICTURES } = process.env;
const picture = (name) => path.join(PICTURES, name);
const people = fs.readdirSync(picture("people")).sort();
const photo = (folder, person) => picture(`${folder}/${person}/${fs.readdirSync(picture(`${folder}/${person}`)).sort()[0]}`);

const browser = await launch();
await drawMore();
const server = await Server.start(path.join(DATA, "signed"));
let page;

async function flow(name, run, { refusals = false, silence = false } = {}) {
  const started = Date.now();
  Object.assign(expecting, { refusals, silence });
  try {
    await run();
    assert(!complaints.length, `the browser complained:\n${complaints.join("\n")}`);
    console.log(`ok ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    const shot = path.join(DATA, "failure.png");
    await page?.screenshot({ path: shot }).catch(() => {});
    console.log(`FAILED ${name}\n${error.stack}\ncomplaints: ${complaints.join("\n")}\npage: ${await page?.locator("main").innerText().catch(() => "")}\npicture: ${shot}`);
    process.exit(1);
  }
}

// Two people beside each other, the second one smaller; and a small face as JPEG.
async function drawMore() {
  const blank = await browser.newPage();
  const address = (file) => `data:image/${file.endsWith("png") ? "png" : "jpeg"};base64,${fs.readFileSync(file).toString("base64")}`;
  const drawn = await blank.evaluate(async ([first, second]) => {
    const load = async (src) => { const image = new Image(); image.src = src; await image.decode(); return image; };
    const [a, b] = [await load(first), await load(second)];
    const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
    Object.assign(canvas, { width: 820, height: 512 });
    pen.drawImage(a, 0, 0);
    pen.drawImage(b, 540, 120, 250, 250);
    const two = canvas.toDataURL("image/png");
    Object.assign(canvas, { width: 160, height: 160 });
    pen.drawImage(a, 120, 0, 240, 240, 0, 0, 160, 160);
    return [two, canvas.toDataURL("image/jpeg", 0.9)];
  }, [address(picture("portrait.png")), address(photo("people", people[0]))]);
  for (const [i, name] of ["two.png", "small.jpg"].entries()) fs.writeFileSync(picture(name), Buffer.from(drawn[i].split(",")[1], "base64"));
  await blank.close();
}

const slot = (name) => page.locator(`[data-slot=${name}] input[type=file]`);
const tried = async (name, file) => {
  await slot(name).setInputFiles(file);
  await page.locator(`[data-slot=${name}] .under .busy`).waitFor({ state: "detached" });
};
const says = (words) => page.locator("main").getByText(words).first();
const remove = (name) => page.locator(`[data-slot=${name}]`).getByRole("button", { name: "Remove" }).click();
const dialog = () => page.getByRole("dialog");
const news = (hasText) => page.locator(".notice.good", { hasText }).first().waitFor();
const cardOf = (name) => page.locator(".face-card").filter({ has: page.getByRole("link", { name: `Person ${name}`, exact: true }) });

await flow("a policy forbids what is not ours", async () => {
  page = await open(browser, server);
  const told = await page.evaluate(() => new Promise((resolve) => {
    addEventListener("securitypolicyviolation", (event) => resolve(event.violatedDirective), { once: true });
    const script = document.createElement("img");
    script.src = "http://127.0.0.1:9/x.png";
    document.body.append(script);
  }));
  assert(told.startsWith("img-src"), told);
  assert(complaints.splice(0).some((text) => text.startsWith("policy: img-src")), "violations are heard");
  await page.context().close();
});

await flow("signing in, by keyboard, and staying", async () => {
  page = await open(browser, server, { room: "#/collections" });
  await page.locator("input[name=username]").waitFor();
  await accessible(page, "signing in");
  await page.locator("input[name=username]").fill(server.id);
  await page.keyboard.press("Tab");
  await page.keyboard.type("not the secret");
  await page.keyboard.press("Enter");
  await says("does not know this pair").waitFor();
  await page.keyboard.type(server.secret);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Collections" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Collections" }).waitFor();
  const kept = await page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie]));
  assert(kept.includes(server.id) && !kept.includes(server.secret), "the secret was kept");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.locator("input[name=username]").waitFor();
  equal(await page.evaluate(() => sessionStorage.length), 0, "kept after signing out");
  await signIn(page, server);
}, { refusals: true });

await flow("a picture's faces, at once", async () => {
  await go(page, "#/try");
  await accessible(page, "try it, empty");
  await tried("source", picture("portrait.png"));
  await page.locator(".facts").waitFor();
  equal(await page.locator(".stage .face").count(), 1, "faces");
  equal(await page.locator(".stage circle").count(), 5, "landmarks");
  const facts = await page.locator(".facts").innerText();
  for (const word of ["Confidence", "Sharpness", "Brightness", "Yaw"]) assert(facts.includes(word), facts);
  const [box, img] = await Promise.all([page.locator(".face").boundingBox(), page.locator(".stage img").boundingBox()]);
  const middle = (box.x + box.width / 2 - img.x) / img.width;
  assert(middle > 0.3 && middle < 0.6 && box.y > img.y && box.y < img.y + img.height / 2, `the box is elsewhere: ${middle}`);
  await accessible(page, "try it, one picture");
});

await flow("two pictures, joined, in words", async () => {
  await tried("target", picture("mirrored.png"));
  await page.locator(".pairs li").waitFor();
  assert(/Fewer than 1 in 10 million pairs of different people score this high/.test(await page.locator(".pairs").innerText()), await page.locator(".pairs").innerText());
  equal(await page.locator(".lines path").count(), 1, "lines");
  await accessible(page, "try it, two pictures");
  await remove("target");
  await tried("target", photo("people", people[0]));
  await page.locator(".pairs li").waitFor();
  assert(/Many pairs|About 1 in \d/.test(await page.locator(".pairs").innerText()), await page.locator(".pairs").innerText());
});

await flow("several faces, and one of them by keyboard", async () => {
  await remove("target");
  await remove("source");
  await tried("source", picture("two.png"));
  equal(await page.locator(".stage .face").count(), 2, "faces");
  await tried("target", picture("mirrored.png"));
  await page.locator(".pairs li").waitFor();
  await page.getByRole("button", { name: "Compare the other face too" }).click();
  await page.locator(".pairs li").nth(1).waitFor();
  const numbers = (await page.locator(".pairs .big-number").allInnerTexts()).map(parseFloat);
  assert(numbers[0] > 95 && numbers[1] < 60, `similarities ${numbers}`);
  equal(await page.locator(".lines path").count(), 1, "lines");
  assert((await page.locator(".pairs li").nth(1).innerText()).includes("Below 80, so not joined"), "said why");
  await page.locator("[data-slot=source] .face").nth(1).focus();
  await page.keyboard.press("Enter");
  await page.locator(".pairs li").nth(1).waitFor({ state: "detached" });
  await page.locator(".pairs li").waitFor();
});

await flow("a picture from the camera, and one pasted", async () => {
  await remove("target");
  await remove("source");
  await page.getByRole("button", { name: "Use the camera" }).click();
  const shoot = dialog().getByRole("button", { name: "Take it" });
  await shoot.waitFor();
  await accessible(page, "the camera");
  await page.waitForFunction(() => !document.querySelector("dialog .primary").disabled);
  await shoot.click();
  await page.locator(".stage img").waitFor();
  await says("faces found").or(says("face found")).first().waitFor();
  await remove("source");
  const bytes = fs.readFileSync(picture("portrait.png")).toString("base64");
  await page.evaluate((text) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], "pasted.png", { type: "image/png" }));
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
  }, bytes);
  await says("1 face found").waitFor();
  await remove("source");
});

await flow("files that are no pictures, and too large ones", async () => {
  const refused = async (name, words) => {
    await tried("source", picture(name));
    await page.locator("[data-slot=source] .notice.bad").waitFor();
    const told = await page.locator("[data-slot=source] .notice.bad").innerText();
    assert(told.includes(words), `${name}: ${told}`);
    await remove("source");
  };
  await refused("text.jpg", "not a picture");
  await refused("hundred.jpg", "not a picture");
  await refused("empty.png", "empty");
  await refused("broken.jpg", "cannot read this picture");
  await tried("source", picture("large.png"));
  await says("1 face found").waitFor();
  assert(/Made smaller before sending, from 4200 × 1400/.test(await page.locator(".under").innerText()), await page.locator(".under").innerText());
  await remove("source");
  await tried("source", picture("portrait.bmp"));
  await says("Turned into JPEG").waitFor();
  await remove("source");
}, { refusals: true });

await flow("names that look like markup stay names", async () => {
  const name = "<img src=x onerror=alert(1)>.png";
  await slot("source").setInputFiles({ name, mimeType: "image/png", buffer: fs.readFileSync(picture("portrait.png")) });
  await says("1 face found").waitFor();
  equal(await page.locator("figcaption").innerText(), name, "caption");
  equal(await page.locator("img[src=x]").count(), 0, "elements made of a name");
  await remove("source");
  await go(page, "#/collections");
  await says("No collection yet").waitFor();
  await accessible(page, "no collections");
  await page.getByLabel("Name of a new collection").fill("<script>alert('é')</script>");
  await page.getByRole("button", { name: "Create" }).click();
  await says("How about script-alert-e-script?").waitFor();
});

await flow("an empty collection", async () => {
  await page.getByLabel("Name of a new collection").fill("press");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "press" }).waitFor();
  await says("Drop pictures or a folder here").waitFor();
  await accessible(page, "adding, empty");
  await go(page, "#/collections/press/faces");
  await says("No faces yet").waitFor();
  await go(page, "#/collections/press/people");
  await says("No people yet").waitFor();
  await go(page, "#/collections/press/search");
  await says("Nobody is enrolled").waitFor();
  await page.locator(".probe input[type=file]").setInputFiles(picture("portrait.png"));
  await page.getByRole("heading", { name: "Nobody here reaches 80" }).waitFor();
});

await flow("enrolling a folder: what was added, what was refused and why", async () => {
  await go(page, "#/collections/press/add");
  await page.getByLabel("Name of the faces").selectOption("folder");
  await page.getByLabel("Make a person of each name").check();
  await page.getByLabel("Only the largest face").check();
  await page.getByLabel("Keep small pictures").check();
  await page.locator("input[webkitdirectory]").setInputFiles(picture("people"));
  await says("See the faces").waitFor();
  const added = people.length * 2;
  await says(`${added} faces`).waitFor();
  await page.locator(".enrol input[type=file][multiple]:not([webkitdirectory])").setInputFiles([picture("text.jpg"), picture("nobody.png"), picture("portrait.png")]);
  await says("2 refused").waitFor();
  await says("See the faces").waitFor();
  const refused = await page.locator(".lines-of.refused").innerText();
  assert(refused.includes("text.jpg") && refused.includes("not a picture") && refused.includes("nobody.png") && refused.includes("No face was found"), refused);
  await accessible(page, "adding, done");
  await says("See the faces").click();
  await page.locator(".face-card").nth(added).waitFor();
  equal(await page.locator(".face-card").count(), added + 1, "faces on the wall");
  await page.waitForFunction((n) => document.querySelectorAll(".portrait img").length === n, added + 1);
  await accessible(page, "the wall of faces");
}, { refusals: true });

await flow("people: group, not this person, move, rename, delete", async () => {
  const [first, second] = people;
  await go(page, "#/collections/press/people");
  await page.locator(".person-card", { hasText: first }).waitFor();
  await page.locator(".person-card", { hasText: "2 faces" }).first().waitFor();
  await accessible(page, "people");
  await page.getByRole("link", { name: first, exact: true }).click();
  await page.locator(".face-card").nth(1).waitFor();
  await accessible(page, "a person");
  // Not this person: the face stays enrolled and is nobody's.
  await page.locator(".face-card input").first().check();
  await page.getByRole("button", { name: "Not this person" }).click();
  await says("1 face is nobody's now").waitFor();
  equal(await page.locator(".face-card").count(), 1, "faces left");
  // Grouped again, from the wall, by name.
  await go(page, "#/collections/press/faces");
  const orphan = page.locator(".face-card", { hasText: first }).filter({ hasText: "nobody's" });
  await orphan.locator("input").check();
  await page.getByRole("button", { name: "Group to a person" }).click();
  await accessible(page, "grouping");
  await dialog().getByLabel("Person").fill("no <b> name");
  await dialog().getByRole("button", { name: "Group" }).click();
  await dialog().getByText("How about no_b_name?").waitFor();
  await dialog().getByLabel("Person").fill(first);
  await dialog().getByRole("button", { name: "Group" }).click();
  await says(`1 face is now of ${first}`).waitFor();
  // A face that is unlike is asked about; moved all the same.
  await go(page, `#/collections/press/people/${encodeURIComponent(first)}`);
  await page.locator(".face-card input").nth(1).check();
  await page.getByRole("button", { name: "Move to a person" }).click();
  await dialog().getByLabel("To which person").fill(second);
  await dialog().getByRole("button", { name: "Move" }).click();
  await dialog().getByText("less than 75 similarity").waitFor();
  await dialog().getByRole("button", { name: "Group all the same" }).click();
  await says(`1 face is now of ${second}`).waitFor();
  // Renamed: the faces come along.
  await page.getByRole("button", { name: "Rename" }).click();
  await dialog().getByLabel("New name").fill("Somebody:else");
  await dialog().getByRole("button", { name: "Rename" }).click();
  await page.getByRole("heading", { name: "Somebody:else" }).waitFor();
  await says(`${first} is now Somebody:else`).waitFor();
  equal(await page.locator(".face-card").count(), 1, "faces of the renamed");
  // Deleted with the face, and told so.
  await page.getByRole("button", { name: "Delete …" }).click();
  await dialog().getByLabel("Delete the face too").check();
  await accessible(page, "deleting a person");
  await dialog().getByRole("button", { name: "Delete the person" }).click();
  await news(/Somebody:else is deleted\. Erased 1 face; its vector is overwritten\. 1 small picture in this browser too\./);
  await go(page, "#/collections/press/people");
  await page.locator(".person-card").first().waitFor();
  equal(await page.locator(".person-card", { hasText: "Somebody:else" }).count(), 0, "people deleted");
}, { refusals: true });

await flow("deleting faces, also a person's", async () => {
  await go(page, "#/collections/press/faces");
  const before = await page.locator(".face-card").count();
  await cardOf(people[2]).first().locator("input").check();
  await cardOf("portrait").locator("input").check();
  await page.getByRole("button", { name: "Delete …" }).click();
  await dialog().getByText("2 of them belong to people").waitFor();
  await dialog().getByRole("button", { name: "Delete" }).click();
  await says("Erased 2 faces; their vectors are overwritten.").waitFor();
  equal(await page.locator(".face-card").count(), before - 2, "faces on the wall");
});

await flow("searching by picture, face and person, with a threshold that says what it costs", async () => {
  await go(page, "#/collections/press/search");
  await says(/Of [\d,]+ searches/).waitFor();
  const [words, slider] = [page.locator(".expected"), page.getByLabel("Least similarity")];
  const at80 = await words.innerText();
  await slider.fill("95");
  const at95 = await words.innerText();
  assert(at80 !== at95 && /expect .* to return somebody \(.* to .*\)/.test(at95), `${at80} / ${at95}`);
  assert((await slider.getAttribute("aria-valuetext")).includes(at95), "the slider says it");
  await slider.fill("80");
  await page.locator(".probe input[type=file]").setInputFiles(photo("probes", people[3]));
  await page.locator(".match.best").waitFor();
  assert((await page.locator(".match.best").innerText()).includes(people[3]), await page.locator(".found").innerText());
  await accessible(page, "search results");
  const found = await page.locator(".match").count();
  await slider.fill("20");
  await page.waitForFunction((n) => document.querySelectorAll(".match").length > n, found);
  await slider.fill("80");
  await page.waitForFunction((n) => document.querySelectorAll(".match").length === n, found);
  await page.getByLabel("people").check();
  await says("the calibration is of single faces").waitFor();
  await page.locator(".match.best", { hasText: people[3] }).waitFor();
  await page.locator(".match.best .name").click();
  await page.getByRole("heading", { name: people[3] }).waitFor();
  await page.locator(".face-card input").first().check();
  await page.getByRole("link", { name: "Search for it" }).click();
  await says(`Faces like ${people[3]}`).waitFor();
  await slider.fill("40");
  await page.locator(".match", { hasText: people[3] }).first().waitFor();
  await go(page, `#/collections/press/search/user/${encodeURIComponent(people[3])}`);
  await says(`People like ${people[3]}`).waitFor();
  await page.getByRole("heading", { name: /match|Nobody here/ }).waitFor();
});

await flow("500 files at once: three under way, stopped, gone on with, the server gone and back", async () => {
  await go(page, "#/collections");
  await page.getByLabel("Name of a new collection").fill("many");
  await page.getByRole("button", { name: "Create" }).click();
  await says("Drop pictures or a folder here").waitFor();
  let [running, most] = [0, 0];
  const began = (request) => { if (request.headers()["x-amz-target"]?.endsWith("IndexFaces")) most = Math.max(most, ++running); };
  const ended = (request) => { if (request.headers()["x-amz-target"]?.endsWith("IndexFaces")) running--; };
  page.on("request", began).on("requestfinished", ended).on("requestfailed", ended);
  const face = fs.readFileSync(picture("small.jpg"));
  // Every fourth is a picture; bytes after the end of a JPEG make each another one with the same face.
  await page.evaluate(async ({ text, count }) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    for (let i = 0; i < count; i++) transfer.items.add(new File(i % 4 ? [String(i)] : [bytes, String(i)], `picture ${i}.jpg`, { type: "image/jpeg" }));
    document.querySelector(".enrol .zone").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }, { text: face.toString("base64"), count: 500 });
  const done = () => page.locator(".enrol-status .figure").innerText().then((text) => Number(text.split("/")[0].replace(/\D/g, "")));
  const reached = async (n) => { while (await done() < n) await page.waitForTimeout(30); };
  await reached(40);
  await page.getByRole("button", { name: "Stop" }).click();
  await says("Stopped. What was added stays.").waitFor();
  await page.waitForTimeout(300);
  const halted = await done();
  await page.waitForTimeout(300);
  equal(await done(), halted, "added after the stop");
  await page.getByRole("button", { name: "Go on" }).click();
  await reached(halted + 40);
  await server.stop();
  await says("Adding goes on by itself").waitFor();
  await accessible(page, "adding, the server away");
  await server.again();
  // On another page meanwhile: the work goes on.
  await go(page, "#/collections/many/faces");
  await page.locator(".face-card").first().waitFor();
  await go(page, "#/collections/many/add");
  await says("500 / 500").waitFor({ timeout: 300_000 });
  await says("125 faces").waitFor();
  await says("375 refused").waitFor();
  await says("… and 275 more").waitFor();
  assert(most <= 3 && most > 1, `${most} requests at once`);
  page.off("request", began).off("requestfinished", ended).off("requestfailed", ended);
  await go(page, "#/collections/many/faces");
  await says("1 to 60 of 125").waitFor();
  await page.getByRole("button", { name: "Later" }).click();
  await says("61 to 120 of 125").waitFor();
}, { silence: true });

await flow("a million faces in one collection: pages, and nothing freezes", async () => {
  const id = (n) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
  const box = { Left: 0.1, Top: 0.1, Width: 0.5, Height: 0.5 };
  await page.route("**/", async (route) => {
    const operation = route.request().headers()["x-amz-target"]?.split(".")[1];
    const asked = JSON.parse(route.request().postData() ?? "{}");
    if (operation === "DescribeCollection") return route.fulfill({ json: { FaceCount: 1_000_000, UserCount: 250_000, FaceModelVersion: "1.0", CreationTimestamp: 1.7e9 } });
    if (operation !== "ListFaces" && operation !== "ListUsers") return route.continue();
    if (asked.UserId) return route.fulfill({ json: { Faces: [], FaceModelVersion: "1.0" } });
    const from = Number(asked.NextToken ?? 0), numbers = Array.from({ length: asked.MaxResults }, (_, i) => from + i);
    const token = { NextToken: String(from + asked.MaxResults) };
    if (operation === "ListUsers") return route.fulfill({ json: { Users: numbers.map((n) => ({ UserId: `user-${n}`, UserStatus: "ACTIVE" })), ...token } });
    return route.fulfill({ json: { Faces: numbers.map((n) => ({ FaceId: id(n), ImageId: id(n), BoundingBox: box, Confidence: 99, ExternalImageId: `face-${n}` })), FaceModelVersion: "1.0", ...token } });
  });
  await go(page, "#/collections/press/faces");
  await says("1 to 60 of 1,000,000").waitFor();
  await page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration); }).observe({ entryTypes: ["longtask"] });
  });
  for (let turn = 1; turn <= 5; turn++) {
    await page.getByRole("button", { name: "Later" }).click();
    await says(`${turn * 60 + 1} to ${turn * 60 + 60} of 1,000,000`).waitFor();
  }
  equal(await page.locator(".face-card").count(), 60, "cards on the page");
  const longest = await page.evaluate(() => window.longest);
  console.log(`   longest task while turning pages: ${longest} ms`);
  await go(page, "#/collections/press/people");
  await page.locator(".person-card").first().waitFor();
  assert(await page.locator(".person-card").count() <= 48, "people on the page");
  await page.unroute("**/");
});

await flow("keys: created, shown once, revoked; a session that ends asks and goes on", async () => {
  await go(page, "#/keys");
  await says(server.id).waitFor();
  await page.getByRole("button", { name: "Create a key" }).click();
  const [id, secret] = [await dialog().getByLabel("Access key ID", { exact: true }).inputValue(), await dialog().getByLabel("Secret access key", { exact: true }).inputValue()];
  equal([id.length, secret.length], [20, 40], "lengths");
  await accessible(page, "a new key");
  await dialog().getByRole("button", { name: "I have it" }).click();
  await page.getByRole("row", { name: id }).waitFor();
  assert(!(await page.content()).includes(secret), "the secret is still on the page");
  await accessible(page, "keys");
  const admin = page;
  page = await open(browser, server, { room: "#/collections" });
  await signIn(page, { id, secret });
  await page.getByRole("link", { name: "press", exact: true }).waitFor();
  await admin.getByRole("row", { name: id }).getByRole("button", { name: "Revoke" }).click();
  await admin.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await admin.getByText(`${id} is revoked`).first().waitFor();
  // The revoked one goes on where it was, with another key.
  await page.getByRole("link", { name: "press", exact: true }).click();
  await dialog().getByText("no longer accepts the key").waitFor();
  await accessible(page, "signing in again");
  await dialog().getByLabel("Access key ID").fill(server.id);
  await dialog().getByLabel("Secret access key").fill(server.secret);
  await dialog().getByRole("button", { name: "Sign in" }).click();
  await page.locator(".face-card").first().waitFor();
  await page.context().close();
  page = admin;
  // The last key stays.
  await page.getByRole("button", { name: `Revoke key ${server.id}` }).click();
  await dialog().getByText("You are signed in with it").waitFor();
  await dialog().getByRole("button", { name: "Revoke", exact: true }).click();
  await says("the last active access key cannot be revoked").waitFor();
}, { refusals: true });

await flow("a clock that is an hour slow signs all the same", async () => {
  const slow = await open(browser, server);
  await slow.addInitScript(() => { const now = Date.now; Date.now = () => now() - 3_600_000; });
  await slow.reload();
  await signIn(slow, server);
  await slow.getByRole("heading", { name: "Whose face is it?" }).waitFor();
  await slow.context().close();
}, { refusals: true });

await flow("the record, of this server and in the shapes of a full one", async () => {
  await go(page, "#/record");
  await page.locator(".fact-row").or(page.locator(".empty")).first().waitFor();
  await accessible(page, "the record");
  const now = Math.floor(Date.now() / 1000);
  const entry = { Timestamp: now, Operation: "SearchFacesByImage", CollectionId: "press", Principal: "TRMB", Tenant: "default", Purpose: "door", Outcome: "denied", Rules: ["no-search-at-night"], ThresholdAsked: 80, ThresholdUsed: 99, Faces: 1, Matches: 0, RequestId: "r" };
  const answers = {
    GetLedger: { Origin: "example/ledger", Entries: 2, Checkpoint: { Size: 2, RootHash: "ab".repeat(32), Timestamp: now }, Witnesses: [{ Name: "witness", Size: 1, Timestamp: now }], UnwitnessedEntries: 1, PolicyHash: "cd".repeat(32), Profile: "accountable" },
    ListEntries: { Entries: [{ ...entry, Index: 1 }, { ...entry, Index: 0, Outcome: "done", Erased: true, Principal: "" }] },
    GetUsage: { Rows: [{ Day: new Date().toISOString().slice(0, 10), Tenant: "default", Operation: "IndexFaces", Unit: "pictures", Quantity: 7 }] },
  };
  await page.route("**/", (route) => {
    const operation = route.request().headers()["x-amz-target"]?.split(".")[1];
    return operation in answers ? route.fulfill({ json: answers[operation] }) : route.continue();
  });
  await go(page, "#/try");
  await go(page, "#/record");
  await says("no-search-at-night").waitFor();
  const text = await page.locator("main").innerText();
  for (const words of ["denied", "asked for 80", "threshold 99", "personal part erased", "accountable", "1 entry not witnessed yet"]) assert(text.includes(words), `${words} in ${text}`);
  await page.locator(".bars li").waitFor();
  await accessible(page, "a full record");
  await page.unroute("**/");
}, { refusals: true });

await flow("on a phone, in French, in the dark", async () => {
  const desk = page;
  page = await open(browser, server, { width: 390, height: 844, locale: "fr-FR", scheme: "dark" });
  await signIn(page, server);
  equal(await page.evaluate(() => document.documentElement.lang), "fr", "language");
  await page.getByRole("heading", { name: "À qui est ce visage ?" }).waitFor();
  await tried("source", picture("portrait.png"));
  await tried("target", picture("mirrored.png"));
  await says("1 paire de personnes différentes").or(says("paire de personnes différentes sur")).first().waitFor();
  await accessible(page, "essayer", ["dark"]);
  for (const [room, words] of [["collections", "press"], ["collections/press", "visages"], ["collections/press/people", "Nouvelle personne"], ["collections/press/add", "Déposez"], ["collections/press/search", "Sur 1"], ["record", "registre"], ["keys", "Créer une clé"]]) {
    await go(page, `#/${room}`);
    await says(words).waitFor();
    await accessible(page, `${room}, phone`, ["dark"]);
  }
  await page.getByLabel("Langue").selectOption("en");
  await page.getByRole("heading", { name: "Access keys" }).waitFor();
  await page.getByRole("button", { name: "Light colours" }).click();
  equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "light", "chosen colours");
  await page.context().close();
  page = desk;
}, { refusals: true });

await flow("a collection is deleted by typing its name, and what it erased is told", async () => {
  await go(page, "#/collections");
  await says("125 faces").waitFor();
  await accessible(page, "collections");
  await page.getByRole("button", { name: "Delete collection many" }).click();
  const sure = dialog().getByRole("button", { name: "Delete the collection" });
  assert(await sure.isDisabled(), "deletion without typing");
  await dialog().getByLabel("Type many to confirm").fill("man");
  assert(await sure.isDisabled(), "deletion with half the name");
  await dialog().getByLabel("Type many to confirm").fill("many");
  await accessible(page, "deleting a collection");
  await sure.click();
  await news(/many is deleted\. Erased: 125 faces, 0 people/);
  equal(await page.getByRole("link", { name: "many", exact: true }).count(), 0, "cards of the deleted");
});

await flow("a server without signatures asks nobody to sign in", async () => {
  const open_ = await Server.start(path.join(DATA, "open"), ["--no-auth"]);
  page = await open(browser, open_);
  await page.getByRole("heading", { name: "Whose face is it?" }).waitFor();
  await tried("source", picture("portrait.png"));
  await says("1 face found").waitFor();
  equal(await page.getByRole("button", { name: "Sign out" }).count(), 0, "sign-out buttons");
  await open_.stop();
});

await browser.close();
await server.stop();
process.exit(0);
