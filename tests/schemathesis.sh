#!/usr/bin/env bash
# Sends `cargo dev` what openapi.yaml allows and what it forbids, and holds each answer against it. Takes about a minute; MAX_TIME=… seconds longer or shorter,
# SEED=… makes it another run, SCHEMATHESIS names the program (pip install schemathesis), further arguments are for it.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --package local
folder="$(mktemp -d)"
env --ignore-environment PORT=0 "${CARGO_TARGET_DIR:-target}/debug/local" >"$folder/output" 2>&1 &
laptop=$!
trap 'kill "$laptop"; rm -r "$folder"' EXIT
until origin="$(grep --only-matching 'http://127[.]0[.]0[.]1:[0-9]*$' "$folder/output")"; do
  kill -0 "$laptop" || { cat "$folder/output"; exit 1; }
  sleep 0.2
done

# A connection, made as a customer makes it, under the name of the examples.
browser() { curl --silent --show-error --cookie "$folder/cookies" --cookie-jar "$folder/cookies" "$@"; }
link="$(browser --json '{"connection_id": "acme", "confirm_page": false, "throw_away": true}' "$origin/v1/connect-sessions" | grep --only-matching 'http[^"]*')"
consent="$(browser --output /dev/null --write-out '%{redirect_url}' "$link")"
back="$(browser --output /dev/null --write-out '%{redirect_url}' --data "${consent#*\?}&decision=approve" "${consent%%\?*}")"
browser --fail --output /dev/null "$back"

"${SCHEMATHESIS:-schemathesis}" run "$origin/openapi.yaml" --checks all \
  --max-time "${MAX_TIME:-60}" --max-examples 50 --seed "${SEED:-1}" --continue-on-failure "$@"
