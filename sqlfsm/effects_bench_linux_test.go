package sqlfsm

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"quorate/internal/value"
	"quorate/sqlplan"

	"golang.org/x/sys/unix"
)

// BenchmarkApplyDigest applies the same entries on two machines in turn, one of
// which does not look at rows, and reports what the digest costs: the median, over
// the pairs of turns, of what the first takes longer, in percent; and the medians
// of both, in ns an entry, of the time that the thread had a processor for
// itself: a busy machine makes no difference.
//
//	go test -run '^$' -bench ApplyDigest -benchtime 300x ./sqlfsm
func BenchmarkApplyDigest(b *testing.B) {
	upsert := plan(`INSERT INTO kv VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = excluded.v`)
	key := func(i int) value.Value { return value.Int(int64(uint32(i*2654435761) % 10_000)) }
	text := func(i int) value.Value { return value.String(fmt.Sprintf("%0100d", i)) }
	for _, work := range []struct {
		name           string
		batch, batches int // of entries; a turn
		entry          func(i int) sqlplan.Bound
	}{
		{"upserts/batch=1", 1, 64, func(i int) sqlplan.Bound { return sqlplan.Bound{Plan: upsert, Args: []value.Value{key(i), text(i)}} }},
		{"upserts/batch=8", 8, 16, func(i int) sqlplan.Bound { return sqlplan.Bound{Plan: upsert, Args: []value.Value{key(i), text(i)}} }},
		{"upserts/batch=64", 64, 4, func(i int) sqlplan.Bound { return sqlplan.Bound{Plan: upsert, Args: []value.Value{key(i), text(i)}} }},
		{"upserts/batch=256", 256, 1, func(i int) sqlplan.Bound { return sqlplan.Bound{Plan: upsert, Args: []value.Value{key(i), text(i)}} }},
		{"inserts/batch=64", 64, 4, func(i int) sqlplan.Bound {
			return bound(`INSERT INTO wide (a, b, c, d, e, f) VALUES (?1, ?2, 'c', 4, 5.5, ?1)`, value.Int(int64(i)), text(i))
		}},
		{"updates/batch=64", 64, 4, func(i int) sqlplan.Bound {
			return bound(`UPDATE wide SET d = ?2 WHERE id = ?1`, value.Int(int64(i%10_000+1)), value.Int(int64(i)))
		}},
		{"100 rows an insert", 1, 1, func(i int) sqlplan.Bound {
			return bound(`INSERT INTO wide (a, b) WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT ?1, i FROM n`, value.Int(int64(i)))
		}},
	} {
		b.Run(work.name, func(b *testing.B) {
			var l log
			machines := [2]*FSM{openTest(b), openTest(b)}
			machines[0].writer.db.SetPreupdateHook(nil)
			for _, e := range l.sql(
				`CREATE TABLE kv (k INTEGER PRIMARY KEY, v TEXT NOT NULL) STRICT`,
				`CREATE TABLE wide (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c TEXT, d INTEGER, e REAL, f INTEGER) STRICT`,
				`INSERT INTO kv WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 9999) SELECT i, '' FROM n`,
				`INSERT INTO wide (a, b) WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 9999) SELECT i, 'text' FROM n`,
			) {
				apply(b, machines[0], e)
				apply(b, machines[1], e)
			}
			took := [2][]float64{}
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			entries := make([]Entry, work.batch*work.batches)
			b.ResetTimer()
			for turn := range b.N {
				for i := range entries {
					entries[i] = l.entry(work.entry(turn*len(entries) + i))
				}
				for _, m := range []int{turn % 2, 1 - turn%2} {
					began := threadTime(b)
					for from := 0; from < len(entries); from += work.batch {
						if _, err := machines[m].Apply(entries[from : from+work.batch]); err != nil {
							b.Fatal(err)
						}
					}
					took[m] = append(took[m], float64(threadTime(b)-began)/float64(len(entries)))
				}
			}
			// The first does fold the entries, though it sees no rows.
			fold := foldTime(b)
			more := make([]float64, b.N)
			for i := range more {
				took[0][i] -= fold
				more[i] = 100 * (took[1][i]/took[0][i] - 1)
			}
			b.ReportMetric(median(more), "%more")
			b.ReportMetric(median(took[0]), "ns-without")
			b.ReportMetric(median(took[1]), "ns-with")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// foldTime is what folding an entry costs that moves no row, in ns.
func foldTime(b *testing.B) float64 {
	var e effects
	var r Result
	var ring effectsRing
	ring.reset(0, e.from)
	const entries = 100_000
	began := threadTime(b)
	for i := range uint64(entries) {
		e.begin(i, e.from)
		e.statement(1)
		ring.note(i, e.end(i, &r))
		if i%64 == 0 {
			ring.publish()
		}
	}
	return float64(threadTime(b)-began) / entries
}

// threadTime is how long the calling thread has run so far, in ns.
func threadTime(b *testing.B) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return t.Nano()
}
