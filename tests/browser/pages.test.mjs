// The customer's journeys in Chromium, in English and Dutch: what the last page says, and where it leads.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { inspect, observe } from "./inspection.mjs";
import { startApplication, startBrowser, startLaptop, startLaptopLater } from "./laptop.mjs";

const BRANDING = {
  DISPLAY_NAME: "Acme Webinars",
  SUPPORT_URL: "mailto:help@acme.example",
  PRIVACY_URL: "https://acme.example/privacy",
  SCOPE_TEXT: "See your webinars; See who has registered",
};
const SERVER_ERROR = { answer: { status: { status: 500, error: null, retry_after: null } } };
const TOO_MANY_REQUESTS = { answer: { status: { status: 429, error: null, retry_after: "1" } } };

const LANGUAGES = {
  en: {
    locale: "en-GB",
    ask: "Connect Acme Webinars to your WebinarGeek account",
    continue: "Continue",
    cancel: "Cancel",
    connected: "Your WebinarGeek account is connected",
    declined: "You declined",
    startAgain: "Start again",
    tryAgain: "Try again",
    back: "Back to Acme Webinars",
    expired: "This link has expired",
    tooLong: ["This took too long", "There are 30 minutes to approve"],
    used: "This link has been used",
    otherBrowser: "We do not recognise this browser",
    notAsExpected: "WebinarGeek did not answer as expected",
    reported: "WebinarGeek reported an error",
    damaged: "This link is damaged",
    incomplete: "This link is incomplete",
  },
  nl: {
    locale: "nl-NL",
    ask: "Koppel Acme Webinars aan je WebinarGeek-account",
    continue: "Doorgaan",
    cancel: "Annuleren",
    connected: "Je WebinarGeek-account is gekoppeld",
    declined: "Je hebt geen toestemming gegeven",
    startAgain: "Opnieuw beginnen",
    tryAgain: "Opnieuw proberen",
    back: "Terug naar Acme Webinars",
    expired: "Deze link is verlopen",
    tooLong: ["Dit duurde te lang", "Je hebt 30 minuten"],
    used: "Deze link is al gebruikt",
    otherBrowser: "We herkennen deze browser niet",
    notAsExpected: "WebinarGeek antwoordde niet zoals verwacht",
    reported: "WebinarGeek meldde een fout",
    damaged: "Deze link is beschadigd",
    incomplete: "Deze link is niet compleet",
  },
};

let laptop, application, chromium;

before(async () => {
  [laptop, application, chromium] = await Promise.all([startLaptop(BRANDING), startApplication(), startBrowser()]);
});

after(async () => {
  await Promise.all([laptop?.stop(), application?.stop(), chromium?.close()]);
});

/** A customer with a browser of their own. */
async function customer(words, options = {}) {
  const context = await chromium.newContext({ locale: words.locale, ...options });
  const page = await context.newPage();
  return { context, page, observed: observe(page) };
}

async function link(content = {}, at = laptop) {
  const { status, body } = await at.call("POST", "/v1/connect-sessions", content);
  assert.equal(status, 201, JSON.stringify(body));
  return body.url;
}

async function says(page, title) {
  assert.equal(await page.locator("h1").textContent(), title);
  assert.match(await page.title(), /Acme Webinars/);
}

const button = (page, label) => page.locator(".button", { hasText: label });

/** From a link of ours to the provider's consent page. */
async function toConsent(page, words, url) {
  await page.goto(url);
  await says(page, words.ask);
  await button(page, words.continue).click();
  await page.locator("button[value=approve]").waitFor();
}

const approve = (page) => page.locator("button[value=approve]").click();
const deny = (page) => page.locator("button[value=deny]").click();

for (const [language, words] of Object.entries(LANGUAGES)) {
  describe(`in ${language}`, () => {
    test("a customer is asked, approves, and reads that the account is connected, after a reload too", async () => {
      const { context, page, observed } = await customer(words);
      await page.goto(`${laptop.origin}/authorize`);
      await says(page, words.ask);
      assert.deepEqual(await page.locator("li").allTextContents(), ["See your webinars", "See who has registered"]);
      await inspect(page, observed, language, "ask");
      await toConsent(page, words, `${laptop.origin}/authorize`);
      await approve(page);
      await says(page, words.connected);
      await inspect(page, observed, language, "connected");
      await page.reload();
      await says(page, words.connected);
      await context.close();
    });

    test("with a return_to, Cancel and a finished journey lead back to the application", async () => {
      const { context, page, observed } = await customer(words);
      const url = await link({ connection_id: `there-${language}`, return_to: `${application.origin}/done` });
      await page.goto(url);
      await says(page, words.ask);
      assert.match(await page.locator("main").textContent(), /127\.0\.0\.1/, "who asks");
      await inspect(page, observed, language, "ask-with-return");
      await page.getByText(words.cancel, { exact: true }).click();
      assert.equal(page.url(), `${application.origin}/done`, "without a result");
      await toConsent(page, words, url);
      await approve(page);
      await page.waitForURL(/status=connected&confirmation=/);
      await context.close();
    });

    test("a customer who declines may start again, and may go back and approve", async () => {
      const { context, page, observed } = await customer(words);
      await toConsent(page, words, `${laptop.origin}/authorize`);
      await deny(page);
      await says(page, words.declined);
      await inspect(page, observed, language, "declined");
      await button(page, words.startAgain).click();
      await says(page, words.ask);
      await page.goBack();
      await says(page, words.declined);
      await page.goBack();
      await approve(page);
      await says(page, words.connected);
      await context.close();
    });

    test("a link that was used says so, also to a second browser that had begun with it before", async () => {
      const { context, page, observed } = await customer(words);
      const url = await link({ connection_id: `used-${language}` });
      await toConsent(page, words, url);
      const second = await customer(words);
      await toConsent(second.page, words, url);
      await approve(page);
      await says(page, words.connected);
      await page.goto(url);
      await says(page, words.used);
      await inspect(page, observed, language, "used");
      await approve(second.page);
      await says(second.page, words.used);
      await second.context.close();
      await context.close();
    });

    test("the second tab of the same browser ends at the same address as the first", async () => {
      const { context, page } = await customer(words);
      const url = await link({ connection_id: `tabs-${language}`, return_to: `${application.origin}/done` });
      const second = await context.newPage();
      await toConsent(page, words, url);
      await toConsent(second, words, url);
      await approve(page);
      await page.waitForURL(/status=connected/);
      await approve(second);
      await second.waitForURL(/status=connected/);
      assert.equal(second.url(), page.url());
      await context.close();
    });

    test("the page of an expired link or journey says the time limit, and leads back", async () => {
      const folder = await mkdtemp(join(tmpdir(), "webinargeek-connect-"));
      const variables = { ...BRANDING, DATA_DIR: folder, RETURN_TO_ORIGINS: application.origin };
      const { context, page, observed } = await customer(words);
      const earlier = await startLaptop(variables);
      let later;
      try {
        const content = { connection_id: "t", return_to: `${application.origin}/done` };
        const unused = await link({ ...content, expires_in: 60 }, earlier);
        await toConsent(page, words, await link(content, earlier));
        // The customer looks at the consent page for half an hour.
        await earlier.stop();
        later = await startLaptopLater(1800, { ...variables, PORT: new URL(earlier.origin).port });
        await approve(page);
        const [title, text] = words.tooLong;
        await says(page, title);
        assert.match(await page.locator("main").textContent(), new RegExp(text));
        await inspect(page, observed, language, "too-long");
        await button(page, words.back).click();
        await page.waitForURL(/\/done\?connection_id=t&status=expired&reference=/);

        await page.goto(unused);
        await says(page, words.expired);
        assert.match(await page.locator("main").textContent(), /\d{4}.* \d\d:\d\d/, "until when");
        assert.equal(await button(page, words.back).getAttribute("href"), `${application.origin}/done`);
        await inspect(page, observed, language, "expired");
      } finally {
        await Promise.all([earlier.stop(), later?.stop(), context.close()]);
        await rm(folder, { recursive: true, force: true });
      }
    });

    test("another browser, or one without cookies, gets a page that shows nothing of the journey", async () => {
      const { context, page } = await customer(words);
      await toConsent(page, words, `${laptop.origin}/authorize`);
      await deny(page);
      await says(page, words.declined);
      const stranger = await customer(words);
      await stranger.page.goto(page.url());
      await says(stranger.page, words.otherBrowser);
      await inspect(stranger.page, stranger.observed, language, "other-browser");
      await stranger.context.close();

      await toConsent(page, words, `${laptop.origin}/authorize`);
      await context.clearCookies();
      await approve(page);
      await says(page, words.otherBrowser);
      await context.close();
    });

    test("after a fault of the provider there is a reference, and a second try if the code was not used", async () => {
      const { context, page, observed } = await customer(words);
      await laptop.call("POST", "/local/provider", SERVER_ERROR);
      await toConsent(page, words, `${laptop.origin}/authorize`);
      await approve(page);
      await says(page, words.notAsExpected);
      await inspect(page, observed, language, "provider-out");
      const reference = page.locator(".reference code");
      const text = await reference.textContent();
      await reference.click();
      assert.equal(await page.evaluate(() => getSelection().toString()), text, "one click selects all of it");
      assert.match(text, /^[A-Za-z0-9_-]{16}$/);
      await button(page, words.startAgain).click();
      await says(page, words.ask);

      await laptop.call("POST", "/local/provider", TOO_MANY_REQUESTS);
      await toConsent(page, words, `${laptop.origin}/authorize`);
      await approve(page);
      await says(page, words.notAsExpected);
      await inspect(page, observed, language, "try-again");
      await button(page, words.tryAgain).click();
      await says(page, words.connected);
      await context.close();
    });

    test("a damaged, incomplete or made-up link and an error of the provider have their own pages", async () => {
      const closed = await startLaptop({ ...BRANDING, INSTALL_LINK: "off", APPLICATION_HOME: `${application.origin}/home` });
      const { context, page, observed } = await customer(words);
      for (const [name, path, title] of [
        ["damaged", "/callback?code=a", words.damaged],
        ["incomplete", "/authorize", words.incomplete],
        ["reported", "/callback?error=invalid_scope", words.reported],
        ["unknown-link", `/authorize?session=${"A".repeat(43)}`, words.expired],
      ]) {
        await page.goto(closed.origin + path);
        await says(page, title);
        await inspect(page, observed, language, name);
        await button(page, words.back).click();
        assert.equal(page.url(), `${application.origin}/home`, name);
      }
      await context.close();
      await closed.stop();
    });

    test("no script is needed", async () => {
      const { context, page } = await customer(words, { javaScriptEnabled: false });
      await toConsent(page, words, `${laptop.origin}/authorize`);
      await deny(page);
      await says(page, words.declined);
      await button(page, words.startAgain).click();
      await button(page, words.continue).click();
      await approve(page);
      await says(page, words.connected);
      await context.close();
    });

    test("the keyboard is enough, and the focus is visible", async () => {
      const { context, page } = await customer(words);
      const url = await link({ connection_id: `keys-${language}`, return_to: `${application.origin}/done` });
      await page.goto(url);
      const stops = [];
      for (let stop = 0; stop < 4; stop++) {
        await page.keyboard.press("Tab");
        stops.push(await page.evaluate(() => document.activeElement.textContent));
        assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none");
      }
      assert.deepEqual(stops.slice(0, 2), [words.continue, words.cancel]);
      for (let stop = 0; stop < 3; stop++) await page.keyboard.press("Shift+Tab");
      await page.keyboard.press("Enter");
      await page.locator("button[value=approve]").waitFor();
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await page.waitForURL(/status=connected/);
      await context.close();
    });
  });
}

test("the language of a session is used up to the last page, not the browser's", async () => {
  const { context, page, observed } = await customer(LANGUAGES.nl);
  await page.goto(await link({ ui_locale: "de" }));
  await says(page, "Acme Webinars mit Ihrem WebinarGeek-Konto verbinden");
  await inspect(page, observed, "de", "ask");
  await button(page, "Weiter").click();
  await deny(page);
  await says(page, "Sie haben nicht zugestimmt");
  await context.close();
});

test("with forced colours a button has an edge, and from right to left nothing is cut off", async () => {
  const { context, page } = await customer(LANGUAGES.en, { forcedColors: "active" });
  await page.goto(`${laptop.origin}/authorize`);
  const edge = await button(page, "Continue").evaluate((element) => {
    const { borderTopWidth, borderTopColor, backgroundColor } = getComputedStyle(element);
    return { width: borderTopWidth, isSeen: borderTopColor !== backgroundColor };
  });
  assert.deepEqual(edge, { width: "1px", isSeen: true });
  await page.setViewportSize({ width: 320, height: 800 });
  await page.evaluate(() => (document.documentElement.dir = "rtl"));
  const { list, overflow } = await page.evaluate(() => ({
    list: getComputedStyle(document.querySelector("ul")).paddingRight,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  }));
  assert.deepEqual({ list, overflow }, { list: "20px", overflow: 0 });
  await context.close();
});

test("the integrator's logo and colour are shown, and the page loads nothing else", async () => {
  const svg = "<svg xmlns='http://www.w3.org/2000/svg' width='132' height='32'><rect width='132' height='32' rx='6' fill='#0b7a4b'/></svg>";
  const branded = await startLaptop({ ...BRANDING, LOGO_URL: `data:image/svg+xml,${encodeURIComponent(svg)}`, ACCENT_COLOR: "#ffd000" });
  const { context, page, observed } = await customer(LANGUAGES.en);
  await page.goto(`${branded.origin}/authorize`);
  const logo = page.getByAltText("Acme Webinars");
  assert.equal(await logo.evaluate((image) => image.complete && image.naturalWidth), 132);
  const colours = await button(page, "Continue").evaluate((element) => {
    const { backgroundColor, color } = getComputedStyle(element);
    return [backgroundColor, color];
  });
  assert.deepEqual(colours, ["rgb(255, 208, 0)", "rgb(0, 0, 0)"]);
  await inspect(page, observed, "en", "branded");
  await context.close();
  await branded.stop();
});
