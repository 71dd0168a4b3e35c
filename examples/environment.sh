# Sourced by examples/demo.sh and tests/run.sh: makes .venv with cimc from this checkout, or reuses it when complete.
#
#   prepare_environment [EXTRA]     afterwards .venv/bin has python and cimc
#
# PYTHON names the interpreter to use; without it the first Python 3.11 or newer on the path is taken.

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    echo "error: cimc needs Python 3.11 or newer; set PYTHON to its path" >&2
    return 1
}

prepare_environment() {
    local extra="${1:-}" python wanted
    local stamp=".venv/complete-${extra:-base}"
    # What the environment was made from and where; a changed pyproject.toml or a moved checkout installs again.
    wanted="$PWD $(cksum <pyproject.toml)"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && .venv/bin/python -c 'import cimc' >/dev/null 2>&1; then
        return 0
    fi
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        python=$(find_python) || return 1
        echo "making .venv with $("$python" --version)"
        if ! "$python" -m venv --clear .venv; then
            echo "error: $python cannot make a virtual environment (on Debian and Ubuntu: install python3-venv)" >&2
            return 1
        fi
    fi
    echo "installing cimc${extra:+ with its $extra extra} into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".${extra:+[$extra]}" || return 1
    printf '%s\n' "$wanted" >"$stamp"
}
