#!/bin/sh
# Makes .venv, unless it is there and works, with a Python of at least 3.11: the one in $PYTHON, else the first that is found.
set -eu

if .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    exit 0
fi

for python in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3.14 python3 python; do
    if command -v "$python" >/dev/null 2>&1 && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        found=$python
        break
    fi
done
if [ -z "${found:-}" ]; then
    echo "Clew needs Python 3.11 or newer; on Debian: apt-get install python3 python3-venv" >&2
    exit 1
fi

# Debian keeps what makes a virtual environment in a package of its own.
if ! "$found" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "python$version-venv" >/dev/null
    else
        echo "This Python cannot make virtual environments; on Debian: sudo apt-get install python$version-venv" >&2
        exit 1
    fi
fi

"$found" -m venv --clear .venv
