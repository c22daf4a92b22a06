#!/usr/bin/env bash
# A machine that may be taken away: on SIGTERM the search saves within 10 s and ends with 143. Run this at every boot, with
# runs/ on a disk that stays: it goes on until the search is done.
set -uo pipefail

until pure-nas search --dataset "${DATASET:-cifar10}" --study "${STUDY:-preemptible}" --trials "${TRIALS:-200}" \
  --out "${RUNS:-runs}"; do
  code=$?
  case "$code" in
    2) exit 2 ;;                 # the command itself is wrong
    129|130|143) exit "$code" ;; # somebody stopped it, or the machine goes
  esac
  sleep "${SECONDS_BETWEEN:-30}"
done
