#!/usr/bin/env bash
# Compile a bundled network for two chips and check it on real images. Needs Python 3.11 and pip, nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source examples/environment.sh
prepare_environment

data=cimc/examples
for target in ideal puma; do
    command=(cimc verify "$data/digits_plain.onnx" --target "$target"
        --calibration "$data/digits_calibration.npz" --data "$data/digits_test.npz" --limit 64)
    printf '\n$ %s\n' "${command[*]}"
    ".venv/bin/${command[0]}" "${command[@]:1}"
done
