#!/usr/bin/env bash
# Foundry's cast against a real network: what a wallet does, done by somebody else's program.
#
#   scripts/foreign-clients.sh
#       starts `target/release/assay up` (build it first) and stops it at the end
#   RPC_URL=http://host:port PRIVATE_KEY=0x... scripts/foreign-clients.sh
#       uses a running network and a funded key of it
#
# Prints a line a check and "N passed, N failed"; exits 1 if any failed, 2 if it could not start.
set -uo pipefail
cd "$(dirname "$0")/.."
TARGET=${CARGO_TARGET_DIR:-target}
CAST_VERSION=1.7.1
TOOLS=$TARGET/foreign-clients
CAST=$TOOLS/node_modules/.bin/cast
passed=0 failed=0 network=

stop() {
  if [ -n "$network" ]; then
    kill -INT "$network" 2>/dev/null
    wait "$network" 2>/dev/null
  fi
}
trap stop EXIT

give_up() { echo "cannot start: $*" >&2; exit 2; }

install_cast() {
  [ -x "$CAST" ] && return
  command -v npm >/dev/null || give_up "npm is missing: install Node.js 20 or later"
  mkdir -p "$TOOLS"
  for attempt in 1 2 3; do
    npm install --silent --no-audit --no-fund --prefix "$TOOLS" "@foundry-rs/cast@$CAST_VERSION" && return
    echo "npm install failed (attempt $attempt of 3)" >&2
    sleep $((attempt * 5))
  done
  give_up "cast $CAST_VERSION could not be installed"
}

# A field of the JSON document that `assay up --output json` prints.
field() {
  node -e 'const d = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")); console.log(d[process.argv[2]])' "$1" "$2" 2>/dev/null
}

start_network() {
  local assay=${ASSAY:-$TARGET/release/assay} dir=$TOOLS/network out=$TOOLS/up.json
  [ -x "$assay" ] || give_up "$assay is missing: run cargo build --release first"
  "$assay" --output json up --dir "$dir" --fresh --rpc-port "${RPC_PORT:-18545}" --rest-port 0 >"$out" 2>"$TOOLS/up.log" &
  network=$!
  for _ in $(seq 240); do
    RPC_URL=$(field "$out" rpc_url) && [ -n "$RPC_URL" ] && break
    kill -0 "$network" 2>/dev/null || { cat "$TOOLS/up.log" >&2; give_up "the network ended"; }
    sleep 0.5
  done
  [ -n "${RPC_URL:-}" ] || give_up "the network was not up within two minutes, see $TOOLS/up.log"
  SIGNER=(--keystore "$(field "$out" keystore)" --password-file "$(field "$out" password_file)")
  ME=$(field "$out" account)
}

note() {
  if [ "$1" = ok ]; then
    passed=$((passed + 1)); echo "ok      $2"
  else
    failed=$((failed + 1)); echo "FAILED  $2"; echo "        wanted: $3"; sed 's/^/        | /' <<<"$4" | head -20
  fi
}

# check WHAT PATTERN COMMAND...: the command succeeds and its output matches the extended pattern.
# The launcher that npm installs ends with 0 even where cast fails, so errors are known by their text.
check() {
  local what=$1 pattern=$2 output verdict=bad
  shift 2
  output=$("$@" 2>&1) && ! grep -q '^Error' <<<"$output" && grep -Eiq -- "$pattern" <<<"$output" && verdict=ok
  note $verdict "$what" "$pattern" "$output"
}

# refuse WHAT PATTERN COMMAND...: the command fails and says so in words that match.
refuse() {
  local what=$1 pattern=$2 output verdict=bad
  shift 2
  output=$("$@" 2>&1)
  grep -E '^Error' <<<"$output" | grep -Eq -- "$pattern" && verdict=ok
  note $verdict "$what" "an error with $pattern" "$output"
}

install_cast
if [ -n "${RPC_URL:-}" ]; then
  [ -n "${PRIVATE_KEY:-}" ] || give_up "RPC_URL needs PRIVATE_KEY beside it"
  SIGNER=(--private-key "$PRIVATE_KEY")
  ME=$("$CAST" wallet address --private-key "$PRIVATE_KEY")
else
  start_network
fi
export ETH_RPC_URL=$RPC_URL

PROVIDERS=0x00000000000000000000000000000000A55A0001
JOBS=0x00000000000000000000000000000000A55A0002
MARKET=0x00000000000000000000000000000000A55A0005
CLAIMS=0x00000000000000000000000000000000A55A0006
CHAIN=0x00000000000000000000000000000000A55A0004
# An address nobody has used, so that its balance is what this run sends.
YOU=0x$(head -c 20 /dev/urandom | od -An -tx1 | tr -d ' \n')
send() { "$CAST" send "${SIGNER[@]}" --timeout 60 "$@"; }

check "the chain id" '^[0-9]+$' "$CAST" chain-id
check "the client's name" 'assay' "$CAST" client
check "the block number" '^[0-9]+$' "$CAST" block-number
check "the newest block" 'baseFeePerGas' "$CAST" block latest
check "the gas price" '^[1-9][0-9]*$' "$CAST" gas-price
check "the balance of the funded account" '^[1-9][0-9]*$' "$CAST" balance "$ME"
check "an empty balance" '^0$' "$CAST" balance "$YOU"
check "code of a system contract" '^0xfe$' "$CAST" code "$CHAIN"
check "no code elsewhere" '^0x$' "$CAST" code "$YOU"
check "an estimate of a transfer" '^21000$' "$CAST" estimate --from "$ME" "$YOU" --value 5
check "a transfer is sent and included" '^status +1 \(success\)' send "$YOU" --value 0.25ether
check "it arrived" '^0\.25' "$CAST" balance --ether "$YOU"
hash=$(send "$YOU" --value 5 --json | node -e 'console.log(JSON.parse(require("fs").readFileSync(0)).transactionHash)')
check "its receipt" "transactionHash +$hash" "$CAST" receipt "$hash"
check "the transaction itself" "^hash +$hash" "$CAST" tx "$hash"
check "the nonce" '^[1-9][0-9]*$' "$CAST" nonce "$ME"
check "height() of the chain contract" '^[0-9]+' "$CAST" call "$CHAIN" "height()(uint64)"
check "supply() of the chain contract" '^[1-9][0-9]+' "$CAST" call "$CHAIN" "supply()(uint128,uint128,uint128,uint128,uint128,uint128)"
check "providers() of the provider contract" '^\[' "$CAST" call "$PROVIDERS" "providers()(address[])"
check "job() of an unknown job" '^0x0000000000000000000000000000000000000000$' \
  "$CAST" call "$JOBS" "job(bytes32)(address,uint8,uint8,uint32,uint32,uint32,uint128,uint128,bytes32)" "$(printf '0x%064d' 1)"

register='register(address,bytes32,bytes,(bytes32,uint32,uint64,uint128,uint32,uint64,uint32,bool))'
runtime=$("$CAST" rpc assay_params | node -e 'console.log(JSON.parse(require("fs").readFileSync(0)).runtimes[0])')
check "a registration at a system contract" '^status +1 \(success\)' send "$PROVIDERS" "$register" \
  "$ME" "$(printf '0x%064d' 7)" 0x0102 "($runtime,1,1000,1000,1,1000000000,512,false)" --value 10ether
check "its event" 'transactionHash' "$CAST" logs --from-block earliest --address "$PROVIDERS" \
  'ProviderRegistered(address indexed,address indexed,uint128)' "$ME"
check "the provider's record" "$ME" "$CAST" call "$PROVIDERS" \
  'provider(address)((address,address,bytes32,bytes,(bytes32,uint32,uint64,uint128,uint32,uint64,uint32,bool),uint128,uint128,uint128,uint64,uint32,uint64,uint64))' "$ME"
refuse "a second registration reverts with its reason" 'AlreadyRegistered' send "$PROVIDERS" "$register" \
  "$ME" "$(printf '0x%064d' 7)" 0x0102 "($runtime,1,1000,1000,1,1000000000,512,false)" --value 10ether
check "the quote of a class" '1100000000000000' "$CAST" call "$MARKET" \
  'quote(uint32,uint32)(uint128,uint128,uint128,uint128,uint64)' 1 0
check "a bid for bandwidth" '^status +1 \(success\)' send "$MARKET" \
  'place(uint32,uint32,uint8,uint128,uint64,uint64,uint64)' 2 0 0 10000000000000000 1000 0 100000 --value 0.01ether
check "claims are ERC-1155" 'true' "$CAST" call "$CLAIMS" 'supportsInterface(bytes4)(bool)' 0xd9b67a26
check "a balance of claims" '^0$' "$CAST" call "$CLAIMS" 'balanceOf(address,uint256)(uint256)' "$ME" \
  "$("$CAST" to-dec 0x0000000000000001000000010000000000000000000000000000000000000001)"
refuse "calldata no contract has" 'revert' "$CAST" call "$PROVIDERS" 0xdeadbeef
refuse "a used nonce" 'nonce too low' send "$YOU" --value 5 --nonce 0
refuse "more than there is" '[Ii]nsufficient funds' send "$YOU" --value 100000000000000000000ether --gas-limit 21000
check "our own method" 'state_root' "$CAST" rpc assay_status
check "the books" 'collateral' "$CAST" rpc assay_books

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
