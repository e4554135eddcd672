#!/bin/sh
# The tests with the other Python versions that this machine has, on PATH or installed by pyenv, each in a virtual
# environment of its own; without those that kill and restart daemons by the hundred, for these are about the disk, and
# without those that are about other programs.
# Called by `make versions`.
set -u

find_python() {
    for python in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1."*/bin/"python$1"; do
        # It may be missing, or a shim that leads nowhere.
        "$python" -c 'import ensurepip, venv' 2>/dev/null && echo "$python" && return
    done
    return 1
}

own=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ran= failed= missing=
without='--ignore=tests/scenarios --ignore=tests/crash --ignore=tests/model --ignore=tests/fuzz --ignore=tests/deploy'
without="$without --ignore=tests/status/test_page.py"
for version in 3.11 3.12 3.13 3.14; do
    [ "$version" = "$own" ] && continue
    if ! python=$(find_python "$version"); then
        missing="$missing $version"
        continue
    fi
    echo "the tests with $("$python" --version)"
    if make --no-print-directory test VENV=".venv/$version" PYTHON="$python" \
        ARGS="-q $without"; then
        ran="$ran $version"
    else
        failed="$failed $version"
    fi
done
echo "versions: passed with${ran:- none}; failed with${failed:- none}; not found:${missing:- none}; make test runs $own"
[ -z "$failed" ]
