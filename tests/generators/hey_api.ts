// hey-api.
import assert from "node:assert/strict";
import { client } from "./hey-api/client.gen.js";
import { beginConnectSession, readToken, showConnection } from "./hey-api/sdk.gen.js";
import type { NotFound } from "./hey-api/types.gen.js";

client.setConfig({ baseUrl: process.env.API_ORIGIN! });

const body = { connection_id: "acme", return_to: "http://localhost:3000/settings", ui_locale: "nl" } as const;
const { data: session } = await beginConnectSession({ body });
assert.ok(session?.url.includes("/authorize?session="));

const { data: token } = await readToken({ path: { id: "acme" } });
assert.equal(token?.version satisfies number | undefined, 1);

const { error } = await showConnection({ path: { id: "unknown" } });
assert.ok(error && "code" in error && error.code === "not_found");
const problem: NotFound = error;
assert.equal(problem.status, 404);
