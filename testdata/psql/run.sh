#!/usr/bin/env bash
# Runs smoke.sql with psql against a cluster of three, through a follower, and
# compares what psql shows with smoke.out. To accept what it shows now:
#
#   REWRITE=1 testdata/psql/run.sh [path of quorate]
set -euo pipefail
export PGCONNECT_TIMEOUT=5 PSQL_PAGER=cat
cd "$(dirname "$0")"

work=$(mktemp -d)
dev=
finish() {
    if [[ -n $dev ]]; then kill "$dev" 2>/dev/null || true; wait "$dev" || true; fi
    rm -rf "$work"
}
trap finish EXIT

quorate=${1:-}
if [[ -z $quorate ]]; then
    quorate=$work/quorate
    (cd ../.. && go build -o "$quorate" ./cmd/quorate)
fi
"$quorate" dev --sql-port "${SQL_PORT:-25432}" --peer-port "${PEER_PORT:-27532}" --admin-port "${ADMIN_PORT:-28532}" >"$work/dev.out" 2>"$work/dev.err" &
dev=$!
for _ in $(seq 300); do
    grep -q '^psql' "$work/dev.out" && break
    kill -0 "$dev" 2>/dev/null || { cat "$work/dev.err" >&2; exit 1; }
    sleep 0.1
done
follower=$(awk '$3 == "follower" { print $4; exit }' "$work/dev.out")
psql -X -a -f smoke.sql "$follower" >"$work/smoke.out" 2>&1
if [[ -n ${REWRITE:-} ]]; then
    cp "$work/smoke.out" smoke.out
fi
diff -u smoke.out "$work/smoke.out"
if psql -X -c 'select 1' "${follower%/quorate}/other" 2>"$work/other"; then
    echo "a database that does not exist was not refused" >&2
    exit 1
fi
grep -q 'FATAL:  database "other" does not exist' "$work/other" || { cat "$work/other" >&2; exit 1; }
echo "psql shows what it should"
