// Somebody who has just started the program and opens its page: signs both users in and sees events flow. The program is the real one,
// against the Webex tenant that it simulates itself.

import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { once } from "node:events";
import { THEMES, WIDTHS, isAccessible, launch, open, picture } from "./support/browser.mjs";

const program = process.env.WEBEX_COLLECTOR;
const skip = program === undefined && "WEBEX_COLLECTOR names no program; see README.md";
/** What takes longer hangs. */
const PATIENCE = 90_000;

let browser;
let demo;
let address;

before(async () => {
  if (skip) return;
  browser = await launch();
  demo = spawn(program, ["demo", "--serve", "--listen", "127.0.0.1:0", "--events", "300"], { stdio: ["ignore", "ignore", "pipe"] });
  const timer = setTimeout(() => demo.kill(), PATIENCE);
  for await (const line of createInterface({ input: demo.stderr })) {
    [, address] = /status page: (http:\S+)/.exec(line) ?? [];
    if (address) break;
  }
  clearTimeout(timer);
  assert.ok(address, "it says where the page is");
  // What it says further must not fill the pipe.
  demo.stderr.resume();
});

after(async () => {
  await browser?.close();
  if (demo && demo.exitCode === null) {
    demo.kill("SIGINT");
    await once(demo, "exit");
  }
});

/** How it looks, in both widths and themes. */
async function look(name) {
  for (const width of WIDTHS) {
    for (const theme of THEMES) {
      const page = await open(browser, { width, theme });
      await page.goto(address);
      await isAccessible(page, `${name} at ${width} px, ${theme}`);
      await picture(page, `newcomer-${name}-${width}-${theme}`);
      await page.context().close();
    }
  }
}

async function signIn(page, user) {
  await page.getByRole("button", { name: `Sign in as ${user}` }).first().click();
  await page.getByRole("button", { name: "Accept" }).waitFor();
  await isAccessible(page, `where the simulated Webex asks the ${user}`);
  await page.getByRole("button", { name: "Accept" }).click();
  const back = page.getByRole("link", { name: "Back to the status page" });
  await page.locator("main h1").waitFor();
  if (await back.count()) {
    await isAccessible(page, `the end of the sign-in of the ${user}`);
    await back.click();
  }
  await page.waitForURL(address);
}

test("a newcomer signs both users in and sees events flow", { skip, timeout: 4 * PATIENCE }, async () => {
  await look("1-start");
  const page = await open(browser);
  page.setDefaultTimeout(PATIENCE);
  await page.goto(address);
  await page.getByRole("heading", { level: 1, name: "Nobody has signed in yet" }).waitFor();
  await page.getByText("SIMULATED: no real tenant is collected from").waitFor();

  await signIn(page, "admin");
  await page.getByRole("button", { name: "Sign in again as admin" }).waitFor();
  await look("2-one-of-two");
  await signIn(page, "compliance officer");

  // From here on nobody touches the page: it is live.
  await page.getByRole("heading", { level: 1, name: /^Data flows/ }).waitFor();
  const streams = page.locator(".streams > .card");
  assert.equal(await streams.count(), 3);
  const delivered = () =>
    streams.evaluateAll((cards) =>
      cards.map((card) => {
        const facts = [...card.querySelectorAll("dt")];
        const fact = facts.find((fact) => fact.textContent === "Delivered");
        return Number(fact?.nextElementSibling.textContent.replaceAll(",", "") ?? 0);
      }),
    );
  const began = Date.now();
  while ((await delivered()).some((count) => count < 300)) {
    assert.ok(Date.now() - began < PATIENCE, `the backlog and more of every stream: ${await delivered()}`);
    await page.waitForTimeout(200);
  }
  await page.locator(".streams > .card .light.ok").nth(2).waitFor();
  assert.ok((await page.locator(".events > li").count()) > 0, "recent events are shown");
  await page.locator(".events summary").first().click();
  await page.locator(".events pre").first().waitFor({ state: "visible" });
  assert.deepEqual(page.complaints, []);
  await page.context().close();
  await look("3-data-flows");
});
