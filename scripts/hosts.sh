#!/usr/bin/env bash
# Validators and providers as processes on hosts of their own (network namespaces), and what happens when hosts, links,
# disks and clocks fail. Needs root on Linux; see scripts/hosts/ and `scripts/hosts.sh --help`.
#
#   scripts/hosts.sh             all scenarios, about half an hour
#   scripts/hosts.sh --short     within ten minutes, as in CI
#   scripts/hosts.sh --can       only tries whether this machine can; exits 2 and says why if not
#   ASSAY_BIN=path scripts/hosts.sh --only partition --output json
#
# KEEP=1 keeps homes and logs. Exits 1 if an invariant fails, 2 if it cannot start. Everything runs in namespaces that
# end with this script, so nothing is left on the machine even when it is killed.
set -uo pipefail
cd "$(dirname "$0")/.."
give_up() { echo "cannot start: $*" >&2; exit 2; }

can=
for word in "$@"; do
  case $word in
    -h | --help) exec python3 scripts/hosts/main.py --help ;;
    --can) can=1 ;;
  esac
done
[ "$(uname)" = Linux ] || give_up "network namespaces need Linux"
[ "$(id -u)" = 0 ] || give_up "making network namespaces needs root: sudo -E $0 $*"
command -v python3 >/dev/null || give_up "python3 is missing"
[ -c /dev/net/tun ] || give_up "/dev/net/tun is missing: modprobe tun"

missing=()
for pair in ip:iproute2 tc:iproute2 iptables:iptables faketime:faketime unshare:util-linux cc:gcc; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || give_up "install ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >&2 && apt-get install -qy "${missing[@]}" >&2 || give_up "could not install ${missing[*]}"
fi

if [ -z "$can" ]; then
  if [ -z "${ASSAY_BIN:-}" ]; then
    cargo build --release -p assay >&2 || give_up "the binary does not build"
    ASSAY_BIN=${CARGO_TARGET_DIR:-target}/release/assay
  fi
  [ -x "$ASSAY_BIN" ] || give_up "$ASSAY_BIN is no program"
  ASSAY_BIN=$(realpath "$ASSAY_BIN")
  export ASSAY_BIN
fi
HOSTS_DIR=$(mktemp -d "${TMPDIR:-/tmp}/assay-hosts.XXXXXX")
HOSTS_PROGRAM=$PWD/jobs/bin/demo-wasi.wasm
export HOSTS_DIR HOSTS_PROGRAM PYTHONDONTWRITEBYTECODE=1

finish() {
  [ -n "${runner:-}" ] && kill -KILL "$runner" 2>/dev/null
  wait 2>/dev/null
  if [ -n "${KEEP:-}" ]; then echo "homes and logs: $HOSTS_DIR" >&2; else rm -rf "$HOSTS_DIR"; fi
}
trap finish EXIT
# Ctrl-C reaches the runner too, which prints what it has.
trap 'wait "$runner"; exit 130' INT
trap 'exit 143' TERM HUP

# The process namespace takes all that runs in it along when it ends, the others what is mounted and routed.
unshare --net --mount --pid --fork --kill-child --mount-proc python3 scripts/hosts/main.py "$@" &
runner=$!
wait "$runner"
status=$?
runner=
exit $status
