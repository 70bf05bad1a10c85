#!/usr/bin/env bash
# Sends `cargo dev` what openapi.yaml allows and what it forbids, and holds each answer against it. Takes about a minute; MAX_TIME=… seconds longer or shorter,
# SEED=… makes it another run, SCHEMATHESIS names the program (pip install schemathesis), further arguments are for it.
set -euo pipefail
cd "$(dirname "$0")/.."

source tests/laptop.sh

"${SCHEMATHESIS:-schemathesis}" run "$origin/openapi.yaml" --checks all \
  --max-time "${MAX_TIME:-60}" --max-examples 50 --seed "${SEED:-1}" --continue-on-failure "$@"
