// What holds for every page that a customer sees, and pictures of them.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const SCREENSHOTS = process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../target/screenshots", import.meta.url));
await mkdir(SCREENSHOTS, { recursive: true });

/** Records what a page loads besides its document, and what its policy has stopped. */
export function observe(page) {
  const observed = { loaded: [], stopped: [] };
  page.on("request", (request) => {
    if (!request.isNavigationRequest() && !request.url().startsWith("data:")) observed.loaded.push(request.url());
  });
  page.on("console", (message) => {
    if (/content security policy/i.test(message.text())) observed.stopped.push(message.text());
  });
  return observed;
}

/**
 * axe finds nothing, in light and dark, on the narrowest phone and on a desktop (which are also a zoom of 400 % and none);
 * nothing is wider than its window; the page is small, and was one request; it has one thing to do at most.
 */
export async function inspect(page, observed, language, name) {
  assert.equal(await page.locator("html").getAttribute("lang"), language);
  assert.equal(await page.locator("h1").count(), 1);
  assert.ok((await page.locator(".button").count()) <= 1, `${name}: two buttons`);
  assert.ok(Buffer.byteLength(await page.content()) < 10_000, `${name} is not small`);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const width of [320, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      const { violations } = await findings(page);
      assert.deepEqual(violations, [], `${name}, ${colorScheme}, ${width} pixels`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(overflow, 0, `${name} is wider than ${width} pixels`);
    }
    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 780 });
      await page.screenshot({ path: `${SCREENSHOTS}/${name}-${language}-${width}-${colorScheme}.png` });
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  assert.deepEqual(observed, { loaded: [], stopped: [] }, name);
}

async function findings(page) {
  // The policy forbids scripts to the page, not to the inspector.
  await page.evaluate(AXE);
  return page.evaluate(async (rules) => {
    const { violations } = await globalThis.axe.run({ runOnly: { type: "tag", values: rules } });
    return { violations: violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(", ")}`) };
  }, RULES);
}
