#!/usr/bin/env bash
# Pins everything that may be installed: for every requirements*.in the .txt beside it, with the
# versions of what it brings along and the hash of every file of every platform; for npm the locks
# in tools/npm. Versions stay as they are unless the .in or package.json asks for others, or all may
# move: `make lock ARGS=--upgrade`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() {
    local from=$1
    shift
    printf '==> %s\n' "${from%.in}.txt" >&2
    # The names of the hosts that served the files are no part of a lock.
    UV_SYSTEM_CERTS=true .venv/bin/uv pip compile --quiet --universal --python-version 3.13 \
        --generate-hashes --no-emit-index-url --no-emit-find-links \
        --custom-compile-command "make lock" "$@" "$from" --output-file "${from%.in}.txt"
}

compile requirements.in "$@"
compile requirements-cli.in -c requirements.txt "$@"
compile requirements-demo.in -c requirements.txt -c requirements-cli.txt "$@"
compile requirements-dev.in -c requirements-demo.txt "$@"
compile requirements-docs.in -c requirements-dev.txt "$@"
compile requirements-bench.in -c requirements-dev.txt "$@"
compile requirements-fuzz.in -c requirements-dev.txt "$@"
compile requirements-mutants.in -c requirements-dev.txt "$@"
compile tools/infra-requirements.in --no-deps "$@"
compile tools/audit-requirements.in "$@"
compile tools/workflow-requirements.in "$@"
compile tools/uv-requirements.in "$@"

for lock in tools/npm/*; do
    printf '==> %s\n' "$lock" >&2
    PATH="$PWD/.venv/bin:$PATH" NPM_CONFIG_UPDATE_NOTIFIER=false .venv/bin/npm install \
        --prefix "$lock" --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts \
        --no-audit --no-fund --loglevel error
done
