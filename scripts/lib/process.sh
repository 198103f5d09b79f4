# shellcheck shell=bash
# Processes in the background, each known by a path: PATH.pid and PATH.log. Sourced after common.sh.
#
#   start PATH COMMAND...              unless it runs
#   running PATH
#   wait_for PATH SECONDS COMMAND...   until the command, a real request, succeeds; ends with the log's last lines if it does not
#   stop PATH                          TERM, and KILL after 10 s
#
# A pid file holds the pid and its start time, so that a pid used again by another program is never signalled.

running() {
  local pid at
  read -r pid at 2>/dev/null <"$1.pid" || return 1
  [ -n "$at" ] && [ "$(started_at "$pid")" = "$at" ]
}

# Empty for a process that has ended, even if nobody has collected it yet.
started_at() {
  if [ -d /proc/self ]; then
    awk '{ sub(/^.*\) /, ""); if ($1 != "Z") print $20 }' "/proc/$1/stat" 2>/dev/null || true
  else
    ps -o lstart= -p "$1" | tr -s ' ' '_'
  fi
}

start() {
  local path=$1
  shift
  ! running "$path" || return 0
  # In a process group of its own, so that an interrupt at the terminal does not stop it before its clients.
  set -m
  nohup "$@" >"$path.log" 2>&1 </dev/null &
  set +m
  echo "$! $(started_at $!)" >"$path.pid"
}

wait_for() {
  local path=$1 until=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    running "$path" || { tail -n 20 "$path.log" >&2; die "${path##*/} ended while starting; its log is $path.log"; }
    [ "$SECONDS" -lt "$until" ] || { tail -n 20 "$path.log" >&2; die "${path##*/} does not answer; its log is $path.log"; }
    sleep 0.2
  done
}

stop() {
  local path=$1 pid at
  if running "$path"; then
    read -r pid at <"$path.pid"
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 50); do running "$path" || break; sleep 0.2; done
    ! running "$path" || kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$path.pid"
}
