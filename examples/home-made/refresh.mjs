// Refreshes the tokens of all or some customers, even if they are not old: node refresh.mjs [customer …]
import { all } from "./database.mjs";
import { refreshTokens } from "./webinargeek.mjs";

const named = process.argv.slice(2);
for (const customer of named.length ? named : Object.keys(all())) {
  await refreshTokens(customer);
  console.log(`${customer} is refreshed`);
}
