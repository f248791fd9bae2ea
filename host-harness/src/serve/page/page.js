// Keeps the page live: asks for it again and takes over what has changed, node by node, so that focus, selection, scroll and what is
// open stay as they are. Says when a light changes, and when nobody answers.
"use strict";

const PATIENCE = 10_000;
const stale = document.getElementById("stale");
const told = document.getElementById("told");
let timer;
let asking = false;

/** What a node is, beside its place: entries of lists move. */
const key = (node) => node.dataset?.key;
const alike = (one, other) => one.nodeName === other.nodeName && key(one) === key(other);

function update(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  // Whether something is open is the reader's to say.
  const kept = (name) => name === "open" && old.nodeName === "DETAILS";
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !kept(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !kept(name)) old.setAttribute(name, value);
  }
  const known = new Map([...old.childNodes].filter(key).map((node) => [key(node), node]));
  let next = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const keyed = key(node) !== undefined;
    const same = keyed ? known.get(key(node)) : next;
    // What stands before it and does not come later gives way, so that it need not move: that would cost it the focus.
    while (same && same !== next && !(key(next) !== undefined && holds(fresh, key(next)))) next = drop(next);
    if (same && alike(same, node)) {
      if (same === next) next = next.nextSibling;
      else old.insertBefore(same, next);
      update(same, node);
    } else {
      old.insertBefore(document.importNode(node, true), next);
      if (!keyed && next && key(next) === undefined) next = drop(next);
    }
  }
  while (next) next = drop(next);
}

const holds = (parent, name) => [...parent.childNodes].some((node) => key(node) === name);

function drop(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

/** Every light and the first sentence, by what they are of. */
function lights(root) {
  const found = new Map([...root.querySelectorAll("[data-of]")].map((light) => [light.dataset.of, light.textContent]));
  return found.set("", root.querySelector("h1")?.textContent);
}

function tell(before, after) {
  const changed = [...after].filter(([of, word]) => before.has(of) && before.get(of) !== word);
  if (changed.length > 0) told.textContent = changed.map(([of, word]) => (of ? `${of}: ${word}` : word)).join(". ");
}

function takeOver(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const main = fresh.querySelector("main");
  if (!main) throw new Error("another page");
  const before = lights(document);
  const focused = document.activeElement;
  document.title = fresh.title;
  document.body.dataset.refresh = fresh.body.dataset.refresh;
  for (const part of ["link[rel=icon]", ".asof", "main"]) update(document.querySelector(part), fresh.querySelector(part));
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  tell(before, lights(document));
}

function say(words) {
  if (stale.textContent !== words) stale.textContent = words;
  stale.hidden = words === "";
}

async function refresh() {
  clearTimeout(timer);
  if (document.hidden || asking) return;
  asking = true;
  try {
    const answer = await fetch(location.pathname + location.search, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (answer.ok) {
      takeOver(await answer.text());
      say("");
    } else {
      say(`The collector answers with ${answer.status}, so what is below is old. Load the page again.`);
    }
  } catch {
    say("The collector does not answer, so what is below is old. See whether it runs; this page goes on asking.");
  } finally {
    asking = false;
    timer = setTimeout(refresh, Number(document.body.dataset.refresh) * 1_000);
  }
}

document.addEventListener("visibilitychange", refresh);
timer = setTimeout(refresh, Number(document.body.dataset.refresh) * 1_000);
