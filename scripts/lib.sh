# Sourced by the scripts beside it: makes what they need, says so in a line a step, and is silent when nothing is missing.
# shellcheck shell=bash
#
#   need_python      .venv in the tree, with the packages pinned in requirements.txt and the tree itself on its path
#   need_mosquitto   a mosquitto on the PATH: the system's, Debian's through apt (root), or unpacked into .cache (not root)
#   need_fuse        libfuse for the hung-file test, as root only: without it that test is skipped and says why
#
# PYTHON=python3.11 chooses the interpreter of .venv; otherwise 3.13, 3.11 or whatever python3 is (3.11 or later).
# Where something cannot be had, the command for an administrator is printed and the exit status is 3.

TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$TREE/.venv
PINS=$TREE/scripts/requirements.txt
OLDEST=$TREE/.cache/oldest.txt # the same pins, with those of pyproject.toml's dependencies at their lower bounds
PATH=$PATH:/usr/sbin:/sbin # Debian keeps mosquitto there, off an ordinary user's PATH

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

ask_administrator() { # WHAT COMMAND
    say "$1 is missing and cannot be had from here. Ask an administrator to run:"
    printf '    %s\n' "$2" >&2
    exit 3
}

# One process at a time makes things: two scripts that are started together must not build the same .venv.
alone() { # FUNCTION
    mkdir -p "$TREE/.cache"
    exec 9>"$TREE/.cache/lock"
    flock 9
    "$1"
    exec 9>&-
}

# RUNLEVEL=1 keeps Debian's packages from starting their services: a development machine needs the programs only.
apt_install() { # PACKAGE...
    say "installing $* with apt"
    {
        { apt-get -qq update || true; } &&
            DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -y --no-install-recommends install "$@"
    } >"$TREE/.cache/apt.log" 2>&1 || { tail -n 5 "$TREE/.cache/apt.log" >&2; return 1; }
}

is_root() { [ "$(id -u)" = 0 ]; }

# --- Python ---------------------------------------------------------------------------------------------------------

# Says what the existing .venv is: interpreter, place and pins. A system upgrade, a moved tree or new pins change it.
venv_stamp() { printf '%s\n' "$(readlink -f "$VENV/bin/python")" "$TREE" "$(sha256sum <"$PINS")"; }

venv_is_ready() {
    [ -x "$VENV/bin/python" ] && [ -f "$VENV/.stamp" ] && [ "$(venv_stamp)" = "$(<"$VENV/.stamp")" ] || return 1
    [ -z "${PYTHON:-}" ] || same_version "$PYTHON" "$VENV/bin/python"
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
same_version() { [ "$(version_of "$1")" = "$(version_of "$2")" ]; }
can_run_us() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
can_make_venv() { "$1" -c 'import ensurepip, venv; ensurepip.version()' 2>/dev/null >&2; }

# Prints the first interpreter that is new enough; one that has venv is preferred to one that lacks it.
find_python() {
    local name fallback="" names=(python3.13 python3.11 python3.12 python3 /usr/bin/python3)
    [ -z "${PYTHON:-}" ] || names=("$PYTHON")
    for name in "${names[@]}"; do
        if can_run_us "$name"; then
            can_make_venv "$name" && { "$name" -c 'import sys; print(sys.executable)'; return; }
            fallback=${fallback:-$name}
        fi
    done
    printf '%s\n' "$fallback"
}

make_venv() {
    ! venv_is_ready || return 0 # somebody else made it while we waited for the lock
    local python site
    if ! { [ -x "$VENV/bin/pip" ] && can_run_us "$VENV/bin/python"; } ||
        { [ -n "${PYTHON:-}" ] && ! same_version "$PYTHON" "$VENV/bin/python"; }; then
        python=$(find_python)
        if [ -z "$python" ] || ! can_make_venv "$python"; then
            local packages="${PYTHON:-python3} ${PYTHON:-python3}-venv"
            # Debian splits venv off, a package for each version: python3-venv serves only the default python3.
            [ -z "$python" ] || packages="python$(version_of "$python")-venv"
            # shellcheck disable=SC2086 # a list of packages
            if is_root && apt_install $packages; then python=$(find_python); fi
            { [ -n "$python" ] && can_make_venv "$python"; } ||
                ask_administrator "${PYTHON:-Python 3.11 or later} with venv" "apt-get install -y $packages"
        fi
        say "making ${VENV##*/} with Python $(version_of "$python")"
        rm -f "$VENV/.stamp"
        "$python" -m venv --clear "$VENV"
    fi
    say "installing $(grep -c == "$PINS") pinned packages into ${VENV##*/} (a minute or two, once)"
    # -qq: errors only. Nothing in the tree or in its packages needs a compiler.
    if ! "$VENV/bin/python" -m pip install -qq --disable-pip-version-check --only-binary :all: -r "$PINS"; then
        say "pip could not install ${PINS#"$TREE/"}: is there a way to the package index, or a mirror in pip's configuration?"
        exit 3
    fi
    # The tree on the path, and the command, as an editable install has them; but without a build.
    site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' "$TREE" >"$site/camera-gateway.pth"
    # shellcheck disable=SC2016 # for the script that is written
    printf '#!/bin/sh\nexec "$(dirname "$0")/python" -m gateway "$@"\n' >"$VENV/bin/gateway"
    chmod +x "$VENV/bin/gateway"
    venv_stamp >"$VENV/.stamp"
}

need_python() { venv_is_ready || alone make_venv; }

# The oldest versions that the project accepts, in an environment of their own: .venv-oldest.
use_oldest() {
    need_python
    local python
    for python in "$VENV/bin/python" python3.12 python3.11; do # NumPy 1.26 was never made for later ones
        ! [ "$(version_of "$python")" \< 3.13 ] || break
    done
    can_make_venv "$python" || { say "skipped: the oldest versions want Python 3.11 or 3.12 with venv"; exit 0; }
    PYTHON=$(command -v "$python")
    mkdir -p "$TREE/.cache"
    "$VENV/bin/python" "$TREE/scripts/oldest.py" >"$OLDEST.new"
    mv "$OLDEST.new" "$OLDEST"
    VENV=$TREE/.venv-oldest PINS=$OLDEST
    need_python
}

# --- Mosquitto and libfuse ------------------------------------------------------------------------------------------

UNPACKED=$TREE/.cache/mosquitto

make_mosquitto() {
    ! command -v mosquitto >/dev/null || return 0 # somebody else made it while we waited for the lock
    if is_root; then
        ! apt_install mosquitto || return 0
    else
        say "unpacking Debian's mosquitto into .cache (not root)"
        ! unpack_mosquitto || return 0
    fi
    ask_administrator mosquitto "apt-get install -y mosquitto"
}

# apt itself resolves what this system lacks: no names of libraries, no versions, any suite and architecture.
unpack_mosquitto() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    local deb libraries
    local apt=(apt-get -qq -o "Dir::State::Lists=$UNPACKED/lists" -o "Dir::Cache=$UNPACKED/cache"
        -o "Dir::Cache::archives=$UNPACKED/debs" -o "APT::Sandbox::User=$(id -un)" -o Debug::NoLocking=1)
    mkdir -p "$UNPACKED"/{bin,root,lists/partial,cache,debs/partial}
    { "${apt[@]}" update >"$TREE/.cache/apt.log" 2>&1 &&
        "${apt[@]}" --download-only --no-install-recommends -y install mosquitto >>"$TREE/.cache/apt.log" 2>&1; } ||
        { tail -n 5 "$TREE/.cache/apt.log" >&2; return 1; }
    for deb in "$UNPACKED"/debs/*.deb; do dpkg -x "$deb" "$UNPACKED/root" || return 1; done
    libraries=$(find "$UNPACKED/root" -type d -name '*-linux-gnu*' -path '*/lib/*' | paste -sd:)
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$libraries" "$UNPACKED/root/usr/sbin/mosquitto" \
        >"$UNPACKED/bin/mosquitto"
    rm -rf "$UNPACKED"/{lists,cache,debs}
    chmod +x "$UNPACKED/bin/mosquitto"
    [[ $("$UNPACKED/bin/mosquitto" -h 2>&1) == mosquitto\ version* ]] || { rm "$UNPACKED/bin/mosquitto"; return 1; }
}

need_mosquitto() {
    PATH=$PATH:$UNPACKED/bin # the system's own comes first
    command -v mosquitto >/dev/null || alone make_mosquitto
}

make_fuse() { apt_install fuse3 || say "libfuse is missing: the test of a hung file will be skipped"; }

need_fuse() {
    ! is_root || command -v fusermount3 >/dev/null || command -v fusermount >/dev/null || alone make_fuse
}
