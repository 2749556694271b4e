package raft

import (
	"errors"
	"fmt"
)

// Config are the settings of one member's core. Zero numbers mean the default
// given in brackets.
type Config struct {
	// ID is this member.
	ID NodeID
	// ElectionTicks is the shortest election timeout, in ticks [15]. Each
	// timeout is drawn from [ElectionTicks, ElectionTicksMax].
	ElectionTicks int
	// ElectionTicksMax is the longest [twice ElectionTicks]. A leader that
	// heard from no majority for that long steps down.
	ElectionTicksMax int
	// HeartbeatTicks is the leader's heartbeat interval, in ticks [a third of
	// ElectionTicks, at least 1]. It must be less than ElectionTicks.
	HeartbeatTicks int
	// Rand returns a number in [0, n). The same numbers give the same run.
	Rand func(n int) int
	// MaxEntriesPerMessage bounds one AppendEntries [1024].
	MaxEntriesPerMessage int
	// MaxBytesPerMessage bounds the entries' data in one AppendEntries and in
	// one Ready's Committed [1 MiB]; a single larger entry still goes alone.
	MaxBytesPerMessage int
	// MaxInflightMessages and MaxInflightBytes bound what is sent to one
	// follower and not acknowledged [64, 8 MiB].
	MaxInflightMessages int
	MaxInflightBytes    int
	// MaxUncommittedBytes bounds the leader's uncommitted data; over it
	// Propose returns ErrProposalDropped [64 MiB].
	MaxUncommittedBytes int
	// MaxUnappliedBytes bounds what waits for this member's state machine. Over
	// it a leader's Propose returns ErrProposalDropped, and a follower takes no
	// entries, until some are applied [128 MiB]. One message or batch may go
	// over it.
	MaxUnappliedBytes int
	// MaxCachedBytes bounds applied, durable entries kept in memory for
	// followers that are a little behind [64 MiB].
	MaxCachedBytes int
}

// validate fills in the defaults and says in a sentence what is wrong.
func (c *Config) validate() error {
	setDefault(&c.ElectionTicks, 15)
	setDefault(&c.ElectionTicksMax, 2*c.ElectionTicks)
	setDefault(&c.HeartbeatTicks, max(1, c.ElectionTicks/3))
	setDefault(&c.MaxEntriesPerMessage, 1024)
	setDefault(&c.MaxBytesPerMessage, 1<<20)
	setDefault(&c.MaxInflightMessages, 64)
	setDefault(&c.MaxInflightBytes, 8<<20)
	setDefault(&c.MaxUncommittedBytes, 64<<20)
	setDefault(&c.MaxUnappliedBytes, 128<<20)
	setDefault(&c.MaxCachedBytes, 64<<20)
	switch {
	case c.ID == 0:
		return errors.New("raft: the member's id is 0, which means no node")
	case c.Rand == nil:
		return errors.New("raft: Rand is missing: election timeouts must differ between members")
	case c.HeartbeatTicks >= c.ElectionTicks:
		return fmt.Errorf("raft: a heartbeat every %d ticks does not keep followers from campaigning after %d", c.HeartbeatTicks, c.ElectionTicks)
	case c.ElectionTicksMax < c.ElectionTicks:
		return fmt.Errorf("raft: the longest election timeout, %d ticks, is shorter than the shortest, %d", c.ElectionTicksMax, c.ElectionTicks)
	}
	for _, n := range [...]int{
		c.ElectionTicks, c.HeartbeatTicks, c.MaxEntriesPerMessage, c.MaxBytesPerMessage,
		c.MaxInflightMessages, c.MaxInflightBytes, c.MaxUncommittedBytes, c.MaxUnappliedBytes, c.MaxCachedBytes,
	} {
		if n < 0 {
			return fmt.Errorf("raft: a setting is %d; ticks and limits are positive", n)
		}
	}
	return nil
}

func setDefault(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}
