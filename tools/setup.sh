#!/usr/bin/env bash
# Puts what the project needs beside it: packages in .venv, Azurite and the checkers of infra/ in
# .tools. What may be installed stands in locks, with hashes: `make lock` makes them.
#   tools/setup.sh          all that `make test` needs
#   tools/setup.sh demo     only what `make run` needs
# Run it again at any time: a step whose input has not changed is skipped. With --quiet it says
# nothing when there is nothing to do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.venv
TOOLS=.tools
NPM=tools/npm
LOG=$TOOLS/setup.log

# With the seconds since the start: a first time takes a while, and one wants to see it move.
say() { printf '==> %3d s  %s\n' "$SECONDS" "$*" >&2; }

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# Runs a command quietly; shows the end of its output when it fails.
quietly() {
    if ! "$@" >>"$LOG" 2>&1 </dev/null; then
        tail -n 12 "$LOG" >&2
        fail "this step failed, see above: $1 (all of its output: $LOG)"
    fi
}

# A step that is about to be done: what it is and why it may take a while.
step() {
    : >"$TOOLS/work.done"
    say "$@"
}

# A name on PATH is not enough: a pyenv shim exists for versions that are not active, and fails;
# Debian's python3.13 cannot make virtual environments before python3.13-venv is installed.
is_python_313() {
    [[ "$("$1" -c 'import ensurepip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" == 3.13 ]]
}

find_python() {
    local candidate
    for candidate in \
        python3.13 \
        "${PYENV_ROOT:-${HOME:-/root}/.pyenv}"/versions/3.13*/bin/python3.13 \
        /usr/local/bin/python3.13 /opt/homebrew/bin/python3.13 \
        python3; do
        if is_python_313 "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    if command -v pyenv >/dev/null; then
        fail "Python 3.13 is missing; install it with: pyenv install 3.13"
    fi
    fail "Python 3.13 is missing; install it with: sudo apt install python3.13-venv" \
        "(or: curl https://pyenv.run | bash, then pyenv install 3.13)"
}

# What a step was made from; the step is done again when this changes.
print_of() { cat "$@" | cksum; }

is_done() { [[ -f $TOOLS/$1.done && "$(<"$TOOLS/$1.done")" == "$2" ]]; }

mark_done() { printf '%s\n' "$2" >"$TOOLS/$1.done"; }

make_venv() {
    if [[ -x $VENV/bin/python ]] && is_python_313 "$VENV/bin/python"; then
        return
    fi
    local python
    python=$(find_python)
    step "creating $VENV with $("$python" --version) ($python)"
    rm -rf "$VENV" "$TOOLS"/uv.done "$TOOLS"/packages-*.done
    quietly "$python" -m venv "$VENV"
}

# Only the files whose hashes stand in the lock are installed, whatever an index offers. uv takes a
# fifth of pip's time; where it cannot reach an index that pip's own configuration names, pip does it.
install_locked() {
    local python=$1
    shift
    if UV_SYSTEM_CERTS=true UV_CACHE_DIR="$PWD/$TOOLS/uv" "$VENV/bin/uv" pip install \
        --python "$python" --require-hashes "$@" >>"$LOG" 2>&1 </dev/null; then
        return
    fi
    say "uv could not install $* (why: $LOG); pip tries"
    pip_install "$python" "$@"
}

pip_install() {
    local python=$1
    shift
    quietly "$VENV/bin/python" -m pip --python "$python" --disable-pip-version-check --no-input \
        install --progress-bar off --require-hashes "$@"
}

install_uv() {
    local made_from
    made_from=$(print_of tools/uv-requirements.txt)
    if is_done uv "$made_from" && [[ -x $VENV/bin/uv ]]; then
        return
    fi
    step "installing uv, which installs the other packages"
    pip_install "$VENV/bin/python" -r tools/uv-requirements.txt
    mark_done uv "$made_from"
}

# The packages of one lock: requirements-demo.txt or requirements-dev.txt, which contains it.
install_packages() {
    local lock=requirements-$1.txt made_from
    made_from=$(print_of "$lock")
    if is_done "packages-$1" "$made_from"; then
        return
    fi
    step "installing the Python packages of $lock"
    install_locked "$VENV/bin/python" -r "$lock"
    mark_done "packages-$1" "$made_from"
}

install_azurite() {
    local made_from
    made_from=$(print_of "$NPM"/azurite/*)
    if is_done azurite "$made_from" && [[ -d $TOOLS/node_modules/azurite ]]; then
        return
    fi
    step "installing Azurite, the storage emulator, with the Node of $VENV"
    npm_install azurite "$TOOLS"
    mark_done azurite "$made_from"
}

# Installs the npm packages of one lock into a folder, with the Node of the project: exactly those
# versions, and only with the digests that stand there.
npm_install() {
    local lock=$NPM/$1 folder=$2
    mkdir -p "$folder"
    cp "$lock/package.json" "$lock/package-lock.json" "$folder/"
    # The cache is kept out of the home directory, which may be missing or another user's. Node has
    # certificates of its own; the system's are added, because a company's proxy may need them.
    PATH="$PWD/$VENV/bin:$PATH" NPM_CONFIG_CACHE="$PWD/$TOOLS/npm-${lock##*/}" \
        NPM_CONFIG_UPDATE_NOTIFIER=false NODE_EXTRA_CA_CERTS="$(certificates)" \
        quietly "$VENV/bin/npm" ci --prefix "$folder" --ignore-scripts --no-audit --no-fund \
        --loglevel error
    rm -rf "$TOOLS/npm-${lock##*/}"
}

# checkov and pycep apart from the project's packages, whose versions they would change; Kusto's
# language service; and azmcp, which carries Azure's resource types.
install_checkers() {
    local made_from
    made_from=$(print_of tools/infra-requirements.txt "$NPM"/infra/*)
    if is_done infra "$made_from" && [[ -x $TOOLS/infra/venv/bin/checkov ]]; then
        return
    fi
    step "installing the checkers of infra/: checkov, pycep, Kusto, Azure's types (half a minute)"
    rm -rf "$TOOLS/infra"
    quietly "$VENV/bin/python" -m venv --without-pip "$TOOLS/infra/venv"
    install_locked "$TOOLS/infra/venv/bin/python" --no-deps -r tools/infra-requirements.txt
    if [[ $(uname -sm) != "Linux x86_64" ]]; then
        say "azmcp is installed on Linux x86_64 only: make infra-check will say what it cannot check"
    fi
    npm_install infra "$TOOLS/infra"
    # npm leaves the program without the right to be run, as it does not run install scripts.
    find "$TOOLS/infra/node_modules" -name azmcp -type f -exec chmod +x {} +
    mark_done infra "$made_from"
}

# What looks at the workflows of .github.
install_workflow_checkers() {
    local made_from
    made_from=$(print_of tools/workflow-requirements.txt "$NPM"/workflows/*)
    if is_done workflows "$made_from" && [[ -x $TOOLS/workflows/venv/bin/zizmor ]]; then
        return
    fi
    step "installing the checkers of workflows: zizmor, actionlint"
    rm -rf "$TOOLS/workflows"
    quietly "$VENV/bin/python" -m venv --without-pip "$TOOLS/workflows/venv"
    install_locked "$TOOLS/workflows/venv/bin/python" -r tools/workflow-requirements.txt
    npm_install workflows "$TOOLS/workflows"
    mark_done workflows "$made_from"
}

# axe, which looks at the pages as people who cannot see them would.
install_axe() {
    local made_from
    made_from=$(print_of "$NPM"/browser/*)
    if is_done axe "$made_from" && [[ -f $TOOLS/browser/node_modules/axe-core/axe.min.js ]]; then
        return
    fi
    step "installing axe, the accessibility checker"
    npm_install browser "$TOOLS/browser"
    mark_done axe "$made_from"
}

# Microsoft's renderer of Adaptive Cards, and the markdown it leaves to whoever shows them.
install_renderer() {
    local made_from
    made_from=$(print_of "$NPM"/cards/*)
    if is_done cards "$made_from" && [[ -d $TOOLS/cards/node_modules/adaptivecards ]]; then
        return
    fi
    step "installing adaptivecards, which draws cards as Teams does"
    npm_install cards "$TOOLS/cards"
    mark_done cards "$made_from"
}

# The browser the pages are tested in is the system's: its libraries come with it. Where it cannot
# be installed from here, the tests of the pages fail and say how.
find_browser() {
    local candidate
    for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
        if [[ -n $candidate ]] && command -v "$candidate" >/dev/null; then
            return
        fi
    done
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        step "installing Chromium, in which the pages are tested (about a minute)"
        if { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes \
            --no-install-recommends chromium; } >>"$LOG" 2>&1 </dev/null; then
            return
        fi
    fi
    say "there is no Chromium, in which the pages are tested: sudo apt install chromium" \
        "(or set CHROMIUM to a browser's path)"
}

certificates() {
    local bundle
    for bundle in "${NODE_EXTRA_CA_CERTS:-}" \
        /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/cert.pem; do
        if [[ -n $bundle && -r $bundle ]]; then
            printf '%s\n' "$bundle"
            return
        fi
    done
}

# Steps that do not need each other, at the same time, each with a log of its own. All of them end
# before a failure of one ends this.
do_together() {
    local name failed=no
    local -A started
    for name in "$@"; do
        (LOG=$TOOLS/setup-$name.log && : >"$LOG" && "$name") &
        started[$name]=$!
    done
    for name in "$@"; do
        wait "${started[$name]}" || failed=yes
    done
    [[ $failed == no ]] || exit 1
}

wanted=dev
quiet=no
for argument in "$@"; do
    case $argument in
        demo) wanted=demo ;;
        --quiet) quiet=yes ;;
        *) fail "unknown argument $argument; known: demo, --quiet" ;;
    esac
done

mkdir -p "$TOOLS"
: >"$LOG"
rm -f "$TOOLS/work.done"
make_venv
install_uv
install_packages demo
if [[ $wanted == demo ]]; then
    install_azurite
else
    install_packages dev
    do_together install_azurite install_checkers install_workflow_checkers install_axe \
        install_renderer find_browser
fi
if [[ -f $TOOLS/work.done ]]; then
    say "ready"
elif [[ $quiet == no ]]; then
    say "everything is in place"
fi
