#!/usr/bin/env bash
# Everything that needs a CUDA device: the gpu-marked tests, then the updates per second of a paper-size run.
#
#     benchmarks/gpu.sh [RESULTS_FOLDER]        PYTHON=... chooses the interpreter (default: .venv/bin/python)
#
# Leaves gpu.txt with device, versions and date. Stops with status 1 where there is no device.
set -euo pipefail
cd "$(dirname "$0")/.."
results="${1:-benchmarks/results}"
python="${PYTHON:-.venv/bin/python}"
"$python" -c 'import sys, torch; sys.exit(None if torch.cuda.is_available() else "gpu.sh: torch sees no CUDA device")'
mkdir -p "$results"
{
  date -u +%F
  "$python" -c 'import torch; print(torch.cuda.get_device_name(), "torch", torch.__version__, "CUDA", torch.version.cuda)'
  "$python" -m pytest -q -m gpu tests/test_gpu.py
  for seeds in 1 3 5 10 20; do
    echo "AWAC, Table 2 sizes, $seeds packed seeds:"
    "$python" -m suite.cli run --algo awac --env relocate-binary --profile paper --device cuda --seeds "$seeds" --dry-run |
      grep '^estimate'
  done
} | tee "$results/gpu.txt"
