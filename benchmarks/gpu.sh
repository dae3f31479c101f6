#!/usr/bin/env bash
# Everything that needs a CUDA device: the gpu-marked tests, then the speed of updates, collection and whole protocol.
#
#     benchmarks/gpu.sh [RESULTS_FOLDER]        PYTHON=... chooses the interpreter (default: .venv/bin/python)
#
# Leaves gpu-*.json with device, versions and date, and gpu.txt with what was printed. Stops with status 1 where there
# is no device; a failed test stops nothing, but is the script's status in the end.
set -uo pipefail
cd "$(dirname "$0")/.."
results="${1:-benchmarks/results}"
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
{
  date -u +%F
  "$python" -c 'import torch; print(torch.cuda.get_device_name(), "torch", torch.__version__, "CUDA", torch.version.cuda)'
  "$python" -m pytest -q -m gpu tests/test_gpu.py || status=1
  bench captured --packs 1,3,5,10,20
  bench eager --packs 1,5,20 --eager --rounds 3
  bench compiled --packs 1,5,20 --set compile=true --rounds 3
  bench tf32 --packs 1,5,20 --set tf32=true
  bench quick --profile quick --packs 1,5,20
  bench quick-compiled --profile quick --packs 1,5,20 --set compile=true
  bench others --algo sac,sac-bc,bc,iql,cql,rlpd,awr,ppo,trpo --packs 5 --rounds 3
  for batch in 256 4096; do
    bench "batch-$batch" --packs 5 --set batch_size=$batch --rounds 3
  done
} 2>&1 | tee "$results/gpu.txt"
exit "${PIPESTATUS[0]}"
