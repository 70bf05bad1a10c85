// openapi-typescript with openapi-fetch.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const client = createClient<paths>({ baseUrl: process.env.API_ORIGIN! });

const body = { connection_id: "acme", return_to: "http://localhost:3000/settings", ui_locale: "nl" } as const;
const { data: session } = await client.POST("/v1/connect-sessions", { body });
assert.ok(session?.url.includes("/authorize?session="));

const { data: token } = await client.GET("/v1/connections/{id}/token", { params: { path: { id: "acme" } } });
assert.equal(token?.version satisfies number | undefined, 1);

const { error } = await client.GET("/v1/connections/{id}", { params: { path: { id: "unknown" } } });
assert.ok(error && "code" in error && error.code === "not_found");
const problem: components["schemas"]["NotFound"] = error;
assert.equal(problem.status, 404);
