package proxy

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Rule says what happens to what one member sends to another. The zero Rule
// lets everything pass.
type Rule struct {
	// Stall holds everything back until the rule changes.
	Stall bool
	// Delay and Jitter make everything late by Delay and up to Jitter more.
	// Order is kept, as TCP keeps it.
	Delay, Jitter time.Duration
	// Loss is the chance of each chunk to be lost once, and so to be late by
	// retransmission; and of the repetition to be lost again, up to lossMax.
	Loss float64
	// Break is the chance of each chunk to break its connection.
	Break float64
}

const (
	// retransmission is Linux's shortest retransmission timeout; it doubles.
	retransmission = 200 * time.Millisecond
	lossMax        = 4
)

var errBroken = errors.New("proxy: the rule of the link broke the connection")

// link is one direction between two members, over all their connections.
type link struct {
	mu      sync.Mutex // guards the fields below
	rule    Rule
	changed chan struct{} // closed, and replaced, when the rule changes
	random  *rand.Rand
	conns   map[*conn]struct{}
}

func newLink(seed uint64) *link {
	return &link{changed: make(chan struct{}), random: rand.New(rand.NewPCG(seed, 0)), conns: map[*conn]struct{}{}}
}

func (l *link) set(r Rule) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rule = r
	close(l.changed)
	l.changed = make(chan struct{})
}

// draw returns what the rule makes of a chunk.
func (l *link) draw() (stall bool, late time.Duration, broken bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rule
	late = r.Delay
	if r.Jitter > 0 {
		late += time.Duration(l.random.Int64N(int64(r.Jitter)))
	}
	for i, wait := 0, retransmission; r.Loss > 0 && i < lossMax && l.random.Float64() < r.Loss; i, wait = i+1, 2*wait {
		late += wait
	}
	return r.Stall, late, r.Break > 0 && l.random.Float64() < r.Break, l.changed
}

// wait returns when a chunk that arrived then may go on. When the rule changes
// meanwhile, the new one is asked.
func (l *link) wait(ctx context.Context, arrived time.Time) error {
	for {
		stall, late, broken, changed := l.draw()
		if broken {
			return errBroken
		}
		var due <-chan time.Time
		if !stall {
			left := time.Until(arrived.Add(late))
			if left <= 0 {
				return ctx.Err()
			}
			due = time.After(left)
		}
		select {
		case <-due:
			return nil
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *link) add(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
}

func (l *link) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// breakAll closes the connections of the link, as a firewall does that sends
// resets.
func (l *link) breakAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.end()
	}
}
