package driver

import "quorate/raft"

// When the log is cut.
//
// What the state machine holds durably, the log need not keep, except for
// followers that are a little behind: SnapshotEntries of it stay for them. The
// log is cut when it holds twice as many, or when its files are larger than
// SnapshotBytes, so that a cut removes something worth while. A follower that
// is sent an image needs the entries after the image's index when it arrives;
// they stay for it until the log is twice as long, or as large, as it may be
// otherwise: then the follower would be too slow for the next image too.

// cutter decides when the log is cut, and up to where.
type cutter struct {
	driver *Driver
	base   raft.Index // the log begins after it
	// applied is how far the state machine is, durable how far it will be after a
	// power loss. Invariant: base <= durable <= applied, once durable is known.
	applied, durable raft.Index
	bytes            int64 // of the log's files

	asked    raft.Index // up to where a cut was asked for last
	flushing raft.Index // what a Flush was asked for to make durable and has not yet; 0: none is under way
	// holds are the members that an image is on its way to: each needs the
	// entries after the index.
	holds map[raft.NodeID]raft.Index
}

// tick asks for a cut when one is due.
func (c *cutter) tick() {
	through := c.held(c.due())
	// Segments are removed as a whole, so a cut may have left most of what it was
	// asked to remove: asking again pays only after a while.
	if through <= c.base || through < c.asked+raft.Index(c.driver.config.SnapshotEntries/8) {
		return
	}
	if through > c.durable && c.flushing == 0 {
		c.flushing = c.applied
		c.driver.out.Flush()
	}
	if through = min(through, c.durable); through > max(c.base, c.asked) {
		c.asked = through
		c.driver.out.Cut(through)
	}
}

// due returns up to where the log's own length says that it is to be cut; 0: it
// is short enough.
func (c *cutter) due() raft.Index {
	limit := c.driver.config.SnapshotBytes
	entries := int64(c.driver.core.Last() - c.base)
	keep := int64(c.driver.config.SnapshotEntries)
	if c.bytes <= limit && entries <= 2*keep {
		return 0
	}
	if c.bytes > limit { // keep about half of what it may be
		keep = min(keep, int64(float64(entries)*float64(limit)/float64(2*c.bytes)))
	}
	return min(c.base+raft.Index(max(entries-keep, 0)), c.applied)
}

// held returns up to where the log may be cut for the sake of members that an
// image is on its way to.
func (c *cutter) held(through raft.Index) raft.Index {
	if through <= c.base || len(c.holds) == 0 {
		return through
	}
	config := &c.driver.config
	if int64(c.driver.core.Last()-c.base) > 4*int64(config.SnapshotEntries) || c.bytes > 2*config.SnapshotBytes {
		clear(c.holds)
		return through
	}
	waiting := map[raft.NodeID]raft.Index{} // members that can still be waited for, and what they have
	for _, p := range c.driver.core.Status().Peers {
		if p.Active {
			waiting[p.ID] = p.Match
		}
	}
	for id, index := range c.holds {
		if match, ok := waiting[id]; !ok || match >= through {
			delete(c.holds, id)
		} else {
			through = min(through, max(index, match))
		}
	}
	return through
}

// sending notes that an image is being sent: its index is at least the base.
func (c *cutter) sending(to raft.NodeID) { c.holds[to] = c.base }

// sent takes the outcome of that.
func (c *cutter) sent(s ImageSent) {
	if _, held := c.holds[s.To]; held && s.Index > 0 {
		c.holds[s.To] = s.Index
	} else {
		delete(c.holds, s.To)
	}
}

// durableTo takes the answer to a Flush, or the news that comes with every batch
// that is applied, while a Flush takes its time.
func (c *cutter) durableTo(i raft.Index) {
	c.durable = max(c.durable, i)
	if c.durable >= c.flushing {
		c.flushing = 0
	}
}

// began notes that the log begins after i: it was cut, or an image replaced it.
func (c *cutter) began(i raft.Index) { c.base = max(c.base, i) }
