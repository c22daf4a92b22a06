#!/usr/bin/env bash
# One machine: as many networks at once as it feeds. Ctrl-C stops it; the same command goes on.
set -euo pipefail

pure-nas search --dataset "${DATASET:-digits}" --study "${STUDY:-one-machine}" --trials "${TRIALS:-60}" --workers auto
