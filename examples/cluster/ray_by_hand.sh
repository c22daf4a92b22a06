#!/usr/bin/env bash
# A Ray cluster by hand. On every machine, once: pip install "pure-nas[ray]", the same versions; and the first machine's
# ~/.ray/auth_token, which lets others in.
#
#   first machine:   bash ray_by_hand.sh head
#   every other:     bash ray_by_hand.sh node FIRST_MACHINE
#   first machine:   bash ray_by_hand.sh search
#   every machine:   ray stop
set -euo pipefail
export RAY_AUTH_MODE=token  # older versions of Ray ignore it

case "${1:-}" in
  head) ray start --head --port="${RAY_PORT:-6379}" ;;
  node) ray start --address="$2:${RAY_PORT:-6379}" ;;
  search)
    # Images and checkpoints travel through Ray; the run is written on this machine alone.
    pure-nas search --dataset "${DATASET:-cifar10}" --study "${STUDY:-ray}" --trials "${TRIALS:-200}" \
      --executor ray --cpus-per-trial "${CPUS_PER_TRIAL:-1}" --gpus-per-trial "${GPUS_PER_TRIAL:-0}" --lag "${LAG:-32}"
    ;;
  *) echo "usage: $0 head | node FIRST_MACHINE | search" >&2; exit 2 ;;
esac
