package wal

// Benchmarks on a real directory. Each operation is one Append with one sync, as
// group commit makes them; entries/s is what matters.
//
//	go test ./raft/wal -run XXX -bench . -benchtime 2s

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"quorate/internal/vfs"
	"quorate/raft"
)

func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			l := mustCreate(b, Options{Dir: filepath.Join(b.TempDir(), "wal")})
			defer l.Close()
			mustAppend(b, l, Write{HardState: hardState(1, 0, 0), Sync: true})
			data := make([]byte, 256)
			writes := make([]Write, batch)
			stored := make([]raft.Entry, batch)
			next := raft.Index(1)
			b.SetBytes(int64(batch * len(data)))
			b.ReportAllocs()
			for b.Loop() {
				for i := range writes {
					stored[i] = raft.Entry{Term: 1, Index: next, Data: data}
					writes[i] = Write{Entries: stored[i : i+1], Sync: true}
					next++
				}
				if _, err := l.Append(writes); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// BenchmarkAppendWhileCutting is the worst that Cut does to Append: the log is cut
// as soon as a segment of 1 MiB can go. slowest-ms is the longest Append of all.
func BenchmarkAppendWhileCutting(b *testing.B) {
	for _, cutting := range []bool{false, true} {
		b.Run(fmt.Sprintf("cutting=%v", cutting), func(b *testing.B) {
			l := mustCreate(b, Options{Dir: filepath.Join(b.TempDir(), "wal"), SegmentBytes: 1 << 20})
			defer l.Close()
			mustAppend(b, l, Write{HardState: hardState(1, 0, 0), Sync: true})
			stop, stopped := make(chan struct{}), make(chan int)
			go func() {
				cuts := 0
				var was raft.Index
				for cutting {
					select {
					case <-stop:
						stopped <- cuts
						return
					case <-time.After(time.Millisecond):
					}
					base, err := l.Cut(1 << 60)
					if err != nil {
						b.Error(err)
					}
					if base > was {
						was = base
						cuts++
					}
				}
				stopped <- cuts
			}()
			stored := make([]raft.Entry, 16)
			data := make([]byte, 1024)
			next := raft.Index(1)
			var slowest time.Duration
			for b.Loop() {
				for i := range stored {
					stored[i] = raft.Entry{Term: 1, Index: next, Data: data}
					next++
				}
				begin := time.Now()
				mustAppend(b, l, Write{HardState: hardState(1, 0, next-1), Entries: stored, Sync: true})
				slowest = max(slowest, time.Since(begin))
			}
			close(stop)
			b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
			b.ReportMetric(float64(<-stopped), "cuts")
		})
	}
}

// BenchmarkEncode is the processor's part of Append.
func BenchmarkEncode(b *testing.B) {
	l := mustCreate(b, memOptions(vfs.NewMem()))
	defer l.Close()
	w := Write{Entries: entries(1, 1, 2, 256), Sync: true}
	b.SetBytes(256)
	b.ReportAllocs()
	for b.Loop() {
		l.encode(&w)
		l.buffer, l.placed = l.buffer[:0], l.placed[:0]
	}
}

// BenchmarkOpen opens a log of 64 MiB.
func BenchmarkOpen(b *testing.B) {
	const logBytes = 64 << 20
	o := Options{Dir: filepath.Join(b.TempDir(), "wal"), CacheBytes: 1 << 20}
	l := mustCreate(b, o)
	mustAppend(b, l, Write{HardState: hardState(1, 0, 0)})
	const each = 256
	next := raft.Index(1)
	for bytes := 0; bytes < logBytes; bytes += 1000 * each {
		mustAppend(b, l, Write{Entries: entries(1, next, next+1000, each)})
		next += 1000
	}
	mustClose(b, l)
	b.SetBytes(logBytes)
	var slowest time.Duration
	for b.Loop() {
		begin := time.Now()
		l := mustOpen(b, o)
		mustState(b, l, next-1)
		slowest = max(slowest, time.Since(begin))
		mustClose(b, l)
	}
	b.ReportMetric(float64(slowest.Milliseconds()), "slowest-ms")
}
