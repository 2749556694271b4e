package driver

import (
	"errors"

	"quorate/raft"
)

// When disks are full.
//
// A leader without room for entries hands over to a voter that has some; while
// it tries, commands wait. When it still leads an election timeout later, or
// when so many voters are full that nothing can be committed, commands are
// refused for good: their sessions are told at once, and nothing is in the log.
// A follower without room refuses its own sessions' commands at once, while the
// others' go on. Reads need no room; but a follower that takes no entries falls
// behind when there are any. When there is room again, everything goes on: nothing
// has to be mended.

// ErrFull is the outcome of a command that was not carried out because there
// is no room for it.
var ErrFull = errors.New("node: the disk of this node or of the leader, or those of a majority of the members, are full")

// fullness is the leader's view of who has room.
type fullness struct {
	driver *Driver
	full   bool // this node's own disk
	quorum bool // so many voters are full that nothing can be committed
	since  int  // the tick since when this leader has had no room; 0: it has
}

// set takes the news from the own disk.
func (f *fullness) set(full bool) {
	f.full = full
	f.driver.core.SetFull(full)
}

// tick looks at the other voters.
func (f *fullness) tick() {
	d := f.driver
	if d.core.Role() != raft.Leader {
		f.quorum, f.since = false, 0
		return
	}
	f.quorum = f.quorumFull()
	switch {
	case !f.full && !f.quorum:
		f.since = 0
	case f.since == 0:
		f.since = d.tick
	}
}

// quorumFull reports whether the voters that have room are no majority.
func (f *fullness) quorumFull() bool {
	status := f.driver.core.Status()
	full := map[raft.NodeID]bool{f.driver.self: f.full}
	some := f.full
	for _, p := range status.Peers {
		full[p.ID] = p.Full
		some = some || p.Full
	}
	if !some {
		return false
	}
	voters, room := 0, 0
	for _, m := range status.Configuration.Configuration.Members {
		if m.Suffrage != raft.Voter {
			continue
		}
		voters++
		if !full[m.ID] {
			room++
		}
	}
	return room <= voters/2
}

// refuses reports whether commands are refused for good.
func (f *fullness) refuses() bool {
	return f.since > 0 && f.driver.tick-f.since >= f.driver.config.ElectionTicks
}
