#!/usr/bin/env bash
# Measures three nodes on this machine, and then, when PostgreSQL's server is
# installed, one PostgreSQL with its default settings, with the same generator.
# Compare within one run only, as ratios: everything shares this machine.
#
#   bench/compare.sh QUORATE [flags of quorate bench]
set -euo pipefail
quorate=$(realpath "$1")
shift
work=$(mktemp -d)
chmod 755 "$work"
dev= postgres=
as_postgres() { if [[ $(id -u) == 0 ]]; then runuser -u postgres -- "$@"; else "$@"; fi; }
finish() {
    if [[ -n $dev ]]; then kill "$dev" 2>/dev/null || true; wait "$dev" || true; fi
    if [[ -n $postgres ]]; then (cd / && as_postgres "$postgres/pg_ctl" -D "$work/pg/data" -m fast stop >/dev/null) || true; fi
    rm -rf "$work"
}
trap finish EXIT

"$quorate" dev --data-dir "$work/cluster" --sql-port 26432 --peer-port 26532 --admin-port 26632 >"$work/dev.out" 2>"$work/dev.err" &
dev=$!
for _ in $(seq 300); do
    grep -q '^psql' "$work/dev.out" && break
    kill -0 "$dev" 2>/dev/null || { cat "$work/dev.err" >&2; exit 1; }
    sleep 0.1
done
urls=$(awk '$4 ~ /^postgres:/ { printf "%s%s", n++ ? "," : "", $4 }' "$work/dev.out")
echo "Quorate, three nodes"
"$quorate" bench --url "$urls" "$@" 2>"$work/bench.err" || { cat "$work/bench.err" >&2; exit 1; }
kill -INT "$dev"
wait "$dev" || true
dev=

postgres=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
if [[ -z $postgres || ! -x $postgres/initdb ]]; then
    echo "PostgreSQL's server is not installed: no comparison"
    postgres=
    exit
fi
mkdir "$work/pg"
if [[ $(id -u) == 0 ]]; then chown postgres "$work/pg"; fi
cd /
as_postgres "$postgres/initdb" -D "$work/pg/data" -U quorate -A trust >/dev/null
as_postgres "$postgres/pg_ctl" -D "$work/pg/data" -w -l "$work/pg/log" \
    -o "-c listen_addresses=localhost -c port=26439 -c unix_socket_directories= -c max_connections=600" start >/dev/null
PGCONNECT_TIMEOUT=5 psql -X -q -c 'create database quorate' postgres://quorate@localhost:26439/postgres
echo "PostgreSQL, one node"
"$quorate" bench --url postgres://quorate@localhost:26439/quorate "$@" 2>"$work/bench.err" || { cat "$work/bench.err" >&2; exit 1; }

# The same statements through PostgreSQL's own generator, so that ours can be
# held against one that is not.
command -v pgbench >/dev/null || exit 0
cat >"$work/write.sql" <<'EOF'
\set k random(0, 9999)
\set v random(0, 1000000000)
insert into bench_kv values (:k, lpad(:v::text, 100, '0')) on conflict (k) do update set v = excluded.v;
EOF
cat >"$work/read.sql" <<'EOF'
\set k random(0, 9999)
select v from bench_kv where k = :k;
EOF
echo "PostgreSQL, one node, by pgbench"
for workload in write read; do
    for clients in 1 64 256; do
        pgbench -n -M prepared -f "$work/$workload.sql" -c "$clients" -j 2 -T 4 postgres://quorate@localhost:26439/quorate 2>/dev/null |
            awk -v w="$workload" -v c="$clients" '/^tps/ { printf "%-9s %-8s %d per second\n", w, c, $3 }'
    done
done
