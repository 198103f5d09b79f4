# shellcheck shell=bash
# Shared by the scripts of this folder: sourced, never run.
set -euo pipefail

# Everything the scripts build, fetch or keep goes here, outside the checkout, and is safe to delete.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tidegauge
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

# For empty arrays under `set -u`, and the clock that scripts/kafka reads. macOS brings 3.2.
[ "${BASH_VERSINFO[0]}" -ge 5 ] || die "bash 5 or newer is needed and this is $BASH_VERSION. On macOS: brew install bash"

has() { command -v "$1" >/dev/null 2>&1; }

# Fails if nothing can listen there: whatever answered would be taken for the program just started.
port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
