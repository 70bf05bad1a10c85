// What the tests of this folder use: the laptop deployment as a process, and a browser.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const BINARY = process.env.LAPTOP ?? fileURLToPath(new URL("../../target/debug/local", import.meta.url));
const LATER = join(dirname(BINARY), "laptop-later");

/** Starts the laptop with these variables, and waits until it says that it listens. */
export const startLaptop = (variables = {}) => start(BINARY, variables);

/** The same with a clock that is ahead by these seconds: the journeys of an earlier start in DATA_DIR have expired. */
export const startLaptopLater = (seconds, variables) => start(LATER, { LATER: String(seconds), ...variables });

async function start(binary, variables) {
  const child = spawn(binary, { env: { PORT: "0", ...variables }, stdio: ["ignore", "pipe", "inherit"] });
  const lines = [];
  const origin = await new Promise((resolve, reject) => {
    child.once("exit", () => reject(new Error(`the laptop has ended: ${lines.join("\n")}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      const listening = line.match(/listening on (http:\/\/\S+)/);
      if (listening) resolve(listening[1]);
    });
  });
  const call = async (method, path, content) => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(origin + path, { method, headers, body: content && JSON.stringify(content) });
    return { status: answer.status, body: await answer.json().catch(() => null) };
  };
  return { origin, lines, call, stop: () => stop(child) };
}

/** As `kill -9`. Afterwards its folder can be used again. */
async function stop(child) {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  if (child.kill("SIGKILL")) await ended;
}

/** A headless Chromium that sends no requests of its own. */
export function startBrowser() {
  const args = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"];
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
}

/** The integrator's application, where journeys end: it shows the address that the browser came with. */
export async function startApplication() {
  const server = createServer((request, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><html lang="en"><title>Application</title><h1>Application</h1><p>${encodeURI(request.url)}</p>`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}
