// Refreshes all customers, or those that are named, whether they need it or not: node refresh.mjs [customer …]
import { all } from "./database.mjs";
import { refreshTokens } from "./webinargeek.mjs";

const named = process.argv.slice(2);
for (const customer of named.length ? named : Object.keys(all())) {
  await refreshTokens(customer);
  console.log(`${customer} is refreshed`);
}
