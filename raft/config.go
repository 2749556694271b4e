package raft

// Config are the settings of one member's core. Zero numbers mean the default
// given in brackets.
type Config struct {
	// ID is this member; it is in the State's Configuration.
	ID NodeID
	// ElectionTicks is the shortest election timeout, in ticks [15]. Each
	// timeout is drawn from [ElectionTicks, ElectionTicksMax].
	ElectionTicks int
	// ElectionTicksMax is the longest [twice ElectionTicks].
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
	// MaxCachedBytes bounds applied, durable entries kept in memory for
	// followers that are a little behind [64 MiB].
	MaxCachedBytes int
}
