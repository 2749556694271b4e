# Sourced by the scripts in the folders beside it, before they go elsewhere: what
# they need to have a cluster of real processes. It makes the directory $work,
# which is removed at the end together with the cluster, and sets $quorate to the
# binary that is their argument, or to one that it builds.

export LC_ALL=C.UTF-8 PGCONNECT_TIMEOUT=5 PSQL_PAGER=cat

work=$(mktemp -d)
dev=
finish() {
    if [[ -n $dev ]]; then kill "$dev" 2>/dev/null || true; wait "$dev" || true; fi
    rm -rf "$work"
}
trap finish EXIT

if [[ -n ${1:-} ]]; then
    quorate=$(realpath "$1")
else
    quorate=$work/quorate
    (cd "$(dirname "${BASH_SOURCE[0]}")/.." && go build -o "$quorate" ./cmd/quorate)
fi

fail() { echo "FAILED: $*" >&2; exit 1; }

# start_dev FLAG… starts a cluster and waits for its table.
start_dev() {
    : >"$work/dev.out" # or the table of the cluster before would be taken for this one's
    "$quorate" dev "$@" >>"$work/dev.out" 2>"$work/dev.err" &
    dev=$!
    for _ in $(seq 300); do
        grep -q '^psql' "$work/dev.out" && return
        kill -0 "$dev" 2>/dev/null || { cat "$work/dev.err" >&2; fail "quorate dev ended"; }
        sleep 0.1
    done
    fail "quorate dev was not ready in 30 s"
}
# ports are flags for a new cluster.
ports=(--sql-port "${SQL_PORT:-24432}" --peer-port "${PEER_PORT:-27432}" --admin-port "${ADMIN_PORT:-28432}")

# of NAME COLUMN prints a cell of dev's table: 2 process id, 4 SQL, 5 admin.
of() { awk -v name="$1" -v column="$2" '$1 == name { print $column }' "$work/dev.out"; }
# follower prints the SQL URL of one.
follower() { awk '$3 == "follower" { print $4; exit }' "$work/dev.out"; }

# golden FILE COMMAND… compares what a command shows with a file, or keeps it
# there when REWRITE is set.
golden() {
    local file=$1 shown=$work/shown
    shift
    "$@" >"$shown" 2>&1 || echo "exit code $?" >>"$shown"
    [[ -z ${REWRITE:-} ]] || cp "$shown" "$file"
    diff -u "$file" "$shown"
}
