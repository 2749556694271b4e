#!/usr/bin/env bash
# Lets PostgreSQL's usual drivers work on a cluster of three, through a follower,
# and compares what they show with NAME.out. To accept what they show now:
#
#   REWRITE=1 testdata/clients/run.sh [path of quorate]
#
# It needs Debian's python3-psycopg2, python3-psycopg, libpostgresql-jdbc-java and
# a JDK.
set -euo pipefail
export PGCONNECT_TIMEOUT=5 LC_ALL=C.UTF-8
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
"$quorate" dev --sql-port "${SQL_PORT:-26432}" --peer-port "${PEER_PORT:-27632}" --admin-port "${ADMIN_PORT:-28632}" >"$work/dev.out" 2>"$work/dev.err" &
dev=$!
for _ in $(seq 300); do
    grep -q '^psql' "$work/dev.out" && break
    kill -0 "$dev" 2>/dev/null || { cat "$work/dev.err" >&2; exit 1; }
    sleep 0.1
done
follower=$(awk '$3 == "follower" { print $4; exit }' "$work/dev.out")

compare() {
    local name=$1
    shift
    "$@" >"$work/$name" 2>&1 || echo "exit code $?" >>"$work/$name"
    [[ -z ${REWRITE:-} ]] || cp "$work/$name" "$name.out"
    diff -u "$name.out" "$work/$name"
}
# Debian's own python3 is the one that has Debian's packages.
compare psycopg2 /usr/bin/python3 psycopg2_smoke.py "$follower"
compare psycopg3 /usr/bin/python3 psycopg3_smoke.py "$follower"
compare jdbc java -Dfile.encoding=UTF-8 -Dstdout.encoding=UTF-8 -cp /usr/share/java/postgresql.jar Jdbc.java "${follower/postgres:\/\/quorate@/postgresql://}"
echo "psycopg2, psycopg 3 and JDBC show what they should"
