#!/bin/sh
# The tests with the other Python versions that this machine has, each in a virtual environment of its own; without those
# that kill and restart daemons by the hundred, for these are about the disk. Called by `make versions`.
set -u
own=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ran= failed= missing=
for version in 3.11 3.12 3.13 3.14; do
    [ "$version" = "$own" ] && continue
    if ! "python$version" -c 'import ensurepip, venv' 2>/dev/null; then  # not there, or a shim that leads nowhere
        missing="$missing $version"
    elif make --no-print-directory test VENV=".venv/$version" PYTHON="python$version" \
        ARGS='-q --ignore=tests/scenarios --ignore=tests/crash --ignore=tests/model --ignore=tests/fuzz'; then
        ran="$ran $version"
    else
        failed="$failed $version"
    fi
done
echo "versions: passed with${ran:- none}; failed with${failed:- none}; not found:${missing:- none}"
[ -z "$failed" ]
