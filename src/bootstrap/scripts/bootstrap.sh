#!/bin/bash
# Runs the phases of a cluster's bootstrap in order and reports each of them to the server.
#
# Reports, with vmtoolsd: guestinfo.cse.phase.<name>.status is in_progress, then successful or
# failed; guestinfo.cse.exit comes last and is 0 only if every phase succeeded. After a failure,
# guestinfo.cse.reason and guestinfo.cse.log say why.
#
# guestinfo.cse.beat changes while the runner lives: a slow phase is told from a dead VM.
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
# Passwords shorter than this would blot out half of the log.
readonly SECRET_CHARS=4

# info_set <key> <value>: the host must not keep the runner waiting.
info_set() {
  timeout --kill-after=5 20 vmtoolsd --cmd "info-set $1 $2" >/dev/null 2>&1 9>&-
}

# report <key> <value>: three attempts; a lost report must not end the work.
report() {
  local try
  for try in 1 2 3; do
    if info_set "$1" "$2"; then
      return 0
    fi
    sleep "$try"
  done
  log "could not report $1" >>"$CSE_LOG"
}

report_phase() {
  report "guestinfo.cse.phase.$1.status" "$2"
}

# secrets: one a line, longer ones before their parts: tokens, proxies with a password and the
# passwords alone, each plain and in base64.
secrets() {
  local secret proxy
  for secret in "$CSE_API_TOKEN" "$CSE_GITHUB_TOKEN"; do
    shown_as "$secret"
  done
  for proxy in "$CSE_HTTP_PROXY" "$CSE_HTTPS_PROXY"; do
    if [[ $proxy == *@* ]]; then
      secret=${proxy#*://}
      shown_as "$proxy"
      secret=${secret%@*}
      shown_as "$secret"
      shown_as "${secret#*:}"
    fi
  done
}

# shown_as <secret>
shown_as() {
  if ((${#1} >= SECRET_CHARS)); then
    printf '%s\n' "$1"
    printf '%s' "$1" | base64 --wrap=0
    printf '\n'
  fi
}

SECRETS=$(secrets)
readonly SECRETS

# redact: standard input without secrets.
redact() {
  local text secret
  text=$(tr -d '\000')
  while IFS= read -r secret; do
    if [[ -n $secret ]]; then
      text=${text//"$secret"/<redacted>}
    fi
  done <<<"$SECRETS"
  printf '%s' "$text"
}

# clean_log: whatever a program has printed, no secret stays in the log.
clean_log() {
  if [[ -n $SECRETS ]] && grep -q -F -f - "$CSE_LOG" <<<"$SECRETS"; then
    redact <"$CSE_LOG" >"$CSE_LOG.part"
    printf '\n' >>"$CSE_LOG.part"
    mv "$CSE_LOG.part" "$CSE_LOG"
  fi
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

# forget_user_data: cloud-init's own copies of the user data, which holds the tenant's token.
forget_user_data() {
  clear_user_data
  rm -f "$CSE_SYSTEM"/var/lib/cloud/instances/*/{user-data.txt,user-data.txt.i,cloud-config.txt,obj.pkl} \
    "$CSE_SYSTEM"/run/cloud-init/{instance-data-sensitive.json,combined-cloud-config.json}
}

# forget_secrets: after success nobody needs them any more; what is left of the VM's disk is not ours.
forget_secrets() {
  forget_user_data
  rm -f "$CSE_ROOT"/{cluster,workload,agent}.yaml "$MANAGEMENT" "$WORKLOAD" \
    "$CSE_SYSTEM/etc/systemd/system/docker.service.d/http-proxy.conf"
  {
    grep -v -E '^CSE_(API_TOKEN|GITHUB_TOKEN|HTTP_PROXY|HTTPS_PROXY)=' "$CSE_ROOT/env"
    printf '%s\n' CSE_API_TOKEN= CSE_GITHUB_TOKEN= CSE_HTTP_PROXY= CSE_HTTPS_PROXY=
  } >"$CSE_ROOT/env.part"
  mv "$CSE_ROOT/env.part" "$CSE_ROOT/env"
}

# beat <runner>: a sign of life as long as the runner lives.
beat() {
  while kill -0 "$1" 2>/dev/null; do
    info_set guestinfo.cse.beat "$(date +%s)" || true
    sleep "$CSE_BEAT_SECS"
  done
}

stop_beat() {
  if [[ -n $beat ]]; then
    kill "$beat" 2>/dev/null || true
    wait "$beat" 2>/dev/null || true
    beat=
  fi
}

# stop_phase <signal>: the phase that runs, or that a killed runner has left running. Two must never
# run; the number is that of its process group, and may belong to somebody else by now.
stop_phase() {
  local group="" try
  if [[ -s $CSE_STATE/phase.pid ]]; then
    group=$(<"$CSE_STATE/phase.pid")
  fi
  for ((try = 0; try < 50; try++)); do
    if [[ ! $group =~ ^[0-9]+$ ]] || ! pgrep -g "$group" -f -- "$CSE_ROOT/phases/" >/dev/null; then
      break
    fi
    kill "-$1" -- "-$group" 2>/dev/null || true
    sleep 0.2
  done
  rm -f "$CSE_STATE/phase.pid"
}

# fail <phase> <exit code>: the exit code goes last, whoever sees it finds the rest complete.
fail() {
  report guestinfo.cse.reason "$(reason_line)"
  report guestinfo.cse.log "$(log_tail)"
  report_phase "$1" failed
  forget_user_data
  touch "$CSE_STATE/ended"
  report guestinfo.cse.exit "$2"
}

current=network
beat=

on_exit() {
  local code=$?
  trap - EXIT
  trap '' TERM INT
  stop_beat
  stop_phase TERM
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
  # Beside the runner, which so can be told to stop at any time.
  timeout --kill-after=30 "$limit" /bin/bash "$script" </dev/null >>"$CSE_LOG" 2>&1 9>&- &
  printf '%s\n' "$!" >"$CSE_STATE/phase.pid"
  wait "$!" || code=$?
  rm -f "$CSE_STATE/phase.pid"
  clean_log
  if ((code != 0)); then
    explain "$name" "$code" "$limit"
    exit "$code"
  fi
  touch "$CSE_STATE/$name.done"
  log "phase $name has ended" >>"$CSE_LOG"
  report_phase "$name" successful
}

main() {
  local script key
  exec 9>"$CSE_STATE/lock"
  if ! flock --nonblock 9; then
    exit 0
  fi
  trap on_exit EXIT
  trap 'exit 143' TERM INT
  stop_phase KILL
  if [[ -e $CSE_STATE/ended ]]; then
    # What the last run said about its end is no longer true.
    for key in exit reason log; do
      report "guestinfo.cse.$key" ""
    done
    rm -f "$CSE_STATE/ended"
  fi
  log "bootstrap of $CSE_ENTITY_ID begins, $CSE_MARKER" >>"$CSE_LOG"
  beat "$$" </dev/null >/dev/null 2>&1 9>&- &
  beat=$!
  # Goes on after a restart of the VM; cloud-init runs its commands only once.
  timeout --kill-after=5 60 systemctl enable cse-bootstrap.service >>"$CSE_LOG" 2>&1 9>&- || true
  for script in "$CSE_ROOT"/phases/[0-9][0-9]-*.sh; do
    run_phase "$script"
  done
  stop_beat
  forget_secrets
  touch "$CSE_STATE/ended"
  report guestinfo.cse.exit 0
}

main
