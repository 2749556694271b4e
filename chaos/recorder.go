package chaos

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"quorate/chaos/check"
)

// recorder keeps what all clients did, on one monotonic clock.
type recorder struct {
	began time.Time
	next  atomic.Int64 // the last unique value

	mu      sync.Mutex // guards the fields below
	history map[string][]check.Op
	acks    []time.Duration // of writes, in order
}

func newRecorder() *recorder {
	return &recorder{began: time.Now(), history: map[string][]check.Op{}}
}

func (r *recorder) now() time.Duration { return time.Since(r.began) }

// unique returns a value that was never used in this run.
func (r *recorder) unique() int64 { return r.next.Add(1) }

// add keeps an operation that has returned.
func (r *recorder) add(workload string, op check.Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history[workload] = append(r.history[workload], op)
	if op.Outcome == check.Done && op.Kind != check.Read && op.Kind != check.Find {
		r.acks = append(r.acks, r.now())
	}
}

// silence returns the longest time between two acknowledged writes, from then
// on until now.
func (r *recorder) silence(since time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var longest time.Duration
	end := r.now()
	for i := len(r.acks) - 1; i >= 0 && end > since; i-- {
		at := max(r.acks[i], since)
		longest, end = max(longest, end-at), at
	}
	return max(longest, end-since)
}

// counts returns how many operations have returned, with which outcomes.
func (r *recorder) counts() (all, unknown, failed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, history := range r.history {
		for i := range history {
			all++
			switch history[i].Outcome {
			case check.Unknown:
				unknown++
			case check.Failed:
				failed++
			}
		}
	}
	return all, unknown, failed
}

// write keeps the histories in a directory, one JSON object a line.
func (r *recorder) write(dir string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for workload, history := range r.history {
		file, err := os.Create(filepath.Join(dir, workload+".jsonl"))
		if err != nil {
			return err
		}
		buffered := bufio.NewWriter(file)
		encoder := json.NewEncoder(buffered)
		for i := range history {
			if err := encoder.Encode(&history[i]); err != nil {
				return err
			}
		}
		if err := buffered.Flush(); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	return nil
}
