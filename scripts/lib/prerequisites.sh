# shellcheck shell=bash
# What a machine needs before anything builds or runs: sourced after common.sh.
#
#   require_build    compiler, cmake, libraries      installs what is missing on Debian and Ubuntu, or ends with a hint
#   require_rust     cargo and rustc, new enough     never installs: a toolchain is the user's choice
#   require_terminal tmux, which tests drive         installs likewise; returns 1 where it cannot
#   require_broker   Java, and Maven for its jars    installs likewise; returns 1 where it cannot, so that tests can be skipped
#   require_examples what the examples and the commands of the documentation use; likewise
#   require_disk     room in a folder: a full disk shows as time-outs of a broker, a quarter of an hour later

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
java_at_least=17

require_build() {
  local missing=()
  { has cc && has c++ && has make; } || missing+=(build-essential)
  has cmake || missing+=(cmake)
  has pkg-config || missing+=(pkg-config)
  has_library openssl || missing+=(libssl-dev)
  has_library zlib || missing+=(zlib1g-dev)
  has perl || missing+=(perl)
  has curl || missing+=(curl)
  has_certificates || missing+=(ca-certificates)
  [ ${#missing[@]} -eq 0 ] || install "${missing[@]}" ||
    die "install a C and C++ compiler, make, cmake, pkg-config, the headers of OpenSSL and zlib, perl and curl.
  Debian, Ubuntu:  sudo apt-get install build-essential cmake pkg-config libssl-dev zlib1g-dev perl curl ca-certificates
  Fedora:          sudo dnf install gcc gcc-c++ make cmake pkgconf openssl-devel zlib-devel perl curl
  macOS:           xcode-select --install && brew install cmake pkg-config openssl@3
Looked for: ${missing[*]}"
}

require_broker() {
  local missing=()
  java_is_new_enough || missing+=("$(jre_package)")
  has openssl || missing+=(openssl)
  "$root/scripts/kafka" fetched || has mvn || missing+=(maven)
  [ ${#missing[@]} -eq 0 ] || install "${missing[@]}" || true
  java_is_new_enough && has openssl && { "$root/scripts/kafka" fetched || has mvn; } && return
  say "The Kafka broker needs Java $java_at_least or newer (on the PATH, or in JAVA_HOME), openssl, and Maven to fetch its jars once.
  Debian, Ubuntu:  sudo apt-get install openjdk-17-jre-headless maven openssl
  Fedora:          sudo dnf install java-21-openjdk-headless maven openssl
  macOS:           brew install openjdk maven openssl@3"
  return 1
}

require_disk() { # FOLDER GIB WHAT
  local folder=$1 gib=$2 what=$3 free
  while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
  free=$(($(df -Pk "$folder" | awk 'NR == 2 { print $4 }') / 1048576))
  [ "$free" -ge "$gib" ] || die "$what in $1 need up to $gib GiB, and $free GiB are free there. Old builds are the
  first thing to delete: cargo clean --target-dir $CARGO_TARGET_DIR"
}

require_terminal() {
  has tmux || install tmux
}

require_examples() {
  local program missing=()
  for program in jq kcat xxd; do has "$program" || missing+=("$program"); done
  { has pgrep && has top; } || missing+=(procps)
  { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; } || missing+=(python3-venv)
  [ ${#missing[@]} -eq 0 ] || install "${missing[@]}" || true
  for program in jq kcat xxd pgrep top python3; do
    has "$program" || { say "The examples need $program. Debian, Ubuntu: sudo apt-get install jq kcat procps python3-venv xxd"; return 1; }
  done
  "$root/scripts/python-env" make >/dev/null
}

require_rust() {
  # rustup writes to this folder, and a shell opened before that does not know it.
  has cargo || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
  local want have
  want=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
  if ! has cargo || ! has rustc; then
    die "Rust $want or newer is needed and cargo was not found. Get it from https://rustup.rs, then run this again."
  fi
  have=$(rustc --version | awk '{ print $2 }')
  not_older "$have" "$want" || die "Rust $want or newer is needed and this is $have. Try: rustup update stable"
}

# The tools of the test command that a minimal toolchain leaves out.
require_rust_lints() {
  if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    die "rustfmt and clippy are needed. Try: rustup component add rustfmt clippy"
  fi
}

# --- how each is found and installed ---------------------------------------------------------------------------------

not_older() { printf '%s\n%s\n' "$2" "$1" | sort -V -C; } # have want

has_library() { has pkg-config && pkg-config --exists "$1"; }

# Only where this script could install them: elsewhere the system keeps certificates in its own way.
has_certificates() { ! has apt-get || [ -e /etc/ssl/certs/ca-certificates.crt ]; }

java_is_new_enough() {
  local java=${JAVA_HOME:+$JAVA_HOME/bin/}java version
  version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1) || return 1
  [ "${version:-0}" -ge "$java_at_least" ]
}

# Ubuntu 22.04 calls Java 11 its default; Debian 13 no longer has 17.
jre_package() {
  if has apt-cache && apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then
    echo openjdk-17-jre-headless
  else
    echo default-jre-headless
  fi
}

# install PACKAGE...: returns 1 where this is not Debian or Ubuntu, or nobody may install.
install() {
  local as_root=()
  has apt-get || return 1
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || return 1
    as_root=(sudo -n)
  fi
  say "installing: $*"
  "${as_root[@]}" apt-get update -qq || return 1
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >&2 || return 1
  hash -r
}
