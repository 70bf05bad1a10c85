// A home-made integration, as guides show it, while it moves to webinargeek-connect: docs/migrating.md.
//
//   PORT=3000 CLIENT_ID=… CLIENT_SECRET=… node app.mjs                                   before
//   PORT=3000 CLIENT_ID=… CLIENT_SECRET=… API_ORIGIN=… REFRESHING=off node app.mjs       during the import
//   PORT=3000 API_ORIGIN=… node app.mjs                                                  afterwards
import { randomUUID } from "node:crypto";
import express from "express";
import { authorizationUrl, call, connect } from "./webinargeek.mjs";

const app = express();
const started = new Map(); // Which customer a state is for. In your product, keep it in the user's session.

app.get("/connect/:customer", (request, response) => {
  const state = randomUUID();
  started.set(state, request.params.customer);
  response.redirect(authorizationUrl(state));
});

app.get("/callback", async (request, response) => {
  const { code, state } = request.query;
  const customer = started.get(state);
  if (!customer || !code) return response.status(400).send("Nothing has been connected.");
  started.delete(state);
  await connect(customer, code);
  response.send("It is connected.");
});

// What the customers use.
app.get("/webinars/:customer", async (request, response) => {
  const { status, text } = await call(request.params.customer);
  response.status(status).type("json").send(text);
});

app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1");
