#!/usr/bin/env bash
# Has clients generated from openapi.yaml, by the generators that people use, and checks their types. A program on each,
# in tests/generators, makes a connect session, reads a token and meets a problem. GENERATORS is a folder with
# `node_modules` by tests/generators/package.json and `venv` by tests/generators/requirements.txt. Takes half a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/laptop.sh
export API_ORIGIN="$origin"

description="$PWD/openapi.yaml"
rm -rf "$GENERATORS/out"
cp -r tests/generators "$GENERATORS/out"
cd "$GENERATORS/out"
export PATH="$GENERATORS/venv/bin:$GENERATORS/node_modules/.bin:$PATH"

openapi-typescript "$description" --output schema.d.ts
openapi-ts --input "$description"
tsc
node built/openapi_typescript.js
node built/hey_api.js

openapi-python-client generate --path "$description" --meta none --output-path generated_client --fail-on-warning
# It warns that 3.1 is new to it. An error would leave something out.
openapi-generator-cli generate --input-spec "$description" --generator-name python --output . >log 2>&1 \
  || { cat log; exit 1; }
if grep ERROR log; then exit 1; fi
mypy --strict --follow-imports silent openapi_python_client.py openapi_generator.py
python openapi_python_client.py
python openapi_generator.py
