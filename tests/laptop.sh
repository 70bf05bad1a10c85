# Sourced by the scripts of this folder. Starts `cargo dev` as it is built now, and ends it with the script; makes the
# connection `acme` as a customer makes it, and may be thrown away; leaves its address in `origin`.

cargo build --quiet --package local
folder="$(mktemp -d)"
env --ignore-environment PORT=0 "${CARGO_TARGET_DIR:-target}/debug/local" >"$folder/output" 2>&1 &
laptop=$!
trap 'kill "$laptop"; rm -r "$folder"' EXIT
until origin="$(grep --only-matching 'http://127[.]0[.]0[.]1:[0-9]*$' "$folder/output")"; do
  kill -0 "$laptop" || { cat "$folder/output"; exit 1; }
  sleep 0.2
done

browser() { curl --silent --show-error --cookie "$folder/cookies" --cookie-jar "$folder/cookies" "$@"; }
order='{"connection_id": "acme", "confirm_page": false, "throw_away": true}'
link="$(browser --json "$order" "$origin/v1/connect-sessions" | grep --only-matching 'http[^"]*')"
consent="$(browser --output /dev/null --write-out '%{redirect_url}' "$link")"
decision="${consent#*\?}&decision=approve"
back="$(browser --output /dev/null --write-out '%{redirect_url}' --data "$decision" "${consent%%\?*}")"
browser --fail --output /dev/null "$back"
