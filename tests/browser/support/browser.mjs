// A browser as a person has one: two widths, two themes, and axe for what a person cannot see.

import { readFile, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const pictures = process.env.PICTURES ?? fileURLToPath(new URL("../../../target/pictures", import.meta.url));

/** Wide and narrow, in pixels. */
export const WIDTHS = [1280, 390];
export const THEMES = ["light", "dark"];

export async function launch() {
  const isRoot = process.getuid?.() === 0;
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: isRoot ? ["--no-sandbox"] : [] });
}

/** A page of its own, which fails the test if a policy is broken or a script throws. */
export async function open(browser, { width = 1280, theme = "light", ...more } = {}) {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: theme,
    reducedMotion: "reduce",
    ...more,
  });
  const page = await context.newPage();
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  page.on("console", (message) => {
    // A browser asks for the icon of every page, and only the status page has one.
    const isIcon = message.location().url.endsWith("/favicon.ico");
    if (message.type() === "error" && !isIcon) page.complaints.push(message.text());
  });
  return page;
}

/** What axe finds, in words; WCAG 2.2 AA and axe's best practices. */
export async function violations(page) {
  // Evaluated from outside, which the page's policy does not forbid; nothing is added to the page.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.target.join(" ")}: ${node.failureSummary}`),
  );
}

/** A person who uses it so has no obstacle, and has no need to scroll sideways. */
export async function isAccessible(page, what) {
  assert.deepEqual(await violations(page), [], `${what}: axe`);
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${what}: ${content} px of content in a window of ${window} px`);
  assert.deepEqual(page.complaints, [], `${what}: the console`);
}

export async function picture(page, name) {
  await mkdir(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}
