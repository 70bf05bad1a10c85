// Tokens, and calls to WebinarGeek's API. Only `call` was changed for the migration: the client is asked first.
import axios from "axios";
import { Client, Problem } from "webinargeek-connect";
import { read, save } from "./database.mjs";

const { PORT = "3000", CLIENT_ID, CLIENT_SECRET, REFRESHING, API_ORIGIN } = process.env;
const AUTHORIZE_URL = process.env.AUTHORIZE_URL ?? "https://app.webinargeek.com/oauth/authorize";
const TOKEN_URL = process.env.TOKEN_URL ?? "https://app.webinargeek.com/oauth/token";
const WEBINARS = process.env.WEBINARS ?? "https://app.webinargeek.com/api/v2/webinars";
const REDIRECT_URI = process.env.REDIRECT_URI ?? `http://127.0.0.1:${PORT}/callback`;

// It does not wait: if the client gets no token now, the stored token still works.
const client = API_ORIGIN ? new Client({ longestWait: 0 }) : undefined;

export function authorizationUrl(state) {
  const query = { client_id: CLIENT_ID, redirect_uri: REDIRECT_URI, response_type: "code", state };
  return `${AUTHORIZE_URL}?${new URLSearchParams(query)}`;
}

export async function connect(customer, code) {
  save(customer, await grant({ grant_type: "authorization_code", code, redirect_uri: REDIRECT_URI }));
}

export async function refreshTokens(customer) {
  const { refresh_token } = read(customer);
  return save(customer, await grant({ grant_type: "refresh_token", refresh_token }));
}

async function grant(members) {
  const form = new URLSearchParams({ client_id: CLIENT_ID, client_secret: CLIENT_SECRET, ...members });
  const { access_token, refresh_token, expires_in } = (await axios.post(TOKEN_URL, form)).data;
  return { access_token, refresh_token, expires_at: Date.now() + 1000 * expires_in };
}

export async function call(customer) {
  const answer = (await byClient(customer)) ?? (await byStoredToken(customer));
  // If the customer was imported just now, WebinarGeek may have ended the stored token.
  return answer.status === 401 ? ((await byClient(customer)) ?? answer) : answer;
}

/** Returns nothing if this customer is not imported yet, or if there is no token now. */
async function byClient(customer) {
  try {
    const answer = await client?.request(customer, "GET", WEBINARS);
    return answer && { status: answer.status, text: await answer.text() };
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
  }
}

async function byStoredToken(customer) {
  let tokens = read(customer);
  if (!tokens) return { status: 404, text: '{"error":"not connected"}' };
  if (tokens.expires_at < Date.now() + 60_000 && REFRESHING !== "off") tokens = await refreshTokens(customer);
  const headers = { authorization: `Bearer ${tokens.access_token}` };
  const answer = await axios.get(WEBINARS, { headers, responseType: "text", validateStatus: () => true });
  return { status: answer.status, text: answer.data };
}
