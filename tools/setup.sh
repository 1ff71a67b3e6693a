#!/usr/bin/env bash
# Make .venv with everything that running and testing NucLoop needs. Quick when nothing changed.
# The versions are those of requirements/lock.txt, so tomorrow's are today's; tools/update_lock.py renews them.
# PYTHON=/path/to/python chooses the interpreter (3.11 or newer).
# LOCK=versions compares the lock's versions and not its hashes: for a build of torch of one's own choice.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
venv_python=$venv/bin/python
stamp=$venv/.nucloop-setup
lock=requirements/lock.txt
wanted='.[app,cluster,dev,dev-app]'
system_packages=(
    xvfb xauth libgl1 libegl1 libopengl0 libgl1-mesa-dri libglib2.0-0 libdbus-1-3 fontconfig
    libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0
    libxcb-render-util0 libxcb-shape0 libxcb-xinerama0
)

say() { printf 'setup: %s\n' "$*" >&2; }

recent_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.11 python3; do
        # A version manager's shim may be on the path and still not run, so it is tried.
        if recent_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

missing_packages() {
    local package
    for package in "$@"; do
        # Newer Debian and Ubuntu renamed some libraries to NAMEt64 and still install them by the old name.
        grep -qx installed < <(dpkg-query -W -f='${db:Status-Status}\n' "$package" "${package}t64" 2>/dev/null) ||
            printf '%s\n' "$package"
    done
}

apt_install() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            say "these system packages are missing and need an administrator. Type this line, then start again:"
            say "    sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
            return 1
        fi
        as_root=(sudo -n)
    fi
    say "installing system packages: $*"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

install_system_packages() {
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || return 0
    local missing
    mapfile -t missing < <(missing_packages "${system_packages[@]}")
    # Without them the core still works; a window does not open, and the command that needs one says so.
    [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}" || say "going on without them."
}

make_venv() {
    local python
    if ! python=$(find_python); then
        if command -v apt-get >/dev/null && apt_install python3 python3-venv; then
            python=$(find_python) || true
        fi
    fi
    if [ -z "${python:-}" ]; then
        say "no Python 3.11 or newer was found. Install one, or name it: PYTHON=/path/to/python make run"
        exit 1
    fi
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null && command -v apt-get >/dev/null; then
        apt_install "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv" || exit 1
    fi
    say "making $venv with $("$python" --version)"
    rm -f "$venv" 2>/dev/null || true
    "$python" -m venv --clear "$venv"
}

pip_install() {
    "$venv_python" -m pip install --quiet --disable-pip-version-check "$@"
}

lock_is_for_this_python() {
    local version
    version=$("$venv_python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    grep -qF "\"Programming Language :: Python :: $version\"" pyproject.toml
}

# Only wheels: a package that would have to be compiled is one that the lock has no file of for this machine.
install_locked() {
    pip_install --require-hashes --only-binary :all: -r "$lock" &&
        pip_install --no-deps --no-build-isolation -e .
}

install_locked_versions() {
    local versions=build/versions.txt
    sed -n 's/^\([a-z0-9].*\) \\$/\1/p' "$lock" >"$versions"
    # In the environment it also reaches the small one in which pip builds NucLoop.
    PIP_CONSTRAINT=$versions PIP_BUILD_CONSTRAINT=$versions pip_install -e "$wanted"
}

install_newest() {
    say "$1, so the newest versions that pyproject.toml allows are installed. Nobody has tested these together."
    pip_install -e "$wanted"
}

install_package() {
    local words=build/setup-pip.log install=install_locked
    say "installing NucLoop and what it needs (some minutes the first time)"
    "$venv_python" -m pip --version >/dev/null 2>&1 || "$venv_python" -m ensurepip --upgrade >/dev/null
    if ! lock_is_for_this_python; then
        install_newest "$lock is not made for $("$venv_python" --version)"
        return
    fi
    [ "${LOCK:-}" != versions ] || install=install_locked_versions
    "$install" 2>&1 | tee "$words" >&2 && return
    if grep -q 'DO NOT MATCH THE HASHES' "$words"; then
        say "a file is not the one that $lock names; nothing was installed in its place. If that file is a build of"
        say "torch that your pip is told to take, start again with LOCK=versions, which compares versions only."
        exit 1
    fi
    grep -qE 'No matching distribution found|ResolutionImpossible' "$words" || return 1
    install_newest "pip has no file for this machine of a version that $lock names (it is named above)"
}

# The place counts too: a moved or copied checkout would otherwise import the old one's source.
fingerprint=$({ pwd -P; printf '%s\n' "${LOCK:-}"; cat pyproject.toml tools/setup.sh "$lock"; } | cksum)

up_to_date() {
    [ "$(cat "$stamp" 2>/dev/null)" = "$fingerprint" ] && recent_enough "$venv_python"
}

install_system_packages
up_to_date && exit 0

mkdir -p build
if command -v flock >/dev/null; then
    exec 9>build/setup.lock
    flock 9
    up_to_date && exit 0
fi

found_venv=false
if recent_enough "$venv_python"; then
    found_venv=true
else
    make_venv
fi
if ! install_package; then
    if ! $found_venv; then
        say "the installation failed; pip's own words are above. Correct that and start again."
        exit 1
    fi
    say "$venv was there before and cannot be completed; making it anew"
    make_venv
    install_package
fi
printf '%s\n' "$fingerprint" >"$stamp"
