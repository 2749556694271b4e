package sqlfsm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"quorate/internal/value"
	"quorate/internal/vfs"
	"quorate/sqlplan"
)

// BenchmarkApplyBeside applies upserts, one a batch and one every half
// millisecond, on a database of 200 MB or 1 GB: alone; while a file of that size is
// copied again and again, to show what a busy machine does; and while image after
// image is made. It reports how long Apply took at the 50th and 99th percentile
// and at most, in µs, and how long a copy or an image took.
//
//	go test -run '^$' -bench ApplyBeside -benchtime 10000x ./sqlfsm
func BenchmarkApplyBeside(b *testing.B) {
	b.Run("200 MB", func(b *testing.B) { applyBeside(b, 150_000) })
	b.Run("1 GB", func(b *testing.B) { applyBeside(b, 750_000) })
}

func applyBeside(b *testing.B, rows int) {
	f := openTest(b)
	var l log
	apply(b, f, l.sql(`CREATE TABLE kv (k INTEGER PRIMARY KEY, v BLOB NOT NULL) STRICT`)...)
	for k := 0; k < rows; k += 10_000 {
		apply(b, f, l.entry(bound(`INSERT INTO kv WITH RECURSIVE n(i) AS (VALUES (?1) UNION ALL SELECT i + 1 FROM n WHERE i < ?1 + 9999) SELECT i, randomblob(1300) FROM n`,
			value.Int(int64(k)))))
	}
	if err := f.Checkpoint(); err != nil {
		b.Fatal(err)
	}
	plain := filepath.Join(b.TempDir(), "plain")
	if _, err := f.Image(context.Background(), plain); err != nil {
		b.Fatal(err)
	}
	upsert := plan(`INSERT INTO kv VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = excluded.v`)
	for _, beside := range []string{"nothing", "copies", "images"} {
		b.Run(beside, func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			copies, began, path := 0, time.Now(), filepath.Join(b.TempDir(), "image")
			go func() {
				var err error
				for beside != "nothing" && err == nil {
					if beside == "copies" {
						err = copyPages(ctx, plain, path)
					} else {
						_, err = f.Image(ctx, path)
					}
					copies++
				}
				done <- err
			}()
			took := make([]time.Duration, 0, b.N)
			tick := time.NewTicker(500 * time.Microsecond)
			defer tick.Stop()
			b.ResetTimer()
			for i := range b.N {
				<-tick.C
				key := int64(int(uint32(i*2654435761)) % rows)
				e := l.entry(sqlplan.Bound{Plan: upsert, Args: []value.Value{value.Int(key), value.BlobBytes(fmt.Appendf(nil, "%0100d", i))}})
				start := time.Now()
				if _, err := f.Apply([]Entry{e}); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			b.StopTimer()
			cancel()
			if err := <-done; err != nil && ctx.Err() == nil {
				b.Fatal(err)
			}
			slices.Sort(took)
			micros := func(d time.Duration) float64 { return float64(d) / 1e3 }
			b.ReportMetric(micros(took[len(took)/2]), "p50-µs")
			b.ReportMetric(micros(took[len(took)*99/100]), "p99-µs")
			b.ReportMetric(micros(took[len(took)-1]), "max-µs")
			b.ReportMetric(0, "ns/op")
			if copies > 0 {
				b.ReportMetric(time.Since(began).Seconds()/float64(copies), "s/copy")
			}
		})
	}
}

// copyPages copies a file as Image does, without SQLite: read by pages, hashed,
// written by chunks that are synced now and then.
func copyPages(ctx context.Context, from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	w, err := newImageWriter(vfs.OS{}, to)
	if err != nil {
		return err
	}
	defer w.file.Close()
	page := make([]byte, pageBytes)
	for {
		if _, err := io.ReadFull(source, page); err == io.EOF {
			return w.finish()
		} else if err != nil {
			return err
		}
		if err := errors.Join(w.add(page), ctx.Err()); err != nil {
			return err
		}
	}
}
