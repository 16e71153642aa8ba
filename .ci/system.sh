#!/bin/sh
# Brings what some tests need of the system: a PostgreSQL server of version 15 or newer, and chromium. Installs them where it may
# (root, apt-get), else says the one command. Without them the tests on them are left out, and say so.
set -u

missing=
postgres=no
for initdb in /usr/lib/postgresql/*/bin/initdb; do
    version=${initdb#/usr/lib/postgresql/}
    version=${version%%/*}
    if [ -x "$initdb" ] && [ "$version" -ge 15 ] 2>/dev/null; then
        postgres=yes
    fi
done
if [ "$postgres" = no ] && ! command -v initdb >/dev/null 2>&1; then
    missing="$missing postgresql"
fi
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing for the tests:$missing"
    # shellcheck disable=SC2086
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null && exit 0
fi
echo "Some tests are left out, because this is not installed:$missing. To run them too: sudo apt-get install$missing"
