// What the tests use: `cargo dev` as a process, a gate in front of it, and a stand-in for WebinarGeek's API.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

/** The binary that LAPTOP names. */
export async function startLaptop(variables = {}) {
  const child = spawn(process.env.LAPTOP, { env: { PORT: "0", ...variables }, stdio: ["ignore", "pipe", "inherit"] });
  const origin = await new Promise((resolve, reject) => {
    child.once("exit", () => reject(new Error("the laptop has ended")));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const listening = line.match(/listening on (\S+)/);
      if (listening) resolve(listening[1]);
    });
  });
  const call = async (method, path, content) => {
    const headers = { "content-type": "application/json" };
    return (await fetch(origin + path, { method, headers, body: content && JSON.stringify(content) })).json();
  };
  const connect = async (connection) => {
    const session = await call("POST", "/v1/connect-sessions", { connection_id: connection, confirm_page: false });
    await follow(session.url);
  };
  return { origin, call, connect, stop: () => child.kill("SIGKILL") };
}

/** The browser of a customer who approves. Returns the address that it comes back to. */
export async function follow(link) {
  const browse = (url, init) => fetch(url, { redirect: "manual", ...init });
  const sent = await browse(link);
  const consent = new URL(sent.headers.get("location"));
  const form = new URLSearchParams(consent.search);
  form.set("decision", "approve");
  const back = await browse(consent.origin + consent.pathname, { method: "POST", body: form });
  const cookie = sent.headers.get("set-cookie").split(";")[0];
  return (await browse(back.headers.get("location"), { headers: { cookie } })).headers.get("location");
}

async function serve(answer) {
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => answer(request, Buffer.concat(chunks).toString(), response));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { origin: `http://127.0.0.1:${server.address().port}`, stop };
}

/** In front of the laptop: it records the requests, and may answer itself, or late. */
export async function startGate(laptop) {
  const gate = { asked: [], authorizations: [], answers: [], opened: Promise.resolve() };
  const server = await serve(async (request, body, response) => {
    const { method, url, headers } = request;
    gate.asked.push(`${method} ${url} ${body}`.trim());
    gate.authorizations.push(headers.authorization);
    const scripted = gate.answers.shift();
    gate.arrived?.();
    await gate.opened;
    if (scripted) {
      const [status, fields, content] = scripted;
      response.writeHead(status, fields).end(typeof content === "string" ? content : JSON.stringify(content));
      return;
    }
    const type = { "content-type": headers["content-type"] ?? "" };
    const answer = await fetch(laptop.origin + url, { method, headers: type, body: body || undefined });
    const kept = [...answer.headers].filter(([name]) => name === "content-type" || name === "retry-after");
    response.writeHead(answer.status, Object.fromEntries(kept)).end(await answer.text());
  });
  /** Holds all requests until `open` is called; `arrival` is the first that is held. */
  gate.hold = () => {
    const arrival = new Promise((resolve) => (gate.arrived = resolve));
    let open;
    gate.opened = new Promise((resolve) => (open = resolve));
    return { arrival, open };
  };
  return Object.assign(gate, server);
}

/** A stand-in for WebinarGeek's API: it accepts every token except those in `ended`. */
export async function startApi() {
  const api = { asked: [], ended: new Set() };
  const server = await serve((request, body, response) => {
    api.asked.push(body);
    const token = request.headers.authorization?.replace("Bearer ", "");
    if (api.leadsTo) response.writeHead(302, { location: api.leadsTo }).end();
    else response.writeHead(api.ended.has(token) ? 401 : 200).end("{}");
  });
  return Object.assign(api, server);
}
