#!/usr/bin/env bash
# Several GPUs of one machine, or some of them: GPUS=0,2 bash several_gpus.sh
# How many small networks share a GPU is measured at the start. A lag of four times the workers lets none wait.
set -euo pipefail

pure-nas search --dataset "${DATASET:-cifar10}" --study "${STUDY:-several-gpus}" --trials "${TRIALS:-200}" \
  --gpus "${GPUS:-0,1}" --workers auto --lag "${LAG:-32}"
