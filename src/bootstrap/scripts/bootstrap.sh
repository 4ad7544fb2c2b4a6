#!/bin/bash
# Runs the phases of a cluster's bootstrap in order and reports each of them to the server.
#
# Reports, with vmtoolsd: guestinfo.cse.phase.<name>.status is in_progress, then successful or
# failed; guestinfo.cse.exit comes last and is 0 only if every phase succeeded. After a failure,
# guestinfo.cse.reason and guestinfo.cse.log say why.
#
# May be started any number of times: a phase that has succeeded is not run again, and a second
# runner beside the first one ends at once.
set -euo pipefail

CSE_ROOT=${CSE_ROOT:-/opt/cse}
# shellcheck source=lib.sh
. "$CSE_ROOT/lib.sh"

# Largest part of the log that goes to the server: 6000 bytes are 8000 in base64.
readonly LOG_TAIL_BYTES=6000
readonly REASON_CHARS=500

# report <key> <value>: three attempts; a lost report must not end the work.
report() {
  local try
  for try in 1 2 3; do
    if vmtoolsd --cmd "info-set $1 $2" >/dev/null 2>&1; then
      return 0
    fi
    sleep "$try"
  done
  log "could not report $1" >>"$CSE_LOG"
}

report_phase() {
  report "guestinfo.cse.phase.$1.status" "$2"
}

# redact: standard input without secrets, neither plain nor in base64.
redact() {
  local text secret encoded
  text=$(tr -d '\000')
  for secret in "$CSE_API_TOKEN" "$CSE_GITHUB_TOKEN" "$CSE_HTTP_PROXY" "$CSE_HTTPS_PROXY"; do
    if [[ -n $secret ]]; then
      encoded=$(printf '%s' "$secret" | base64 --wrap=0)
      text=${text//"$secret"/<redacted>}
      text=${text//"$encoded"/<redacted>}
    fi
  done
  printf '%s' "$text"
}

# log_tail: cut wide, redact, cut narrow, so that no half of a secret is left at the cut.
log_tail() {
  tail -c 65536 "$CSE_LOG" | redact | tail -c "$LOG_TAIL_BYTES" | base64 --wrap=0
}

reason_line() {
  # Plain characters only: the value travels through XML, and a cut must not split a character.
  redact <"$CSE_STATE/reason" | LC_ALL=C tr -c '\40-\176' ' ' | head -c "$REASON_CHARS"
}

# The user data holds the tenant's token, and everything in it is on this disk by now. cloud-init
# takes a lone document separator for "no user data".
clear_user_data() {
  report guestinfo.userdata ---
}

# fail <phase> <exit code>: the exit code goes last, whoever sees it finds the rest complete.
fail() {
  report guestinfo.cse.reason "$(reason_line)"
  report guestinfo.cse.log "$(log_tail)"
  report_phase "$1" failed
  clear_user_data
  touch "$CSE_STATE/ended"
  report guestinfo.cse.exit "$2"
}

current=network

on_exit() {
  local code=$?
  trap - EXIT
  # Stopped with the VM: the next start goes on, so nothing has failed.
  if ((code != 0 && code != 143)); then
    if [[ ! -s $CSE_STATE/reason ]]; then
      printf 'the bootstrap runner ended with exit code %s\n' "$code" >"$CSE_STATE/reason"
    fi
    fail "$current" "$code" || true
  fi
  exit "$code"
}

# limit_of <phase>: seconds, from the environment file.
limit_of() {
  local name=CSE_LIMIT_${1//-/_}
  printf '%s' "${!name:-1800}"
}

# explain <phase> <exit code> <limit>: the phase's own reason, or what can be said without one.
explain() {
  local what=""
  if [[ -s $CSE_STATE/doing ]]; then
    what=" while $(<"$CSE_STATE/doing")"
  fi
  case $2 in
    124 | 137) printf 'phase %s did not end within %s s%s\n' "$1" "$3" "$what" >"$CSE_STATE/reason" ;;
    *)
      if [[ ! -s $CSE_STATE/reason ]]; then
        printf 'phase %s ended with exit code %s%s\n' "$1" "$2" "$what" >"$CSE_STATE/reason"
      fi
      ;;
  esac
}

# run_phase <script>
run_phase() {
  local script=$1 name limit code=0
  name=${script##*/??-}
  name=${name%.sh}
  current=$name
  if [[ -e $CSE_STATE/$name.done ]]; then
    report_phase "$name" successful
    return 0
  fi
  rm -f "$CSE_STATE/reason" "$CSE_STATE/doing"
  limit=$(limit_of "$name")
  report_phase "$name" in_progress
  log "phase $name begins, at most $limit s" >>"$CSE_LOG"
  timeout --kill-after=30 "$limit" /bin/bash "$script" </dev/null >>"$CSE_LOG" 2>&1 9>&- || code=$?
  if ((code != 0)); then
    explain "$name" "$code" "$limit"
    exit "$code"
  fi
  touch "$CSE_STATE/$name.done"
  log "phase $name has ended" >>"$CSE_LOG"
  report_phase "$name" successful
}

main() {
  local script
  exec 9>"$CSE_STATE/lock"
  if ! flock --nonblock 9; then
    exit 0
  fi
  trap on_exit EXIT
  trap 'exit 143' TERM INT
  rm -f "$CSE_STATE/ended"
  log "bootstrap of $CSE_ENTITY_ID begins, $CSE_MARKER" >>"$CSE_LOG"
  # Goes on after a restart of the VM; cloud-init runs its commands only once.
  systemctl enable cse-bootstrap.service >>"$CSE_LOG" 2>&1 || true
  for script in "$CSE_ROOT"/phases/[0-9][0-9]-*.sh; do
    run_phase "$script"
  done
  clear_user_data
  touch "$CSE_STATE/ended"
  report guestinfo.cse.exit 0
}

main
