// Calls WebinarGeek's API for one of your connections:
// node call-api.mjs acme https://app.webinargeek.com/api/v2/webinars
import { setTimeout } from "node:timers/promises";
import { Sha256 } from "@aws-crypto/sha256-js";
import { defaultProvider } from "@aws-sdk/credential-provider-node";
import { SignatureV4 } from "@smithy/signature-v4";

const api = process.env.API_ORIGIN; // the output ApiOrigin
const region = process.env.AWS_REGION;
const signer = new SignatureV4({ service: "execute-api", region, credentials: defaultProvider(), sha256: Sha256 });
const tokens = new Map();

async function request(method, path, content) {
  const url = new URL(path, api);
  const { protocol, hostname, host, pathname, searchParams } = url;
  const body = content && JSON.stringify(content);
  const headers = { host, "content-type": "application/json" };
  const query = Object.fromEntries(searchParams);
  const signed = await signer.sign({ method, protocol, hostname, path: pathname, query, headers, body });
  return fetch(url, { method, headers: signed.headers, body, signal: AbortSignal.timeout(35_000) });
}

async function call(method, path, content) {
  let answer = await request(method, path, content);
  if (answer.status === 503) {
    await setTimeout(1000 * Number(answer.headers.get("retry-after") ?? 5));
    answer = await request(method, path, content);
  }
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function get(connection, url) {
  const send = () => {
    const headers = { authorization: `Bearer ${tokens.get(connection).access_token}` };
    return fetch(url, { headers, signal: AbortSignal.timeout(30_000) });
  };

  const path = `/v1/connections/${connection}/token`;
  const kept = tokens.get(connection);
  if (!kept || new Date(kept.cache_until) <= new Date()) tokens.set(connection, await call("GET", path));
  const answer = await send();
  if (answer.status !== 401) return answer;
  // Ended before its time: say so, once.
  const { version } = tokens.get(connection);
  tokens.set(connection, await call("POST", path, { rejected_version: version }));
  return send();
}

const [connection, ...urls] = process.argv.slice(2);
for (const url of urls) {
  const answer = await get(connection, url);
  console.log(answer.status, await answer.text());
}
