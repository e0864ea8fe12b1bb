// Runs scenario.json through the JavaScript SDK: one JSON document on standard output, steps to outputs or errors.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [scenario, pictures, packages] = process.argv.slice(2);
const sdk = await import(pathToFileURL(createRequire(`${packages}/`).resolve("@aws-sdk/client-rekognition")));
const client = new sdk.RekognitionClient({ maxAttempts: 1 });
const saved = {};

function resolve(value) {
  if (Array.isArray(value)) return value.map(resolve);
  if (value === null || typeof value !== "object") return value;
  if ("$picture" in value) return readFileSync(`${pictures}/${value.$picture}`);
  if ("$saved" in value) return saved[value.$saved];
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item)]));
}

const results = {};
for (const step of JSON.parse(readFileSync(scenario, "utf8"))) {
  try {
    const { $metadata, ...output } = await client.send(new sdk[`${step.operation}Command`](resolve(step.input)));
    for (const [name, path] of Object.entries(step.save ?? {})) {
      saved[name] = path.split(".").reduce((document, part) => document[part], output);
    }
    results[step.step] = output;
  } catch (error) {
    results[step.step] = { error: error.name, message: error.message };
  }
}
console.log(JSON.stringify(results, (_, value) => value));
