#!/usr/bin/env bash
# Asks for known vulnerabilities of everything that is locked: PyPI's advisories for Python, npm's
# for Node. What could not be asked about is a failure and not "no holes found"; a mirror that has
# files and no advisories is such a case. Nothing of it is part of `make test`: an advisory of today
# says nothing about the change at hand.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=.tools/audit

if [[ ! -x $VENV/bin/pip-audit ]]; then
    .venv/bin/python -m venv "$VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        -r tools/audit-requirements.txt
fi

status=0
for lock in requirements.txt requirements-demo.txt requirements-dev.txt requirements-docs.txt requirements-bench.txt requirements-fuzz.txt \
    requirements-mutants.txt \
    tools/infra-requirements.txt tools/audit-requirements.txt tools/workflow-requirements.txt; do
    printf '==> %s\n' "$lock" >&2
    "$VENV/bin/pip-audit" --strict --require-hashes --disable-pip --progress-spinner off \
        -r "$lock" || status=1
done
for lock in tools/npm/*; do
    printf '==> %s\n' "$lock" >&2
    PATH="$PWD/.venv/bin:$PATH" .venv/bin/npm audit --prefix "$lock" --package-lock-only || status=1
done
if [[ $status != 0 ]]; then
    echo "audit: there are holes, or something could not be asked about: see above" >&2
fi
exit "$status"
