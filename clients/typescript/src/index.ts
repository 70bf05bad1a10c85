/**
 * Calls WebinarGeek's API for your customers, with tokens from your own webinargeek-connect.
 *
 * ```ts
 * const client = new Client(); // API_ORIGIN, AWS_REGION, and credentials as the AWS SDK finds them
 * const answer = await client.request("acme", "GET", "https://app.webinargeek.com/api/v2/webinars");
 * ```
 *
 * Members of answers have the names of openapi.yaml, and times are RFC 3339 in UTC.
 *
 * @module
 */
import { Sha256 } from "@aws-crypto/sha256-js";
import { defaultProvider } from "@aws-sdk/credential-provider-node";
import { SignatureV4 } from "@smithy/signature-v4";

export type ConnectionStatus =
  "active" | "pending" | "unconfirmed" | "reauth_required" | "disconnecting" | "unreadable";
export type ListedStatus =
  "active" | "degraded" | "pending" | "unconfirmed" | "reauth_required" | "disconnecting" | "quarantined";
export type SessionStatus = "pending" | "awaiting_confirmation" | "completed" | "denied" | "failed" | "expired";
export type Revocation = "done" | "off" | "failed" | "pending";

export interface ClientOptions {
  /** The output `ApiOrigin`, or `http://127.0.0.1:8787` of `cargo dev`; the variable `API_ORIGIN` by default. */
  origin?: string;
  /** The stack's; the variable `AWS_REGION` or `AWS_DEFAULT_REGION` by default. On a laptop none is needed. */
  region?: string;
  /**
   * In seconds, 60 by default. A call that is answered "try again" is repeated once, if the answer does not ask for a
   * longer pause than this. Lower it where a person waits for you.
   */
  longestWait?: number;
}

export interface SessionOptions {
  /** Your own name for the customer; without it one is made. */
  connection_id?: string;
  /**
   * Where the browser goes when the journey has ended. With it the new grant waits for `confirmSession`: otherwise a
   * link that was passed on would connect another person's account.
   */
  return_to?: string;
  /** Seconds until the link expires, 60 to 86400. */
  expires_in?: number;
  /** `false`: the page that asks the customer first is left out. */
  confirm_page?: boolean;
  /** `false`: the connection is in use without `confirmSession`. */
  confirm?: boolean;
  /** For a button "reconnect": another WebinarGeek account than the connection's is refused. */
  same_account?: boolean;
  /** The connection may be lost: `doctor` accepts only such a connection. */
  throw_away?: boolean;
  /** The language of the pages; by default the one that the browser asks for. */
  ui_locale?: "en" | "nl" | "de";
}

export interface NewSession {
  /** Store it with the user who asked for the link: `readSession` and `confirmSession` need it. */
  session_id: string;
  connection_id: string;
  /** For this customer's browser only: the first person who approves through it decides which account it is. */
  url: string;
  expires_at: string;
}

export interface Session {
  session_id: string;
  connection_id: string;
  status: SessionStatus;
  /** Why it has not completed. */
  reason: string | null;
  /** The `request_id` under which the log tells of the failure; the customer's page shows it too. */
  reference: string | null;
  expires_at: string;
}

export interface Account {
  id: string | null;
  company: string | null;
  email: string | null;
  /** Another connection of the same account: what the customer does to one may end the other. */
  also_connected_as: string | null;
}

export interface Connection {
  id: string;
  status: ConnectionStatus;
  reason: string | null;
  version: number | null;
  created_at: string | null;
  expires_at: string | null;
  refreshed_at: string | null;
  next_refresh_at: string | null;
  failures: number | null;
  scope: string | null;
  account: Account | null;
  /** The account before, where the customer has connected again with another one. */
  account_changed_from: string | null;
}

export interface Examination {
  /** Whether nothing has failed. */
  healthy: boolean;
  findings: { check: string; status: "ok" | "warning" | "failed" | "skipped"; detail: string; remedy: string | null }[];
}

interface TokenMembers {
  access_token: string;
  token_type: string;
  expires_at: string;
  version: number;
  cache_until: string;
}

/** A live access token. Neither `console.log` nor `JSON.stringify` shows it. */
export class Token {
  readonly #accessToken: string;
  readonly token_type: string;
  readonly expires_at: string;
  /** Grows with each new pair of tokens; `reject` names it. */
  readonly version: number;
  /** Do not keep it longer: the provider may end it with the refresh. The client asks again from then on. */
  readonly cache_until: string;

  constructor(members: TokenMembers) {
    this.#accessToken = members.access_token;
    this.token_type = members.token_type;
    this.expires_at = members.expires_at;
    this.version = members.version;
    this.cache_until = members.cache_until;
  }

  get access_token(): string {
    return this.#accessToken;
  }

  /** Whether it may still be used, and lives for `min_ttl` seconds more. */
  isGood(min_ttl = 0): boolean {
    return Date.now() < Date.parse(this.cache_until) && Date.now() + 1000 * min_ttl <= Date.parse(this.expires_at);
  }
}

/** A setting is missing or wrong. The message says which, in one sentence. */
export class NotConfigured extends Error {
  override readonly name: string = "NotConfigured";
}

interface ProblemMembers {
  status: number;
  code: string;
  detail: string;
  field?: string;
  request_id?: string;
  retry_after?: number;
}

/** The API has not done what was asked. Catch the subclasses that you act on, and this one for the rest. */
export class Problem extends Error {
  override readonly name: string = "Problem";
  /** The HTTP status; 0 if there was no answer. */
  readonly status: number;
  /** Stable: see openapi.yaml. From AWS: `forbidden`, `throttled`, `aws`. Without an answer: `unreachable`. */
  readonly code: string;
  /** For a person; it may change. */
  readonly detail: string;
  /** For `invalid_request`: the member, parameter or path segment that is wrong. */
  readonly field: string | undefined;
  /** It is in every line of the deployment's log about this request. */
  readonly request_id: string | undefined;
  /** For `Unavailable`: after how many seconds the request may succeed. */
  readonly retry_after: number | undefined;

  constructor({ status, code, detail, field, request_id, retry_after }: ProblemMembers) {
    const ofField = field ? ` (field ${field})` : "";
    const ofLog = request_id ? ` [request ${request_id}]` : "";
    super(`${status} ${code}: ${detail}${ofField}${ofLog}`);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.field = field;
    this.request_id = request_id;
    this.retry_after = retry_after;
  }
}

/** 400, 413 or 415: `field` says what is wrong. From `confirmSession`: this user has not started the session. */
export class InvalidRequest extends Problem {
  override readonly name = "InvalidRequest";
}

/** 403: AWS does not accept the signature, or the role lacks the policy for this call (docs/operating.md). */
export class Forbidden extends Problem {
  override readonly name = "Forbidden";
}

/** 404: there is no such connection or session. */
export class NotFound extends Problem {
  override readonly name = "NotFound";
}

/** 409: only the customer can help. Send them through a new connect session with the same connection id. */
export class ReauthRequired extends Problem {
  override readonly name = "ReauthRequired";
}

/** 409: the customer has approved, and the grant waits for `confirmSession`. */
export class Unconfirmed extends Problem {
  override readonly name = "Unconfirmed";
}

/** 409: an import without `replace`, over a connection that works. */
export class ConnectionExists extends Problem {
  override readonly name = "ConnectionExists";
}

/** 429, 5xx, or no answer: nothing is lost, try again later. If the pause was short, it was tried twice already. */
export class Unavailable extends Problem {
  override readonly name = "Unavailable";
}

const KINDS: Record<string, new (members: ProblemMembers) => Problem> = {
  invalid_request: InvalidRequest,
  payload_too_large: InvalidRequest,
  unsupported_media_type: InvalidRequest,
  not_found: NotFound,
  reauth_required: ReauthRequired,
  unconfirmed: Unconfirmed,
  connection_exists: ConnectionExists,
  unavailable: Unavailable,
  provider_unavailable: Unavailable,
  misconfigured: Unavailable,
};

/** A call for a token that has not been answered yet: callers that come meanwhile wait for it. */
interface Flight {
  /** The version that was rejected, or 0. */
  above: number;
  min_ttl: number;
  token: Promise<Token>;
}

type Query = Record<string, string>;

/**
 * The API of one deployment. Make one for the whole program: it keeps the tokens.
 *
 * An http origin is a laptop's. Requests to it are signed only with credentials that are in the environment.
 */
export class Client {
  readonly #origin: string;
  readonly #region: string | undefined;
  readonly #isLaptop: boolean;
  readonly #longestWait: number;
  readonly #credentials = defaultProvider();
  readonly #kept = new Map<string, Token>();
  readonly #flights = new Map<string, Flight>();

  /** @throws {@link NotConfigured} where a setting is missing or wrong */
  constructor(options: ClientOptions = {}) {
    const origin = options.origin ?? process.env.API_ORIGIN;
    if (!origin) {
      throw new NotConfigured(
        "API_ORIGIN is not set: the stack's output ApiOrigin, or http://127.0.0.1:8787 of cargo dev.",
      );
    }
    const address = URL.canParse(origin) ? new URL(origin) : undefined;
    if (!address || !isPrivate(address) || address.pathname !== "/" || address.search || address.username) {
      throw new NotConfigured("API_ORIGIN must be an origin, https://host, or http on a loopback address.");
    }
    this.#origin = address.origin;
    this.#isLaptop = address.protocol === "http:";
    this.#region = options.region ?? process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION;
    if (!this.#region && !this.#isLaptop) throw new NotConfigured("AWS_REGION is not set: the region of the stack.");
    this.#longestWait = options.longestWait ?? 60;
  }

  /**
   * A live access token. It is kept until its `cache_until`; callers that ask at once share one call.
   *
   * For work that takes long, `min_ttl` says for how many seconds the token must live, up to half of the lifetime of a
   * new one.
   *
   * @throws {@link ReauthRequired}, {@link Unconfirmed}, {@link NotFound}, {@link Unavailable}
   */
  token(connection: string, { min_ttl = 0 } = {}): Promise<Token> {
    return this.#token(connection, 0, min_ttl);
  }

  /** Another token, after WebinarGeek answered 401 to the one of this version. `request` calls it by itself. */
  reject(connection: string, version: number): Promise<Token> {
    return this.#token(connection, version, 0);
  }

  /**
   * Calls WebinarGeek's API with the customer's token, by `fetch`.
   *
   * A 401 is reported once, and the request sent again with another token, unless its body can be read only once (a
   * stream). Every other answer of WebinarGeek is returned as it is, a 503 too.
   */
  async request(connection: string, method: string, url: string | URL, init: RequestInit = {}): Promise<Response> {
    if (!isPrivate(new URL(url))) throw new RangeError("a token is sent to an https address only");
    const send = ({ access_token }: Token) => {
      const headers = new Headers(init.headers);
      headers.set("authorization", `Bearer ${access_token}`);
      return fetch(url, { signal: AbortSignal.timeout(30_000), ...init, method, headers });
    };
    const token = await this.token(connection);
    const answer = await send(token);
    if (answer.status !== 401) return answer;
    const another = await this.reject(connection, token.version);
    const { body } = init;
    if (typeof body === "object" && body !== null && Symbol.asyncIterator in body) return answer;
    await answer.body?.cancel();
    return send(another);
  }

  async #token(connection: string, above: number, min_ttl: number): Promise<Token> {
    const path = `${pathOf(connection)}/token`;
    const kept = this.#kept.get(connection);
    if (kept && kept.version > above && kept.isGood(min_ttl)) return kept;
    const flight = this.#flights.get(connection);
    if (flight && flight.above >= above && flight.min_ttl >= min_ttl) return flight.token;

    // The answer of an earlier call may be the rejected token: it is not kept.
    this.#kept.delete(connection);
    const answer: Promise<TokenMembers> = above
      ? this.#call("POST", path, { rejected_version: above })
      : this.#call("GET", path, undefined, min_ttl ? { min_ttl: String(min_ttl) } : {});
    const own = { above, min_ttl, token: answer.then((members) => new Token(members)) };
    this.#flights.set(connection, own);
    const isLast = () => this.#flights.get(connection) === own;
    try {
      const token = await own.token;
      if (isLast()) this.#kept.set(connection, token);
      return token;
    } finally {
      if (isLast()) this.#flights.delete(connection);
    }
  }

  #forget(connection: string): void {
    this.#kept.delete(connection);
    this.#flights.delete(connection);
  }

  /** Makes a link for one customer's browser journey. */
  beginSession(options: SessionOptions = {}): Promise<NewSession> {
    return this.#call("POST", "/v1/connect-sessions", options);
  }

  /** How a journey went. It may be `pending` for ever, since a customer can close the window. */
  async readSession(session_id: string): Promise<Session> {
    return this.#call("GET", pathOfSession(session_id));
  }

  /**
   * Takes the new grant into use: `confirmation` is what the browser has brought to `return_to`.
   *
   * Use the session that you made for the user who is logged in now, not one from the address of `return_to`.
   * {@link InvalidRequest} and {@link NotFound} both mean: this user has not started it.
   */
  async confirmSession(session_id: string, confirmation: string): Promise<Connection> {
    const connection: Connection = await this.#call("POST", `${pathOfSession(session_id)}/confirm`, { confirmation });
    this.#forget(connection.id);
    return connection;
  }

  /** All connections, or those of a status. Pages are asked for as they are needed. */
  async *list(status?: ListedStatus): AsyncGenerator<Connection, void, undefined> {
    let cursor: string | null = null;
    do {
      const query: Query = { limit: "100", ...(status && { status }), ...(cursor !== null && { cursor }) };
      const page: { connections: Connection[]; next_cursor: string | null } = await this.#call(
        "GET",
        "/v1/connections",
        undefined,
        query,
      );
      yield* page.connections;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  /** The status of a connection, never a secret. */
  async show(connection: string): Promise<Connection> {
    return this.#call("GET", pathOf(connection));
  }

  /** Takes a connection away, at once. After `pending`, a second call answers whether its grants are revoked. */
  async disconnect(connection: string): Promise<Revocation> {
    const { revocation }: { revocation: Revocation } = await this.#call("DELETE", pathOf(connection));
    this.#forget(connection);
    return revocation;
  }

  /**
   * Takes over a connection from another system, which must not refresh it any more: docs/migrating.md.
   *
   * The status is `active`, or `pending` where it is stored and could not be refreshed yet.
   */
  async import(connection: string, refresh_token: string, { replace = false } = {}): Promise<Connection> {
    const imported: Connection = await this.#call("PUT", pathOf(connection), { refresh_token, replace });
    this.#forget(connection);
    return imported;
  }

  /** What would keep a customer from connecting. With a connection that may be lost: how WebinarGeek rotates. */
  doctor(throw_away?: string): Promise<Examination> {
    return throw_away === undefined
      ? this.#call("GET", "/v1/doctor")
      : this.#call("POST", "/v1/doctor", { throw_away });
  }

  // The caller names the type of the answer, as openapi.yaml describes it.
  async #call<Answer>(method: string, path: string, content?: object, query: Query = {}): Promise<Answer> {
    let answer = await this.#send<Answer>(method, path, content, query);
    if (answer instanceof Unavailable && answer.code !== "misconfigured" && answer.code !== "unreachable") {
      // Every call may be repeated: not before the time that was asked for, and not by all callers in one moment.
      const pause = answer.retry_after ?? 1;
      if (pause <= this.#longestWait) {
        await this.wait(pause + Math.random() * Math.min(5, pause));
        answer = await this.#send<Answer>(method, path, content, query);
      }
    }
    if (answer instanceof Problem) throw answer;
    return answer;
  }

  /** Seconds. A test may replace it. */
  protected wait(seconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  }

  async #send<Answer>(
    method: string,
    path: string,
    content: object | undefined,
    query: Query,
  ): Promise<Answer | Problem> {
    const url = new URL(path, this.#origin);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const body = content && JSON.stringify(content);
    const headers = await this.#signed(method, url, query, body);
    try {
      // API Gateway gives up after 30 seconds.
      const signal = AbortSignal.timeout(35_000);
      const answer = await fetch(url, { method, headers, body: body ?? null, signal, redirect: "manual" });
      return understood<Answer>(answer, await answer.text());
    } catch (error) {
      const reason = error instanceof Error ? error.name : "";
      return new Unavailable({ status: 0, code: "unreachable", detail: `${this.#origin} has not answered: ${reason}` });
    }
  }

  async #signed(method: string, url: URL, query: Query, body: string | undefined): Promise<Record<string, string>> {
    const headers = { host: url.host, "content-type": "application/json" };
    if (!this.#region || (this.#isLaptop && !process.env.AWS_ACCESS_KEY_ID)) return headers;
    const credentials = await this.#credentials().catch((error: Error) => {
      throw new NotConfigured(`no AWS credentials can be used: ${error.message}`);
    });
    const signer = new SignatureV4({ service: "execute-api", region: this.#region, credentials, sha256: Sha256 });
    const { protocol, hostname, pathname } = url;
    const signed = await signer.sign({ method, protocol, hostname, path: pathname, query, headers, body });
    return signed.headers;
  }
}

function understood<Answer>({ ok, status, headers }: Response, text: string): Answer | Problem {
  const members = parsed(text);
  if (ok && members) return members as Answer;
  const after = headers.get("retry-after") ?? "";
  const retry = /^\d+$/.test(after) ? { retry_after: Number(after) } : {};
  if (typeof members?.code === "string") {
    const kind = KINDS[members.code] ?? Problem;
    return new kind({ ...(members as unknown as ProblemMembers), ...retry, status });
  }
  // Answers of AWS itself.
  if (status === 403) {
    const detail = "the signature is not accepted, or the role lacks the policy for this call";
    return new Forbidden({ status, code: "forbidden", detail });
  }
  if (status === 429) {
    const detail = "more requests than the stack allows";
    return new Unavailable({ status, code: "throttled", detail, ...retry });
  }
  if (status >= 500) return new Unavailable({ status, code: "aws", detail: "the function could not answer", ...retry });
  return new Problem({ status, code: "unexpected", detail: "this is not the API: is API_ORIGIN right?" });
}

/** Without an exception, since its message would quote the text. */
function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function pathOf(connection: string): string {
  // Any other text is refused: `..` would lead to another route.
  if (!/^[A-Za-z0-9_.:-]{1,128}$/.test(connection) || connection === "." || connection === "..") {
    throw new RangeError("a connection id has 1 to 128 characters of A-Z a-z 0-9 _ - . : and is neither . nor ..");
  }
  return `/v1/connections/${connection}`;
}

function pathOfSession(session_id: string): string {
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(session_id)) {
    throw new RangeError("a session id has characters of A-Z a-z 0-9 _ - only");
  }
  return `/v1/connect-sessions/${session_id}`;
}

/** Whether what is sent there cannot be read on the way: https, or this machine. */
function isPrivate({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || (protocol === "http:" && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname));
}
