package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Conn is one client's connection.
type Conn interface {
	// Run carries out one operation and returns when it is acknowledged.
	Run(ctx context.Context, op Op) error
	// Broken reports whether the connection is of no more use.
	Broken() bool
	Close()
}

// Dial opens a connection.
type Dial func(ctx context.Context, url string) (Conn, error)

// Config says what to run.
type Config struct {
	Dial Dial
	// URLs are spread over the clients in turn.
	URLs     []string
	Workload Workload
	Clients  int
	Duration time.Duration
	// Warmup runs before and is not counted.
	Warmup time.Duration
	// Keys is the number of different keys, ValueBytes the size of each value.
	Keys, ValueBytes int
	Seed             uint64
}

// Result is what was measured.
type Result struct {
	Workload   string        `json:"workload"`
	Unit       string        `json:"unit"`
	Clients    int           `json:"clients"`
	Operations int64         `json:"operations"`
	Elapsed    time.Duration `json:"elapsed_ns"`
	PerSecond  float64       `json:"per_second"` // units, not operations
	P50        time.Duration `json:"p50_ns"`
	P99        time.Duration `json:"p99_ns"`
	Max        time.Duration `json:"max_ns"`
	Errors     int64         `json:"errors"`
	FirstError string        `json:"first_error,omitempty"`
}

const (
	latencyMin    = time.Microsecond
	latencyMax    = time.Minute
	latencyDigits = 3
	redialPause   = 50 * time.Millisecond
)

// worker is one client and what it measured.
type worker struct {
	url       string
	conn      Conn
	generator *Generator
	histogram *hdrhistogram.Histogram
	errors    int64
	first     error
}

// Run opens all connections, lets all clients work at once for the duration,
// and returns what they measured. Operations that fail are counted and the
// client goes on; Run fails when it cannot connect or nothing succeeded.
func Run(ctx context.Context, c Config) (*Result, error) {
	workers, err := connect(ctx, &c)
	defer func() {
		for _, w := range workers {
			w.conn.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	if c.Warmup > 0 {
		c.loop(ctx, workers, c.Warmup)
		for _, w := range workers {
			w.histogram.Reset()
			w.errors, w.first = 0, nil
		}
	}
	started := time.Now()
	c.loop(ctx, workers, c.Duration)
	elapsed := time.Since(started)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return summarize(&c, workers, elapsed)
}

func connect(ctx context.Context, c *Config) ([]*worker, error) {
	var workers []*worker
	for i := range c.Clients {
		url := c.URLs[i%len(c.URLs)]
		conn, err := c.Dial(ctx, url)
		if err != nil {
			return workers, fmt.Errorf("bench: client %d: %w", i+1, err)
		}
		workers = append(workers, &worker{
			url: url, conn: conn,
			generator: NewGenerator(c.Seed+uint64(i), c.Keys, c.ValueBytes),
			histogram: newHistogram(),
		})
	}
	return workers, nil
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(latencyMin), int64(latencyMax), latencyDigits)
}

// loop lets every worker work until the time is over. An operation under way
// then is finished and counted: leaving the slow ones out would flatter.
func (c *Config) loop(ctx context.Context, workers []*worker, duration time.Duration) {
	end := time.Now().Add(duration)
	var wait sync.WaitGroup
	for _, w := range workers {
		wait.Go(func() {
			for ctx.Err() == nil && time.Now().Before(end) {
				w.once(ctx, c, end)
			}
		})
	}
	wait.Wait()
}

// once carries out one operation.
func (w *worker) once(ctx context.Context, c *Config, end time.Time) {
	op := w.generator.Next(&c.Workload)
	begun := time.Now()
	err := w.conn.Run(ctx, op)
	if err == nil {
		w.record(time.Since(begun))
		return
	}
	if ctx.Err() != nil {
		return
	}
	w.fail(err)
	for w.conn.Broken() && ctx.Err() == nil && time.Now().Before(end) {
		conn, err := c.Dial(ctx, w.url)
		if err == nil {
			w.conn.Close()
			w.conn = conn
			return
		}
		w.fail(err)
		select {
		case <-ctx.Done():
		case <-time.After(redialPause):
		}
	}
}

func (w *worker) record(latency time.Duration) {
	latency = min(max(latency, latencyMin), latencyMax)
	if err := w.histogram.RecordValue(int64(latency)); err != nil {
		panic("bench: " + err.Error()) // it lies within the histogram's bounds
	}
}

func (w *worker) fail(err error) {
	w.errors++
	if w.first == nil {
		w.first = err
	}
}

func summarize(c *Config, workers []*worker, elapsed time.Duration) (*Result, error) {
	all := newHistogram()
	r := &Result{Workload: c.Workload.Name, Unit: c.Workload.Unit, Clients: c.Clients, Elapsed: elapsed}
	var first error
	for _, w := range workers {
		all.Merge(w.histogram)
		r.Errors += w.errors
		if first == nil && w.first != nil {
			first, r.FirstError = w.first, w.first.Error()
		}
	}
	r.Operations = all.TotalCount()
	if r.Operations == 0 {
		if first == nil {
			first = errors.New("no operation ended in time")
		}
		return nil, fmt.Errorf("bench: nothing succeeded: %w", first)
	}
	r.PerSecond = float64(r.Operations*int64(c.Workload.PerOp)) / elapsed.Seconds()
	r.P50 = time.Duration(all.ValueAtQuantile(50))
	r.P99 = time.Duration(all.ValueAtQuantile(99))
	r.Max = time.Duration(all.Max())
	return r, nil
}
