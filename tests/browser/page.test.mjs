// The status page, sample by sample, as people meet it.

import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { THEMES, WIDTHS, isAccessible, launch, open, picture } from "./support/browser.mjs";
import { serve } from "./support/samples.mjs";

const SAMPLES = [
  "healthy", "first-start", "backlog", "trouble", "nothing-yet", "twelve-tenants", "one-of-twelve", "hostile",
];

let browser;
let samples;

before(async () => {
  browser = await launch();
  samples = await serve();
});

after(async () => {
  await browser?.close();
  await samples?.close();
});

async function show(sample, options) {
  samples.shown = sample;
  const page = await open(browser, options);
  await page.goto(samples.address);
  return page;
}

/** The page asks again at once, instead of after its pause. */
async function again(page, sample) {
  samples.shown = sample;
  const asked = samples.asked;
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  while (samples.asked === asked) await page.waitForTimeout(20);
  await page.waitForTimeout(100);
}

for (const sample of SAMPLES) {
  for (const width of WIDTHS) {
    for (const theme of THEMES) {
      test(`${sample} has no obstacle at ${width} px in the ${theme} theme`, async () => {
        const page = await show(sample, { width, theme });
        await isAccessible(page, sample);
        await picture(page, `${sample}-${width}-${theme}`);
        await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
        await isAccessible(page, `${sample}, with everything open`);
        await page.context().close();
      });
    }
  }
}

test("a thousand tenants are shown in a second and have no obstacle", async () => {
  const page = await show("thousand-tenants");
  const [navigation] = await page.evaluate(() => performance.getEntriesByType("navigation").map((entry) => entry.toJSON()));
  assert.ok(navigation.domContentLoadedEventEnd < 3_000, `${navigation.domContentLoadedEventEnd} ms`);
  await isAccessible(page, "thousand-tenants");
  await page.context().close();
});

test("the keyboard goes through the page in the order in which it is read, and sees where it is", async () => {
  const page = await show("first-start");
  const met = [];
  for (let step = 0; step < 12; step += 1) {
    await page.keyboard.press("Tab");
    const [name, outline] = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return [document.activeElement.textContent, style.outlineStyle];
    });
    if (met.includes(name) || name.length > 100) break;
    assert.equal(outline, "solid", `${name} is seen to have the focus`);
    met.push(name);
  }
  assert.deepEqual(met, [
    "To the content", "Sign in as admin", "Sign in as compliance officer", "What the words mean", "readiness", "metrics",
    "commands for playbooks",
  ]);
  await page.context().close();
});

test("the button signs in the user of its card", async () => {
  const page = await show("first-start");
  await page.getByRole("button", { name: "Sign in as compliance officer" }).click();
  await page.waitForURL(samples.address);
  assert.deepEqual(samples.signIns, ["tenant=&user=compliance_officer"]);
  await page.context().close();
});

test("without JavaScript everything is there, with a link to look again", async () => {
  const page = await show("trouble", { javaScriptEnabled: false });
  await page.getByRole("link", { name: "Refresh" }).click();
  await page.getByRole("heading", { level: 1, name: "Data flows in 2 of 3 streams only" }).waitFor();
  await page.context().close();
  const narrow = await show("trouble", { javaScriptEnabled: false, width: 390 });
  await picture(narrow, "trouble-390-without-javascript");
  await narrow.context().close();
});

test("a live page takes over what has changed and leaves focus, selection and what is open alone", async () => {
  const page = await show("healthy");
  const events = page.locator(".events > li");
  const second = events.nth(1).locator("summary");
  await second.click();
  const button = page.getByRole("button", { name: "Sign in again as compliance officer" });
  await button.focus();
  await page.evaluate(() => {
    const head = document.querySelector("h3").firstChild;
    getSelection().setBaseAndExtent(head, 0, head, 5);
    scrollTo(0, 200);
  });
  const place = () => page.locator(".facts").first().evaluate((facts) => facts.getBoundingClientRect().top);
  const seen = await place();
  assert.equal(await events.count(), 4);
  await again(page, "later/healthy");
  assert.equal(await events.count(), 5, "the new event is there");
  assert.equal(await events.nth(2).locator("details").getAttribute("open"), "", "the one that was open is open");
  assert.equal(await page.locator(".events details[open]").count(), 1, "and no other");
  assert.ok(await button.evaluate((button) => button === document.activeElement), "the button has the focus");
  assert.equal(await page.evaluate(() => getSelection().toString()), "Admin", "what was selected is selected");
  assert.ok(Math.abs((await place()) - seen) < 1, "what is in view has not moved, though the page is longer above it");
  assert.match(await page.title(), /^Data flows, and something needs a look/);
  const told = await page.locator("#told").textContent();
  assert.match(told, /Data flows, and something needs a look/);
  assert.match(told, /Compliance events: Warning/);
  const expected = await (await open(browser)).goto(samples.address).then((answer) => answer.text());
  const [taken, fresh] = await page.evaluate((text) => {
    const main = new DOMParser().parseFromString(text, "text/html").querySelector("main");
    const own = document.querySelector("main").cloneNode(true);
    own.querySelectorAll("details[open]").forEach((details) => details.removeAttribute("open"));
    return [own.outerHTML, main.outerHTML];
  }, expected);
  assert.equal(taken, fresh, "it is the page that a reload would show");
  await isAccessible(page, "after a change");
  await page.context().close();
});

test("a line that moves among many tenants keeps the focus and stays open", async () => {
  const page = await show("twelve-tenants");
  const line = page.locator("li[data-key='tenant/initech'] summary");
  await line.first().click();
  await line.first().focus();
  await again(page, "later/twelve-tenants");
  assert.ok(await line.first().evaluate((summary) => summary === document.activeElement));
  assert.equal(await page.locator("li[data-key='tenant/initech'] > details").getAttribute("open"), "");
  assert.match(await page.locator("#told").textContent(), /initech: OK/);
  await page.context().close();
});

test("a page says when nobody answers, and when somebody does again", async () => {
  const page = await show("healthy");
  const stale = page.getByRole("alert");
  assert.ok(await page.locator("#stale").isHidden());
  await again(page, undefined);
  await stale.getByText("The collector does not answer").waitFor();
  page.complaints = page.complaints.filter((text) => !text.includes("ERR_EMPTY_RESPONSE"));
  await isAccessible(page, "stale");
  await picture(page, "stale-1280-light");
  await again(page, "healthy");
  await page.locator("#stale").waitFor({ state: "hidden" });
  await page.context().close();
});

test("a page that nobody sees does not ask", async () => {
  const page = await show("healthy");
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.body.dataset.refresh = "0.05";
    document.dispatchEvent(new Event("visibilitychange"));
  });
  const asked = samples.asked;
  await page.waitForTimeout(500);
  assert.equal(samples.asked, asked);
  await page.evaluate(() => delete document.hidden);
  await again(page, "healthy");
  assert.ok(samples.asked > asked, "it asks as soon as it is seen");
  await page.context().close();
});
