#!/usr/bin/env bash
# Everything that needs a CUDA device: the gpu-marked tests, then the speed of updates, collection and whole protocol.
#
#     benchmarks/gpu.sh [RESULTS_FOLDER [PART...]]        PYTHON=... chooses the interpreter (default: .venv/bin/python)
#
# PARTs, all by default: tests captured eager compiled tf32 quick quick-compiled others batches run. The tests take the
# longest; where time on the device is short, go part by part.
# Leaves gpu-*.json with device, versions and date, and gpu.txt with what was printed. Stops with status 1 where there
# is no device; what fails stops nothing, but is the script's status in the end.
set -uo pipefail
cd "$(dirname "$0")/.."
results="${1:-benchmarks/results}"
shift
all="tests captured eager compiled tf32 quick quick-compiled others batches run"
parts="${*:-$all}"
for part in $parts; do
  [[ " $all " == *" $part "* ]] || { echo "gpu.sh: no part '$part'; parts are: $all" >&2; exit 2; }
done
python="${PYTHON:-.venv/bin/python}"
"$python" -c 'import sys, torch; sys.exit(None if torch.cuda.is_available() else "gpu.sh: torch sees no CUDA device")' ||
  exit 1
mkdir -p "$results"
status=0
bench() { # NAME OPTIONS...: one measurement, one file
  local name="$1"
  shift
  echo "== $name: bench speed $*"
  "$python" -m suite.cli speed --device cuda --out "$results/gpu-$name.json" "$@" || status=1
}
measure() {
  case "$1" in
    tests) "$python" -m pytest -q -m gpu tests/algos/learner/test_gpu.py || status=1 ;;
    captured) bench captured --packs 1,3,5,10,20 ;;
    eager) bench eager --packs 1,5,10,20 --eager --rounds 3 ;;
    compiled) bench compiled --packs 1,5,20 --set compile=true --rounds 3 ;;
    tf32) bench tf32 --packs 1,5,20 --set tf32=true ;;
    quick) bench quick --profile quick --packs 1,5,20 ;;
    quick-compiled) bench quick-compiled --profile quick --packs 1,5,20 --set compile=true ;;
    others) bench others --algo sac,sac-bc,bc,iql,cql,rlpd,awr,ppo,trpo --packs 5 --rounds 3 ;;
    batches)
      for batch in 256 512 2048 4096; do
        bench "batch-$batch" --packs 5 --set batch_size=$batch --rounds 3
      done
      ;;
    run) # the protocol itself, which says at its end where the time went; its data are built before
      "$python" -m suite.cli data build --env relocate-binary &&
        "$python" -m suite.cli run --device cuda --algo awac --env relocate-binary --profile paper --seeds 5 \
          --set offline_updates=2000 --set online_steps=5000 --out "$(mktemp -d)" || status=1
      ;;
  esac
}
{
  date -u +%F
  "$python" -c 'import torch; print(torch.cuda.get_device_name(), "torch", torch.__version__, "CUDA", torch.version.cuda)'
  for part in $parts; do
    measure "$part"
  done
  exit $status
} 2>&1 | tee -a "$results/gpu.txt"
exit "${PIPESTATUS[0]}"
