package wal

import (
	"fmt"

	"quorate/internal/vfs"
	"quorate/raft"
)

// Identity says whose log this is. It is in every segment's header, so that a
// file from elsewhere is noticed.
type Identity struct {
	// Cluster is the cluster that the log belongs to.
	Cluster [16]byte
	// Storage is drawn at random when the log is made. A member that comes back
	// with another one has forgotten what it promised, and its peers refuse it.
	Storage [16]byte
	// Node is the member.
	Node raft.NodeID
}

// Options are a log's settings. They do not change while it is open.
type Options struct {
	// FS is the file system [vfs.OS].
	FS vfs.FS
	// Dir is the log's own directory. Create makes it if it is missing.
	Dir string
	// SegmentBytes is the size of a segment file [16 MiB], from 12 KiB to 1 GiB.
	// It is rounded up to 4 KiB, and a write that is larger still gets a larger
	// segment of its own. Larger segments roll more seldom (a roll costs three
	// flushes, about a millisecond); smaller ones let old entries go sooner. It
	// may differ from run to run.
	SegmentBytes int64
	// CacheBytes is how much of the newest entries State returns, as they lie
	// on disk, besides all that lie above the applied index [16 MiB]. A follower
	// that is behind by less is served from memory after a restart.
	CacheBytes int
	// SegmentsAhead is how many segments are kept allocated for the time when
	// the current one is full, 1 or 2 [2]; negative means none. They make a roll
	// quick, and their failing to be made is the early warning of a full disk.
	SegmentsAhead int
	// InlineAhead makes them in the goroutine that calls Open and Append, not in
	// the background: the same calls then lead to the same operations in the same
	// order, as simulations need.
	InlineAhead bool
	// OnLowSpace, when not nil, is called with the error when no segment is ahead
	// any more and none could be made, and with nil when one could be made again.
	// In between the log takes entries until the current segment is full, and
	// then, for a while, only writes without entries. It is called from the
	// background goroutine, from Append, Cut or Refill, or, with InlineAhead, from
	// Open, and must not call the log itself.
	OnLowSpace func(err error)
}

const (
	defaultSegmentBytes  = 16 << 20
	minSegmentBytes      = 3 * blockBytes
	maxSegmentBytes      = 1 << 30
	defaultCacheBytes    = 16 << 20
	defaultSegmentsAhead = 2
	maxSegmentsAhead     = 2
	// What is kept of a segment for writes without entries: a 64th, at least
	// 256 bytes and at most 64 KiB, which is room for 1,300 elections.
	reservedPart     = 64
	minReservedBytes = 256
	maxReservedBytes = 64 << 10
)

func (o *Options) reserve() int64 {
	return min(max(o.SegmentBytes/reservedPart, minReservedBytes), maxReservedBytes)
}

func (o Options) withDefaults() (Options, error) {
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	if o.Dir == "" {
		return o, fmt.Errorf("wal: no directory given for the log")
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	if o.SegmentBytes < minSegmentBytes || o.SegmentBytes > maxSegmentBytes {
		return o, fmt.Errorf("wal: segments of %d bytes: choose %d to %d", o.SegmentBytes, minSegmentBytes, maxSegmentBytes)
	}
	o.SegmentBytes = roundUp(o.SegmentBytes, blockBytes)
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	switch {
	case o.SegmentsAhead == 0:
		o.SegmentsAhead = defaultSegmentsAhead
	case o.SegmentsAhead < 0:
		o.SegmentsAhead = 0
	case o.SegmentsAhead > maxSegmentsAhead:
		return o, fmt.Errorf("wal: %d segments ahead: choose at most %d", o.SegmentsAhead, maxSegmentsAhead)
	}
	return o, nil
}

// roundUp returns the least multiple of unit, a power of two, that is >= n.
func roundUp(n, unit int64) int64 { return (n + unit - 1) &^ (unit - 1) }
