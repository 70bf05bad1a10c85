// Writes the file that `wgc import` reads, for all or some customers: node export.mjs [customer …] > tokens.jsonl
import { all } from "./database.mjs";

const named = process.argv.slice(2);
for (const [connection_id, { refresh_token }] of Object.entries(all())) {
  if (named.length && !named.includes(connection_id)) continue;
  console.log(JSON.stringify({ connection_id, refresh_token }));
}
