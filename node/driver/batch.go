package driver

import "quorate/raft"

// batch is what is still to go into one call of the core's Propose, and into one
// flush of the log.
type batch struct {
	entries, bytes int // that there is room for
}

// hasRoom: another command may go into the batch. The last one may be larger than
// what was left.
func (b *batch) hasRoom() bool { return b.entries > 0 && b.bytes > 0 }

func (b *batch) take(data []byte) {
	b.entries--
	b.bytes -= len(data)
}

// fill proposes one batch of what waits to be proposed.
func (d *Driver) fill() (b batch) {
	b = batch{entries: d.config.MaxBatchEntries, bytes: d.config.MaxBatchBytes}
	if d.core.Role() == raft.Leader && d.companyAwaited() {
		return b
	}
	d.batchSince = 0
	d.acceptor.flush(&b)
	d.proposer.route(&b)
	return b
}

// companyAwaited reports whether commands wait for more to come, so that they
// share a flush.
func (d *Driver) companyAwaited() bool {
	if d.config.MaxBatchDelay == 0 {
		return false
	}
	waiting := len(d.acceptor.held) + len(d.proposer.waiting)
	if waiting == 0 || waiting >= d.config.MaxBatchEntries {
		return false
	}
	if d.batchSince == 0 {
		d.batchSince = d.now
	}
	waited := d.now - d.batchSince // less than nothing when the clock was set back
	return waited >= 0 && waited < d.config.MaxBatchDelay
}

// NextTurn is when the driver wants a turn even if nothing happens, on the
// clock of Events.Now; 0: it can wait for the next tick.
func (d *Driver) NextTurn() int64 {
	if d.batchSince == 0 {
		return 0
	}
	return d.batchSince + d.config.MaxBatchDelay
}
