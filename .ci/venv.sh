#!/bin/sh
# Makes .venv, unless it is there and works, with a Python of at least 3.11: the one in $PYTHON, else the fastest that is found.
# One built without optimisations (pyenv's default) took 17 % more processor time to ingest the same spans than Debian's.
set -eu

if .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    exit 0
fi

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

# Prints the microseconds that a small program takes and the Python's path; nothing where it is too old, unfinished or cannot make
# virtual environments.
speed='
import ensurepip, sys, time, venv
if sys.version_info < (3, 11) or sys.version_info.releaselevel != "final":
    sys.exit(1)
def work():
    seen = {}
    for number in range(30_000):
        entry = seen.setdefault("key %d" % (number & 63), [0, ""])
        entry[0] += number
        if isinstance(entry, list) and entry[1].startswith("x"):
            entry[1] = str(number)
def took():
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
print(round(min(took() for _ in range(5)) * 1e6), sys.executable)
'

candidates() {
    IFS=:
    for directory in $PATH; do
        for name in python3.11 python3.12 python3.13 python3.14 python3 python; do
            if [ -x "$directory/$name" ] && [ ! -d "$directory/$name" ]; then
                echo "$directory/$name"
            fi
        done
    done
    unset IFS
}

if [ -n "${PYTHON:-}" ]; then
    found=$PYTHON
else
    found=$(candidates | while read -r python; do "$python" -c "$speed" </dev/null 2>/dev/null || true; done | sort -n | head -n 1 | cut -d ' ' -f 2-)
fi

# None can make virtual environments yet.
if [ -z "$found" ]; then
    found=$(candidates | while read -r python; do "$python" -c "$new_enough" </dev/null 2>/dev/null && echo "$python"; done | head -n 1)
fi
if [ -z "$found" ] || ! "$found" -c "$new_enough" 2>/dev/null; then
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

echo "Making .venv with $found"
"$found" -m venv --clear .venv
