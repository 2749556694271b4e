package sqlfsm

import (
	"context"
	"fmt"
	"testing"

	"quorate/internal/value"
	"quorate/sqlplan"
)

// BenchmarkApply applies upserts of 100 bytes on 10,000 keys, in batches of so
// many entries: without names, as a log that is made by hand has them, and with, from
// three origins with as many commands open as there are in a batch, all of whose
// outcomes are remembered. The value varies: SQLite does not write a row that
// stays as it is.
func BenchmarkApply(b *testing.B) {
	for _, batch := range []int{1, 8, 64, 256} {
		for _, named := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/named=%t", batch, named), func(b *testing.B) { benchmarkApply(b, batch, named) })
		}
	}
}

func benchmarkApply(b *testing.B, batch int, named bool) {
	f := openTest(b)
	var l log
	apply(b, f, l.entry(bound(`CREATE TABLE kv (k INTEGER PRIMARY KEY, v TEXT NOT NULL) STRICT`)))
	const nodes = 3
	lives := make([]life, nodes)
	for i := range lives {
		lives[i] = life{log: &l, origin: uint64(i + 1), incarnation: 1}
		apply(b, f, lives[i].register(l.index))
	}
	upsert := plan(`INSERT INTO kv VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = excluded.v`)
	entries := make([]Entry, 0, batch)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += len(entries) {
		b.StopTimer()
		entries = entries[:0]
		for j := 0; j < batch && i+j < b.N; j++ {
			key := int64(uint32((i+j)*2654435761) % 10_000)
			text := value.String(fmt.Sprintf("%0100d", i+j))
			statement := sqlplan.Bound{Plan: upsert, Args: []value.Value{value.Int(key), text}}
			if named {
				seq := uint64((i+j)/nodes + 1)
				entries = append(entries, lives[(i+j)%nodes].command(seq, seq-min(seq-1, uint64(batch)), statement))
			} else {
				entries = append(entries, l.entry(statement))
			}
		}
		b.StartTimer()
		if _, err := f.Apply(entries); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkSnapshot reads one row by its key, each read in a snapshot of its
// own.
func BenchmarkSnapshot(b *testing.B) {
	f := openTest(b)
	var l log
	apply(b, f, l.sql(
		`CREATE TABLE kv (k INTEGER PRIMARY KEY, v TEXT NOT NULL) STRICT`,
		`INSERT INTO kv WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 9999) SELECT i, printf('%0100d', i) FROM n`,
	)...)
	read := plan(`SELECT v FROM kv WHERE k = ?1`)
	version := f.Schema().Version
	for _, many := range []bool{false, true} {
		b.Run(fmt.Sprintf("many=%t", many), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				s, err := f.Snapshot(context.Background(), version, many)
				if err != nil {
					b.Fatal(err)
				}
				rows, err := s.Query(sqlplan.Bound{Plan: read, Args: []value.Value{value.Int(int64(i % 10_000))}})
				if err != nil {
					b.Fatal(err)
				}
				if row, err := rows.Next(); row == nil || err != nil {
					b.Fatal(row, err)
				}
				s.Close()
			}
		})
	}
}
