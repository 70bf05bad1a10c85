// The laptop's console, as a developer uses it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { startApplication, startBrowser, startLaptop } from "./laptop.mjs";

const PYTHON = process.env.PYTHON ?? "python3";
let browser;
before(async () => { browser = await startBrowser(); });
after(() => browser.close());

/** A laptop, its console in a new window, and the errors of the page and its requests to other machines. */
async function open(t, variables = {}, options = {}) {
  const laptop = await startLaptop({ REFRESH_EVERY: "3600", ...variables });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  t.after(async () => {
    await context.close();
    laptop.stop();
  });
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("request", (request) => {
    if (!/^(http:\/\/127\.0\.0\.1:|data:)/.test(request.url())) wrong.push(request.url());
  });
  await page.goto(laptop.origin);
  return { laptop, page, wrong };
}

/** A connection as an import from another system makes it. */
async function imported(laptop, id) {
  const { body } = await laptop.call("POST", "/local/provider", { approve: true });
  const { status } = await laptop.call("PUT", `/v1/connections/${id}`, { refresh_token: body.refresh_token });
  assert.equal(status, 201);
}

const button = (page, name) => page.getByRole("button", { name, exact: false });

async function connect(page, origin) {
  await page.getByRole("link", { name: "Connect a WebinarGeek account" }).click();
  await page.getByRole("button").first().click();
  await button(page, "Approve").click();
  // The last page of the journey leads back.
  await page.locator(`a[href^="${origin}"]`).click();
}

test("a new user connects, reads a token, breaks the provider, and watches it heal", async (t) => {
  const { laptop, page, wrong } = await open(t);
  await page.getByText("None yet.").first().waitFor();
  await connect(page, laptop.origin);
  await page.locator("#connections .list li").waitFor();
  const [connection] = (await laptop.call("GET", "/v1/connections")).body.connections;
  await page.getByRole("heading", { name: connection.id }).waitFor();

  const { access_token } = (await laptop.call("GET", `/v1/connections/${connection.id}/token`)).body;
  await button(page, "Read the token").click();
  await button(page, "Show the token").waitFor();
  assert.ok(!(await page.content()).includes(access_token), "it is masked until it is asked for");
  await button(page, "Show the token").click();
  await page.locator("#answer").getByText(access_token).waitFor();

  await button(page, "Outage").click();
  await page.locator("#provider .state.bad", { hasText: "outage" }).waitFor();
  await button(page, "Refresh now").click();
  const failed = page.locator("#timeline li.bad", { hasText: "Refresh failed" });
  await failed.waitFor();
  await failed.locator("summary").click();
  await failed.getByText("class=unknown_outcome").waitFor();
  await page.locator("#facts").getByText("unknown_outcome").waitFor();
  const { retry_at } = JSON.parse(await page.locator("#answer-body").textContent());

  await button(page, "Heal").click();
  await page.locator("#provider .state.good").waitFor();
  // A first failure backs off for ten seconds.
  await page.waitForFunction((at) => Date.now() > Date.parse(at), retry_at);
  await button(page, "Refresh now").click();
  await page.locator("#timeline li.good", { hasText: "Refreshed version 2" }).waitFor();
  assert.ok(await failed.locator("details").evaluate((details) => details.open), "what was opened stays open");
  assert.match(await page.locator("#chart svg").getAttribute("aria-label"), /requests in the last minute, [1-9]\d* met a fault/);
  await page.locator("#events summary", { hasText: "connection.connected" }).click();
  const event = JSON.parse(await page.locator("#events code[id$=-json]").first().textContent());
  assert.equal(event.connection_id, connection.id);

  await button(page, "Disconnect").click();
  await page.getByText("None yet.").first().waitFor();
  assert.deepEqual(wrong, []);
});

test("each fault shows in the history of the connection that meets it", async (t) => {
  const { laptop, page, wrong } = await open(t);
  const faults = [
    // Its answers are right, and late.
    ["Slow", "Refreshed", "version 3"],
    ["HTML", "Refresh failed", "unknown_outcome"],
    ["Lost answers", "Refresh failed", "unknown_outcome"],
    ["No answer", "Refresh failed", "unknown_outcome"],
    ["Rotate the secret", "Refresh failed", "invalid_client"],
    ["Revoke all", "Refused", "invalid_grant"],
    ["Too many requests", "Refresh failed", "throttled"],
  ];
  for (const [index, [fault, title, detail]] of faults.entries()) {
    const id = `customer-${index}`;
    await imported(laptop, id);
    await page.locator(`#row-${id} a`).click();
    await page.getByRole("heading", { name: id }).waitFor();
    await button(page, fault).click();
    await button(page, "Refresh now").click();
    await page.locator("#timeline ol > li", { hasText: title }).filter({ hasText: detail }).first().waitFor({ timeout: 60000 });
    if (fault === "Rotate the secret") await button(page, "Store the new secret").click();
    else if (fault !== "Revoke all") await button(page, "Heal").click();
    await page.locator("#provider .state.good").waitFor();
  }
  assert.deepEqual(wrong, []);
});

test("axe finds no fault and nothing is wider than the window, light and dark, at 390 and 1280 pixels", async (t) => {
  const { laptop, page, wrong } = await open(t);
  const examine = async (what) => {
    for (const width of [390, 1280]) {
      for (const colorScheme of ["light", "dark"]) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme });
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(() => window.axe.run());
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
        assert.deepEqual(found, [], `${what}, ${width} ${colorScheme}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(wide, 0, `${what}, ${width}`);
      }
    }
  };
  await page.locator("#live.good").waitFor();
  await examine("empty");
  await imported(laptop, "acme");
  await imported(laptop, "a-customer-whose-name-is-so-long-that-it-fits-on-no-line-of-a-small-window");
  await page.goto(`${laptop.origin}/?connection=acme`);
  await button(page, "Outage").click();
  await page.locator("#provider .state.bad").waitFor();
  await button(page, "Refresh now").click();
  await page.locator("#timeline li.bad").first().waitFor();
  await button(page, "Examine").click();
  await page.locator(".findings").waitFor();
  await page.locator("#events details").first().evaluate((details) => { details.open = true; });
  await examine("full");
  assert.deepEqual(wrong, []);
});

test("the keyboard is enough, and a section that changes does not take the focus", async (t) => {
  const { laptop, page } = await open(t);
  await imported(laptop, "acme");
  await page.locator("#row-acme").waitFor();
  const focused = () => page.evaluate(() => document.activeElement.textContent.slice(0, 80));
  for (let presses = 0; (await focused()) !== "Refresh now"; presses++) {
    assert.ok(presses < 60, "the button is reached");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await page.locator("#timeline", { hasText: "Refreshed version 3" }).waitFor();
  await page.locator("#facts", { hasText: "Version3" }).waitFor();
  assert.equal(await focused(), "Refresh now");
});

test("the forms work without a script", async (t) => {
  const { laptop, page } = await open(t, {}, { javaScriptEnabled: false });
  await page.getByLabel("Your name for the customer").fill("acme");
  await page.locator("#begin").getByRole("button", { name: "Make a link" }).click();
  await page.getByRole("link", { name: "Open the link" }).click();
  await page.getByRole("button").first().click();
  await button(page, "Approve").click();
  await page.locator(`a[href^="${laptop.origin}"]`).click();
  await button(page, "Read the token").click();
  await page.locator("#answer", { hasText: '"version": 1' }).waitFor();
  await button(page, "HTML").click();
  await page.locator("#provider .state.bad", { hasText: "html" }).waitFor();
});

test("the code of the section Try it runs and makes its call", async (t) => {
  const { laptop, page } = await open(t);
  await imported(laptop, "acme");
  await page.goto(`${laptop.origin}/?connection=acme`);
  const run = {
    curl: (code) => spawnSync("sh", ["-c", code.replace(/^curl/, "curl -sS")]),
    Python: (code) => spawnSync(PYTHON, ["-c", code]),
    Node: (code) => spawnSync(process.execPath, ["--input-type=module", "-e", code]),
    // To run it, a crate would be needed: here it is only parsed.
    Rust: (code) => spawnSync("rustfmt", ["--edition", "2024"], { input: code }),
  };
  const calls = { readToken: "access_token", beginConnectSession: "url", listConnections: "next_cursor", showConnection: "status", examine: "findings" };
  for (const [call, member] of Object.entries(calls)) {
    for (const language of Object.keys(run)) {
      await page.goto(`${laptop.origin}/?connection=acme&call=${call}&language=${language}`);
      const code = await page.locator("#code").textContent();
      const { status, stdout, stderr } = run[language](code);
      assert.equal(status, 0, `${call} in ${language}: ${stderr}\n${code}`);
      if (language !== "Rust") assert.ok(stdout.toString().includes(member), `${call} in ${language}: ${stdout}`);
    }
  }
  await page.getByLabel("Call", { exact: true }).selectOption("rejectToken");
  await page.getByLabel("in", { exact: true }).selectOption("Python");
  await page.locator("#code", { hasText: '"rejected_version": 2' }).waitFor();
});

test("a page of another origin can neither post a form nor show the console in a frame", async (t) => {
  const { laptop, page } = await open(t);
  await imported(laptop, "acme");
  const application = await startApplication();
  t.after(() => application.stop());
  await page.goto(application.origin);
  const action = `${laptop.origin}/local/console/disconnect`;
  await page.evaluate((url) => fetch(url, { method: "POST", mode: "no-cors", body: new URLSearchParams({ connection: "acme" }) }).catch(() => {}), action);
  await page.evaluate((src) => new Promise((resolve) => {
    const frame = Object.assign(document.createElement("iframe"), { src, onload: resolve });
    document.body.append(frame);
  }), laptop.origin);
  const framed = page.frames().find((frame) => frame !== page.mainFrame());
  assert.equal(await framed.locator("main").count(), 0, "the frame is empty");
  const [answer] = await Promise.all([
    page.waitForNavigation(),
    page.evaluate((url) => {
      const form = Object.assign(document.createElement("form"), { method: "post", action: url });
      form.innerHTML = '<input name="connection" value="acme">';
      document.body.append(form);
      form.submit();
    }, action),
  ]);
  assert.equal(answer.status(), 403);
  assert.equal((await laptop.call("GET", "/v1/connections/acme")).body.status, "active");
});

test("the port that a tunnel leads to shows no console", async (t) => {
  const { laptop, page } = await open(t, { PUBLIC_ORIGIN: "https://connect.example.com" });
  await page.locator("#live.good").waitFor();
  const tunnel = laptop.lines.join("\n").match(/must lead to (http:\/\/[\d.:]+)/)[1];
  await page.goto(tunnel);
  await page.getByRole("link", { name: "Connect a WebinarGeek account" }).waitFor();
  assert.equal(await page.locator("[data-live], form").count(), 0);
});
