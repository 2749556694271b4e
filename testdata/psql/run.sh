#!/usr/bin/env bash
# Runs smoke.sql with psql against a cluster of three, through a follower, and
# compares what psql shows with smoke.out. To accept what it shows now:
#
#   REWRITE=1 testdata/psql/run.sh [path of quorate]
#
# Its ports may be moved with SQL_PORT, PEER_PORT and ADMIN_PORT.
set -euo pipefail
source "$(dirname "$0")/../dev.sh"
cd "$(dirname "$0")"

start_dev "${ports[@]}"
url=$(follower)
golden smoke.out psql -X -a -f smoke.sql "$url"
if psql -X -c 'select 1' "${url%/quorate}/other" 2>"$work/other"; then
    fail "a database that does not exist was not refused"
fi
grep -q 'FATAL:  database "other" does not exist' "$work/other" || { cat "$work/other" >&2; fail "that is not why"; }
echo "psql shows what it should"
