// The promises of the client, on `cargo dev`. LAPTOP names its binary: npm test.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, mock, test } from "node:test";
import { inspect } from "node:util";
import {
  Client,
  ConnectionExists,
  Forbidden,
  InvalidRequest,
  NotFound,
  Problem,
  ReauthRequired,
  Unavailable,
  Unconfirmed,
} from "webinargeek-connect";
import { follow, startApi, startGate, startLaptop } from "./laptop.mjs";

const THROTTLED = [503, { "retry-after": "7" }, ""];
const problem = (status, code, after = "7") => [status, { "retry-after": after }, { code, detail: "for a test" }];

/** It does not wait, and records each pause. */
class Impatient extends Client {
  pauses = [];
  async wait(seconds) {
    this.pauses.push(seconds);
  }
}

let laptop, gate, api, client;
before(async () => {
  laptop = await startLaptop();
});
after(() => laptop.stop());
beforeEach(async () => {
  for (const name of Object.keys(process.env)) if (/^(AWS_|API_ORIGIN)/.test(name)) delete process.env[name];
  [gate, api] = await Promise.all([startGate(laptop), startApi()]);
  client = new Impatient({ origin: gate.origin });
});
afterEach(() => {
  mock.timers.reset();
  gate.stop();
  api.stop();
});

// Tokens

test("a token is kept until its cache_until", async () => {
  await laptop.connect("kept");
  const first = await client.token("kept");
  assert.equal(await client.token("kept"), first);
  assert.deepEqual(gate.asked, ["GET /v1/connections/kept/token"]);

  mock.timers.enable({ apis: ["Date"], now: Date.parse(first.cache_until) });
  await client.token("kept");
  assert.equal(gate.asked.length, 2);
});

test("a kept token that ends before min_ttl is not used", async () => {
  await laptop.connect("long");
  await client.token("long");
  await client.token("long", { min_ttl: 3000 });
  assert.equal(gate.asked.length, 1, "it lives for two hours");
  await client.token("long", { min_ttl: 7500 });
  assert.deepEqual(gate.asked.slice(1), ["GET /v1/connections/long/token?min_ttl=7500"]);
});

test("callers that ask at once share one call, and its problem", async () => {
  await laptop.connect("shared");
  const tokens = await Promise.all(Array.from({ length: 20 }, () => client.token("shared")));
  assert.deepEqual(new Set(tokens).size, 1);
  const refused = await Promise.allSettled(Array.from({ length: 20 }, () => client.token("unknown")));
  assert.ok(refused.every(({ reason }) => reason instanceof NotFound));
  assert.deepEqual(gate.asked, ["GET /v1/connections/shared/token", "GET /v1/connections/unknown/token"]);
});

test("a 401 is reported once, by all callers together, and the request sent again", async () => {
  await laptop.connect("rejected");
  const first = await client.token("rejected");
  assert.equal((await client.request("rejected", "GET", api.origin)).status, 200);
  await laptop.connect("rejected"); // The customer connects again: another pair.
  api.ended.add(first.access_token);

  const send = () => client.request("rejected", "POST", api.origin, { body: "title" });
  const answers = await Promise.all([send(), send(), send()]);
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200]);
  assert.deepEqual(gate.asked.slice(1), ['POST /v1/connections/rejected/token {"rejected_version":1}']);
  assert.deepEqual(api.asked.slice(1), Array(6).fill("title"));
  assert.equal((await client.token("rejected")).version, 2);
  assert.equal(gate.asked.length, 2, "the new one is kept");
});

test("a second 401 is returned to the caller", async () => {
  await laptop.connect("refused");
  api.ended.add((await client.token("refused")).access_token);
  await laptop.connect("refused");
  api.ended.add((await laptop.call("GET", "/v1/connections/refused/token")).access_token);
  assert.equal((await client.request("refused", "GET", api.origin)).status, 401);
  assert.equal(api.asked.length, 2);
});

test("a body that can be read only once is not sent again", async () => {
  await laptop.connect("upload");
  api.ended.add((await client.token("upload")).access_token);
  await laptop.connect("upload");
  const body = new Blob(["slides"]).stream();
  const answer = await client.request("upload", "POST", api.origin, { body, duplex: "half" });
  assert.deepEqual([answer.status, api.asked], [401, ["slides"]]);
  assert.equal((await client.token("upload")).version, 2, "the next request has another token");
});

test("a rejected token that arrives late is not kept", async () => {
  await laptop.connect("late");
  const old = await laptop.call("GET", "/v1/connections/late/token");
  await laptop.connect("late");
  const held = gate.hold();
  gate.answers.push([200, {}, old]);
  const reading = client.token("late");
  await held.arrival;
  const rejecting = client.reject("late", 1);
  held.open();
  assert.equal((await rejecting).version, 2);
  assert.equal((await reading).version, 1);
  assert.equal((await client.token("late")).version, 2);
});

test("a token is sent only over https or to this machine", async () => {
  for (const url of ["http://app.webinargeek.com/api", "http://127.0.0.1.example.com/", "ftp://127.0.0.1/"]) {
    await assert.rejects(client.request("any", "GET", url), RangeError);
  }
  assert.deepEqual(gate.asked, []);
});

test("a token does not follow a redirect to another origin", async () => {
  await laptop.connect("led");
  api.leadsTo = gate.origin;
  gate.answers.push([200, {}, await laptop.call("GET", "/v1/connections/led/token")], [200, {}, {}]);
  assert.equal((await client.request("led", "GET", api.origin)).status, 200);
  assert.deepEqual(gate.authorizations, [undefined, undefined]);
});

// Waiting

test("after a 503 a call waits and is sent once more", async () => {
  await laptop.connect("busy");
  gate.answers.push(THROTTLED);
  assert.equal((await client.token("busy")).version, 1);
  assert.equal(client.pauses.length, 1);
  assert.ok(client.pauses[0] >= 7 && client.pauses[0] <= 12, String(client.pauses));
});

test("the pause is as long as Retry-After says", async () => {
  gate.answers.push([503, { "retry-after": "1" }, ""]);
  const began = performance.now();
  await new Client({ origin: gate.origin }).doctor();
  assert.ok(performance.now() - began >= 999);
});

test("a second 503 ends the call", async () => {
  gate.answers.push(THROTTLED, problem(503, "provider_unavailable", "9"));
  await assert.rejects(client.token("busy"), { name: "Unavailable", code: "provider_unavailable", retry_after: 9 });
  assert.equal(client.pauses.length, 1);
});

test("a call does not wait if the pause is long or an operator must repair something", async () => {
  for (const answer of [problem(503, "unavailable", "61"), problem(503, "misconfigured", "1")]) {
    gate.answers.push(answer);
    await assert.rejects(client.token("busy"), Unavailable);
  }
  assert.deepEqual(client.pauses, []);
});

test("after an error of AWS without Retry-After a call waits too", async () => {
  await laptop.connect("aws");
  for (const status of [429, 500, 503]) {
    gate.answers.push([status, {}, { message: "Service Unavailable" }]);
    await client.show("aws");
  }
  assert.equal(client.pauses.length, 3);
  assert.ok(client.pauses.every((pause) => pause >= 1 && pause <= 2), String(client.pauses));
});

test("a server that does not answer is Unavailable", async () => {
  gate.stop();
  await assert.rejects(client.show("any"), { name: "Unavailable", status: 0, code: "unreachable" });
});

// Problems

test("each kind of problem has its own class", async () => {
  await assert.rejects(client.show("unknown"), NotFound);
  const elsewhere = client.beginSession({ return_to: "https://elsewhere.example" });
  await assert.rejects(elsewhere, (error) => {
    assert.ok(error instanceof InvalidRequest && error instanceof Problem && error.request_id);
    assert.equal(error.field, "return_to");
    return /return_to/.test(error.message);
  });
  await laptop.connect("exists");
  await assert.rejects(client.import("exists", "a-refresh-token"), ConnectionExists);
  gate.answers.push([403, {}, { message: "Forbidden" }]);
  await assert.rejects(client.show("exists"), Forbidden);
  gate.answers.push([200, {}, "<!doctype html>"]);
  await assert.rejects(client.show("exists"), { name: "Problem", code: "unexpected" });
});

test("ReauthRequired says that the customer must connect again", { timeout: 30_000 }, async (context) => {
  const brief = await startLaptop({ SIMULATED_EXPIRES_IN: "1" });
  context.after(brief.stop);
  await brief.call("POST", "/local/provider", { answer: { without: ["refresh_token"] } });
  await brief.connect("ended");
  const askUntilItEnds = async () => {
    const asking = new Client({ origin: brief.origin });
    for (;;) await asking.token("ended");
  };
  await assert.rejects(askUntilItEnds(), ReauthRequired);
});

test("an invalid id is not sent", async () => {
  for (const id of ["", ".", "..", "a/b", "a?b", "é", "a".repeat(129)]) {
    await assert.rejects(client.show(id), RangeError);
    await assert.rejects(client.readSession(id), RangeError);
  }
  assert.deepEqual(gate.asked, []);
});

// Sessions and connections

test("a journey is confirmed", async () => {
  const options = { connection_id: "vera", return_to: "http://127.0.0.1:1/connected", confirm_page: false };
  const begun = await client.beginSession(options);
  assert.equal((await client.readSession(begun.session_id)).status, "pending");
  const cameBack = new URL(await follow(begun.url)).searchParams;
  await assert.rejects(client.token("vera"), Unconfirmed);
  const wrong = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  await assert.rejects(client.confirmSession(begun.session_id, wrong), InvalidRequest);
  const connection = await client.confirmSession(begun.session_id, cameBack.get("confirmation"));
  assert.deepEqual([connection.id, connection.status], ["vera", "active"]);
  assert.equal((await client.readSession(begun.session_id)).status, "completed");
  assert.ok((await client.token("vera")).access_token);
});

test("connections are listed over all pages", async () => {
  const ids = ["list:1", "list:2", "list:3"];
  for (const id of ids) await laptop.connect(id);
  gate.answers.push([200, {}, await laptop.call("GET", "/v1/connections?limit=1")]);
  const listed = [];
  for await (const connection of client.list()) listed.push(connection.id);
  assert.equal(new Set(listed).size, listed.length);
  assert.ok(ids.every((id) => listed.includes(id)), String(listed));
  assert.match(gate.asked[1], /cursor=/);
  for await (const connection of client.list("quarantined")) assert.fail(connection.id);
});

test("a connection is shown, imported and disconnected", async () => {
  await laptop.connect("leaving");
  const shown = await client.show("leaving");
  assert.deepEqual([shown.status, shown.account?.id], ["active", "1"]);
  await client.token("leaving");
  assert.ok(["done", "pending"].includes(await client.disconnect("leaving")));
  await assert.rejects(client.token("leaving"), NotFound);
  const imported = await client.import("leaving", "unknown-to-the-provider");
  assert.deepEqual([imported.status, imported.reason], ["pending", "invalid_grant"]);
});

test("the doctor's findings are returned", async () => {
  const { healthy, findings } = await client.doctor();
  assert.ok(healthy && findings.some(({ check }) => check === "redirect_uri"));
  await laptop.connect("customer");
  await assert.rejects(client.doctor("customer"), InvalidRequest);
});

// Secrets and settings

test("no token is printed", async () => {
  await laptop.connect("secret");
  const token = await client.token("secret");
  const canary = "canary-of-an-import";
  const shown = (value) => [inspect(value, { depth: 9 }), JSON.stringify(value), String(value)];
  const texts = [token, client].flatMap(shown);
  const fail = async () => {
    const error = await client.import("secret", canary).catch((problem) => problem);
    texts.push(inspect(error, { depth: 9, showHidden: true }));
  };
  gate.answers.push(problem(409, "connection_exists"), [200, {}, `{"access_token":"${token.access_token}`]);
  await fail();
  await fail();
  gate.stop();
  await fail();
  assert.equal(texts.length, 9);
  for (const secret of [token.access_token, canary]) {
    assert.deepEqual(texts.filter((text) => text.includes(secret)), []);
  }
});

test("a missing or wrong setting is named", async () => {
  assert.throws(() => new Client(), /NotConfigured: API_ORIGIN is not set/);
  assert.throws(() => new Client({ origin: "https://api.example.com" }), /NotConfigured: AWS_REGION is not set/);
  for (const origin of ["api.example.com", "http://api.example.com", "https://api.example.com/v1", "https://"]) {
    assert.throws(() => new Client({ origin, region: "eu-central-1" }), /NotConfigured: API_ORIGIN must be an origin/);
  }
  Object.assign(process.env, { AWS_EC2_METADATA_DISABLED: "true", HOME: "/nonexistent" });
  const client = new Client({ origin: "https://127.0.0.1:9", region: "eu-central-1" });
  await assert.rejects(client.show("any"), /NotConfigured: no AWS credentials/);
});

test("requests to a laptop are signed only if the environment has credentials", async () => {
  await client.doctor();
  const keys = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "s", AWS_REGION: "eu-central-1" };
  Object.assign(process.env, keys, { API_ORIGIN: gate.origin });
  await new Client().doctor();
  const [unsigned, signed] = gate.authorizations;
  assert.equal(unsigned, undefined);
  assert.match(signed, /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/[0-9]{8}\/eu-central-1\/execute-api\//);
});
