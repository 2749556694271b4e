#!/usr/bin/env bash
# Real input: loads this machine's own package database through psql into a
# cluster of three processes, kills the leader with SIGKILL half way, finishes
# through another node, and shows that nothing was lost or doubled: every node,
# asked to answer from its own copy, gives the same rows, and they are the rows
# that dpkg-query gave. Then the killed node is started again and must show the
# same.
#
#   testdata/packages/load.sh [path of quorate]
#
# It needs dpkg-query and psql. Its ports may be moved with SQL_PORT, PEER_PORT
# and ADMIN_PORT.
set -euo pipefail
source "$(dirname "$0")/../dev.sh"

# status asks the node that is named.
status() { "$quorate" status --endpoint "$(of "$1" 5)"; }
sql() { local node=$1; shift; psql -X -q -v ON_ERROR_STOP=1 "$@" "$(of "$node" 4)"; }

# One record a package, fields separated by byte 037, records by 036.
f=$'\037' r=$'\036'
dpkg-query -W -f "\${Package}$f\${Version}$f\${Architecture}$f\${Section}$f\${Installed-Size}$f\${Description}$r" >"$work/records"
total=$(tr -cd "$r" <"$work/records" | wc -c)
(( total > 0 )) || fail "dpkg-query knows no packages"

# Each becomes one INSERT, in two files. ON CONFLICT makes it harmless to send
# one again when it is not known whether it has taken effect.
awk -v RS="$r" -v FS="$f" -v q="'" -v half="$((total / 2))" -v first="$work/first.sql" -v second="$work/second.sql" '
    function text(s) { gsub(q, q q, s); return q s q }
    NF == 6 {
        printf "insert into packages values (%s, %s, %s, %s, %s, %s) on conflict (name, architecture) do nothing;\n",
            text($1), text($2), text($3), text($4), ($5 == "" ? "null" : $5), text($6) > (++n <= half ? first : second)
    }' "$work/records"

# The same rows in the form in which psql prints them, in byte order.
checksum() { LC_ALL=C sort -z | sha256sum | cut -c 1-16; }
expected=$(tr "$r" '\0' <"$work/records" | checksum)

columns='name, version, architecture, section, installed_kib, description'
# of_node NODE prints count and checksum of the node's own copy.
of_node() {
    sql "$1" -A -t -0 -F "$f" -c "set quorate.read_consistency = 'stale'" -c "select $columns from packages" >"$work/rows"
    echo "$(tr -cd '\0' <"$work/rows" | wc -c) $(checksum <"$work/rows")"
}

# await_equal COUNT waits until so many nodes answer with one applied index.
await_equal() {
    for _ in $(seq 200); do
        status "$survivor" >"$work/status" || true
        if awk -v want="$1" 'NR > 1 && $2 != "unreachable" { n++; seen[$4] } END { exit !(n == want && length(seen) == 1) }' "$work/status"; then
            cat "$work/status"
            return
        fi
        sleep 0.1
    done
    cat "$work/status" >&2
    fail "the nodes did not come to one applied index in 20 s"
}

# compare NODE… prints a row a node and fails when one differs.
compare() {
    local node found
    echo "NODE   ROWS  SHA-256 OF THE ROWS"
    echo "dpkg   $total  $expected"
    for node in "$@"; do
        found=$(of_node "$node")
        echo "$node     ${found/ /  }"
        [[ $found == "$total $expected" ]] || fail "$node differs from what dpkg-query gave"
    done
}

start_dev --data-dir "$work/cluster" "${ports[@]}"
leader=$(status n1 | awk '$2 == "leader" { print $1 }')
survivors=()
for node in n1 n2 n3; do [[ $node == "$leader" ]] || survivors+=("$node"); done
survivor=${survivors[0]}

sql "$leader" -c 'create table packages (name text, version text, architecture text, section text,
    installed_kib bigint, description text, primary key (name, architecture))'
echo "loading $((total / 2)) of $total packages through the leader, $leader"
sql "$leader" -f "$work/first.sql"
echo "loading the others through $leader, and killing it (process $(of "$leader" 2)) meanwhile"
sql "$leader" -f "$work/second.sql" 2>"$work/psql.err" &
psql=$!
loaded=0
while (( loaded <= total / 2 )) && kill -0 "$psql" 2>/dev/null; do
    loaded=$(sql "$survivor" -A -t -c 'select count(*) from packages')
done
kill -KILL "$(of "$leader" 2)"
wait "$psql" || echo "its psql says: $(head -n 1 "$work/psql.err")"
echo "loading them all again through $survivor"
for attempt in 1 2 3 4 5; do
    sql "$survivor" -f "$work/second.sql" 2>"$work/psql.err" && break
    (( attempt < 5 )) || { cat "$work/psql.err" >&2; fail "$survivor did not take the rows"; }
    echo "an error during the switch, trying again: $(head -n 1 "$work/psql.err")"
done

await_equal 2
compare "${survivors[@]}"

echo "stopping all, starting all three again"
kill -INT "$dev"
wait "$dev" || fail "quorate dev did not stop cleanly"
start_dev --data-dir "$work/cluster"
await_equal 3
compare n1 n2 n3
echo "equal: $total packages on three nodes"
