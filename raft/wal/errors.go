package wal

import (
	"errors"
	"fmt"

	"quorate/internal/vfs"
)

// SegmentNumber counts segments from 1 on. It is written in hexadecimal, as in
// the file's name, of which it shows the last digits.
type SegmentNumber uint64

func (n SegmentNumber) String() string { return fmt.Sprintf("%06x", uint64(n)) }

// Offset is a place in a segment's file, in bytes.
type Offset int64

// ErrExists says that Create found a log where it was to make one.
var ErrExists = errors.New("there is a log already")

// ErrNotExist says that Open found no log.
var ErrNotExist = errors.New("there is no log")

// ErrCut says that entries were asked for that the log no longer has.
var ErrCut = errors.New("the log was cut")

// ErrClosed says that the log was used after Close.
var ErrClosed = errors.New("wal: the log is closed")

// reseed is the only safe remedy for a member that has lost what it promised:
// under its old identity it could help to undo what was committed.
const reseed = "Remove this member from the cluster, empty its data directory and add it again: " +
	"it is then seeded from the others."

// CorruptError says that data which this member has acknowledged is damaged or
// gone. The log does not open, because a member that has forgotten what it
// promised can undo what the cluster has committed.
type CorruptError struct {
	Segment SegmentNumber
	// Offset is where, or -1 where that makes no sense.
	Offset Offset
	// Reason completes the sentence "segment so-and-so: …".
	Reason string
	// Hint says what to do, in full sentences.
	Hint string
}

// nowhere is the Offset of what has no place in the file.
const nowhere Offset = -1

func (e *CorruptError) Error() string {
	if e.Offset == nowhere {
		return fmt.Sprintf("wal: segment %v: %s", e.Segment, e.Reason)
	}
	return fmt.Sprintf("wal: segment %v: %s at %d", e.Segment, e.Reason, e.Offset)
}

func corrupt(segment SegmentNumber, offset Offset, format string, args ...any) error {
	return &CorruptError{
		Segment: segment,
		Offset:  offset,
		Reason:  fmt.Sprintf(format, args...),
		Hint:    reseed,
	}
}

// FormatError says that a segment is of a format that this program does not
// read.
type FormatError struct {
	Segment           SegmentNumber
	Version, Readable uint32
	Hint              string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("wal: segment %v: format version %d, this program reads version %d", e.Segment, e.Version, e.Readable)
}

// ForeignError says that a segment belongs to another log than the first one
// does: a file was copied in.
type ForeignError struct {
	Segment   SegmentNumber
	Have, Log Identity
	Hint      string
}

func (e *ForeignError) Error() string {
	switch {
	case e.Have.Cluster != e.Log.Cluster:
		return fmt.Sprintf("wal: segment %v: belongs to cluster %x, the log to %x", e.Segment, e.Have.Cluster, e.Log.Cluster)
	case e.Have.Node != e.Log.Node:
		return fmt.Sprintf("wal: segment %v: belongs to node %v, the log to %v", e.Segment, e.Have.Node, e.Log.Node)
	}
	return fmt.Sprintf("wal: segment %v: belongs to storage %x, the log to %x", e.Segment, e.Have.Storage, e.Log.Storage)
}

// formatError has a hint for both directions. Version 1 was never released.
func formatError(number SegmentNumber, version uint32) error {
	hint := "Start the version of quorate that wrote it, or a newer one."
	if version < formatVersion {
		hint = "A version of quorate before the first release wrote it. " + reseed
	}
	return &FormatError{Segment: number, Version: version, Readable: formatVersion, Hint: hint}
}

// IsNoSpace reports whether err says that the disk, or the quota on it, is full.
func IsNoSpace(err error) bool { return vfs.IsNoSpace(err) }
