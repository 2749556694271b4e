package sim

import "quorate/raft"

// Queues are bounded: a node whose disk hangs, or whose state machine is slow,
// must not collect what the others send until its memory is full. What the core's
// settings leave room for is drawn by the plan, and small.
const (
	// maxCommandBytes is more than a simulated command takes in a queue.
	maxCommandBytes = 256
	// maxWrites bounds the writes that wait. Most hold no entries: a heartbeat
	// moves the commit index, which is written too.
	maxWrites = 500
	// maxImages bounds the images received and not yet installed.
	maxImages = 2
)

// bounded looks at what waits for a node's log writer and its state machine.
func (o *oracle) bounded(n *node) {
	p := &o.world.plan
	if p.raft.MaxUncommittedBytes == 0 {
		return // a scenario's settings are the product's, which are large
	}
	room := p.raft.MaxUncommittedBytes + p.raft.MaxUnappliedBytes + p.raft.MaxBytesPerMessage + p.batchEntries*maxCommandBytes
	writing := 0
	for i := range n.batch {
		writing += sizeOf(n.batch[i].Entries)
	}
	for i := range n.writes {
		writing += sizeOf(n.writes[i].Entries)
	}
	o.must(writing <= room+p.raft.MaxInflightBytes && len(n.writes) <= maxWrites, "%d writes of %d bytes wait for the disk of %v", len(n.writes), writing, n)
	applying := 0
	for i := range n.committed {
		applying += len(n.committed[i].entry.Data)
	}
	// After a start, what the state machine had not made durable comes again.
	o.must(applying <= room+p.checkpointEvery*maxCommandBytes, "%d bytes wait for the state machine of %v", applying, n)
	o.must(len(n.images) <= maxImages, "%v keeps %d images that it has not installed", n, len(n.images))
}

func sizeOf(entries []raft.Entry) int {
	size := 0
	for i := range entries {
		size += len(entries[i].Data)
	}
	return size
}
