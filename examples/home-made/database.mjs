// In place of your database: one JSON file, which the variable DATABASE names.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

const FILE = process.env.DATABASE ?? "tokens.json";

export function all() {
  return existsSync(FILE) ? JSON.parse(readFileSync(FILE, "utf8")) : {};
}

export function read(customer) {
  return all()[customer];
}

export function save(customer, tokens) {
  writeFileSync(`${FILE}.new`, JSON.stringify({ ...all(), [customer]: tokens }), { mode: 0o600 });
  renameSync(`${FILE}.new`, FILE);
  return tokens;
}
