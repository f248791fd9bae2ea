// Serves the samples that the unit tests have written, with the policy under which the collector serves its page.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = process.env.WEBEX_COLLECTOR_PAGES ?? fileURLToPath(new URL("../../../target/pages", import.meta.url));
const KINDS = { css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8", html: "text/html; charset=utf-8" };

const text = (path) => readFile(join(folder, path), "utf8");

/** A server whose `/` is the sample that stands in `shown`; with none it does not answer. */
export async function serve() {
  const policy = await text("policy.txt").catch(() => {
    throw new Error("there are no samples; see README.md for the command that writes them");
  });
  const samples = { shown: "healthy", asked: 0, signIns: [] };
  const server = createServer(async (request, response) => {
    const [path] = request.url.split("?");
    if (request.method === "POST" && path === "/sign-in") {
      let body = "";
      for await (const part of request) body += part;
      samples.signIns.push(body);
      return response.writeHead(303, { location: "/" }).end();
    }
    if (path === "/") samples.asked += 1;
    if (samples.shown === undefined) return request.socket.destroy();
    const file = path === "/" ? `${samples.shown}.html` : path.slice(1);
    const kind = KINDS[file.split(".").pop()];
    if (!kind || file.includes("..")) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": kind, "content-security-policy": policy, "cache-control": "no-store" });
    response.end(await text(file));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  samples.address = `http://127.0.0.1:${server.address().port}/`;
  samples.close = () => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  };
  return samples;
}
