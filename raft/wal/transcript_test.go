package wal

// The transcripts in testdata/recovery tell what happens to a log, operation by
// operation: how writes reach the disk, what a crash leaves, what Open makes of
// it. Rewrite them with
//
//	go test ./raft/wal -run Transcripts -rewrite
//
// and commit only what you understand.

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/datadriven"

	"quorate/internal/vfs"
	"quorate/raft"
)

func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/recovery", func(t *testing.T, path string) {
		s := &stage{t: t, disk: vfs.NewMem()}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			command, known := stageCommands[d.Cmd]
			if !known {
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			return command(s, d)
		})
	})
}

// stage is a disk, the log on it while it is open, and what was done to the
// disk since it was last told.
type stage struct {
	t          *testing.T
	disk       *vfs.Mem
	log        *Log
	operations []string
	// cut is the kind of operation before which the power fails; then it is off.
	cut vfs.OpKind
	off bool
	// full refuses to reserve space, and low is what OnLowSpace said last.
	full bool
	low  string
	// saved is a segment's file.
	saved []byte
}

var stageCommands = map[string]func(*stage, *datadriven.TestData) string{
	// create, open and close are the log's. "trace" shows what they, and append,
	// do to the disk.
	"create": func(s *stage, d *datadriven.TestData) string {
		l, err := Create(s.options(), testIdentity, testConfiguration)
		s.log = l
		return s.told(d, err)
	},
	"open": func(s *stage, d *datadriven.TestData) string {
		l, err := Open(s.options())
		s.log = l
		out := s.told(d, err)
		if err == nil && l.Recovered().Bytes > 0 {
			r := l.Recovered()
			out += fmt.Sprintf("cut off %d bytes at %d of segment %v\n", r.Bytes, r.Offset, r.Segment)
		}
		return out
	},
	"close": func(s *stage, d *datadriven.TestData) string { return s.told(d, s.log.Close()) },
	// append takes a line for each Write: hs=term/vote/commit, snapshot=index/term,
	// entries=lo-hi of a term=, with so many bytes= each, change=index for an entry
	// of that term that carries a configuration, and sync. Configurations have a
	// third member called after the entry, or the snapshot.
	"append": func(s *stage, d *datadriven.TestData) string {
		var writes []Write
		for _, line := range strings.Split(d.Input, "\n") {
			writes = append(writes, parseWrite(s.t, line))
		}
		taken, err := s.log.Append(writes)
		out := s.told(d, err)
		if err != nil {
			out += fmt.Sprintf("taken: %d of %d\n", taken, len(writes))
		}
		return out
	},
	// cut removes segments of entries up to through.
	"cut": func(s *stage, d *datadriven.TestData) string {
		var through uint64
		d.ScanArgs(s.t, "through", &through)
		base, err := s.log.Cut(raft.Index(through))
		return s.told(d, err) + fmt.Sprintf("the log begins after %d\n", base)
	},
	// disk-full lets no file grow until there is room; refill tells the log to look.
	"disk-full": func(s *stage, _ *datadriven.TestData) string { s.full = true; return "" },
	"room":      func(s *stage, _ *datadriven.TestData) string { s.full = false; return "" },
	"refill": func(s *stage, d *datadriven.TestData) string {
		s.log.Refill()
		return s.told(d, nil)
	},
	// force makes a configuration of this member alone the cluster's, offline.
	"force": func(s *stage, d *datadriven.TestData) string {
		c := raft.Configuration{Members: testConfiguration.Members[:1]}
		index, err := ForceConfiguration(s.options(), c)
		return s.told(d, err) + fmt.Sprintf("entry %d\n", index)
	},
	// state is that for a state machine which has applied= as much, else for one
	// that has nothing above where the log begins.
	"state": func(s *stage, d *datadriven.TestData) string {
		base, _ := s.log.Base()
		applied := uint64(base)
		if d.HasArg("applied") {
			d.ScanArgs(s.t, "applied", &applied)
		}
		state, err := s.log.State(raft.Index(applied))
		if err != nil {
			return s.told(d, err)
		}
		return describeState(state)
	},
	// kill ends the process; what it wrote can be read. power-failure ends the
	// system; what was not synced is lost, or kept if "keep" says so. power-fails
	// lets that happen before the next operation of a kind.
	"power-fails": func(s *stage, d *datadriven.TestData) string {
		var before string
		d.ScanArgs(s.t, "before", &before)
		s.cut = vfs.OpKind(before)
		return ""
	},
	"kill": func(s *stage, _ *datadriven.TestData) string {
		if err := s.log.lock.Close(); err != nil {
			s.t.Fatal(err)
		}
		return ""
	},
	"power-failure": func(s *stage, d *datadriven.TestData) string {
		decide := vfs.DropUnsynced
		if d.HasArg("keep") {
			decide = vfs.KeepUnsynced
		}
		s.disk, s.cut, s.off = s.disk.CrashClone(decide), "", false
		return ""
	},
	// flip, zero, truncate and remove damage a segment's file.
	"flip": func(s *stage, d *datadriven.TestData) string {
		s.edit(d, func(file vfs.File, at int64) error {
			b := make([]byte, 1)
			if _, err := file.ReadAt(b, at); err != nil {
				return err
			}
			b[0] ^= 0x10
			_, err := file.WriteAt(b, at)
			return err
		})
		return ""
	},
	"zero": func(s *stage, d *datadriven.TestData) string {
		var bytes int
		d.ScanArgs(s.t, "bytes", &bytes)
		s.edit(d, func(file vfs.File, at int64) error {
			_, err := file.WriteAt(make([]byte, bytes), at)
			return err
		})
		return ""
	},
	"truncate": func(s *stage, d *datadriven.TestData) string {
		s.edit(d, func(file vfs.File, at int64) error { return file.Truncate(at) })
		return ""
	},
	// restore puts a segment's file back as it was when save saw it.
	"save": func(s *stage, d *datadriven.TestData) string {
		s.saved = contents(s.t, s.disk, s.path(d))
		return ""
	},
	"restore": func(s *stage, d *datadriven.TestData) string {
		put(s.t, s.disk, s.path(d), s.saved)
		return ""
	},
	"remove": func(s *stage, d *datadriven.TestData) string {
		if err := s.disk.Remove(s.path(d)); err != nil {
			s.t.Fatal(err)
		}
		return ""
	},
	"files": func(s *stage, _ *datadriven.TestData) string {
		names, err := s.disk.List("/data/wal")
		if err != nil {
			s.t.Fatal(err)
		}
		return strings.Join(names, "\n") + "\n"
	},
	"records": func(s *stage, d *datadriven.TestData) string {
		var number uint64
		d.ScanArgs(s.t, "segment", &number)
		return describeRecords(s.t, s.disk, SegmentNumber(number))
	},
}

// options are those of a log whose operations on the disk are noted.
func (s *stage) options() Options {
	o := memOptions(vfs.Inject(s.disk, func(op vfs.Op) vfs.Fault {
		s.off = s.off || op.Kind == s.cut
		if s.off {
			return vfs.Fault{Err: errPower}
		}
		if s.full && op.Kind == vfs.OpPreallocate {
			return vfs.Fault{Err: syscall.ENOSPC}
		}
		if op.Kind.Changes() {
			line := fmt.Sprintf("%s %s", op.Kind, filepath.Base(op.Path))
			if op.Kind == vfs.OpWrite {
				line += fmt.Sprintf(" %d+%d", op.Offset, op.Bytes)
			}
			s.operations = append(s.operations, line)
		}
		return vfs.Fault{}
	}))
	o.OnLowSpace = func(err error) {
		if err != nil {
			s.low = "low space: no segment is ahead\n"
		} else {
			s.low = "no longer low on space\n"
		}
	}
	return o
}

func (s *stage) told(d *datadriven.TestData, err error) string {
	operations, low := s.operations, s.low
	s.operations, s.low = nil, ""
	var b strings.Builder
	if d.HasArg("trace") {
		for _, line := range operations {
			fmt.Fprintln(&b, line)
		}
	}
	b.WriteString(low)
	if err == nil {
		b.WriteString("ok\n")
		return b.String()
	}
	fmt.Fprintf(&b, "error: %v\n", err)
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		fmt.Fprintf(&b, "hint: %s\n", corrupt.Hint)
	}
	return b.String()
}

func (s *stage) path(d *datadriven.TestData) string {
	var number uint64
	d.ScanArgs(s.t, "segment", &number)
	return segmentPath("/data/wal", SegmentNumber(number))
}

func (s *stage) edit(d *datadriven.TestData, change func(file vfs.File, at int64) error) {
	var at int64
	d.ScanArgs(s.t, "at", &at)
	file, err := s.disk.Open(s.path(d))
	if err == nil {
		err = errors.Join(change(file, at), file.Sync(), file.Close())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func parseWrite(t *testing.T, line string) (w Write) {
	var lo, hi, changed raft.Index
	var term raft.Term
	dataBytes := 8
	for _, field := range strings.Fields(line) {
		name, value, _ := strings.Cut(field, "=")
		var err error
		switch name {
		case "hs":
			w.HardState = new(raft.HardState)
			_, err = fmt.Sscanf(value, "%d/%d/%d", &w.HardState.Term, &w.HardState.Vote, &w.HardState.Commit)
		case "snapshot":
			w.Snapshot = new(raft.Snapshot)
			_, err = fmt.Sscanf(value, "%d/%d", &w.Snapshot.Index, &w.Snapshot.Term)
			w.Snapshot.Configuration = raft.ConfigurationAt{
				Index:         w.Snapshot.Index,
				Configuration: markedConfiguration(raft.NodeID(w.Snapshot.Index)),
			}
		case "change":
			_, err = fmt.Sscanf(value, "%d", &changed)
		case "entries":
			_, err = fmt.Sscanf(value, "%d-%d", &lo, &hi)
		case "term":
			_, err = fmt.Sscanf(value, "%d", &term)
		case "bytes":
			dataBytes, err = strconv.Atoi(value)
		case "sync":
			w.Sync = true
		default:
			err = errors.New("unknown")
		}
		if err != nil {
			t.Fatalf("%s: %v", field, err)
		}
	}
	if lo > 0 {
		w.Entries = entries(term, lo, hi+1, dataBytes)
	}
	if changed > 0 {
		w.Entries = append(w.Entries, change(term, changed, raft.NodeID(changed))...)
	}
	return w
}

func describeState(s raft.State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "term %d, vote %d, commit %d, last %d\n", s.HardState.Term, s.HardState.Vote, s.HardState.Commit, s.Last)
	if s.Base > 0 {
		fmt.Fprintf(&b, "begins after %d of term %d\n", s.Base, s.BaseTerm)
	}
	for _, run := range s.Runs {
		fmt.Fprintf(&b, "from %d on term %d\n", run.First, run.Term)
	}
	for i, c := range s.Configurations {
		if i > 0 || c.Index > 0 {
			fmt.Fprintf(&b, "configuration of entry %d:", c.Index)
			for _, m := range c.Configuration.Members {
				b.WriteString(" " + m.Name)
			}
			b.WriteByte('\n')
		}
	}
	for _, e := range s.Entries {
		if e.Type == raft.EntryConfiguration {
			continue // that is compared above
		}
		if want := entries(e.Term, e.Index, e.Index+1, len(e.Data)); !equalEntries(want, []raft.Entry{e}) {
			fmt.Fprintf(&b, "entry %d is not what was written\n", e.Index)
		}
	}
	return b.String()
}

// describeRecords shows a segment up to its first bad record.
func describeRecords(t *testing.T, disk *vfs.Mem, number SegmentNumber) string {
	file, err := disk.Open(segmentPath("/data/wal", number))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	h, err := readHeader(file, number)
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "header: from entry %d, after one of term %d; term %d, vote %d, commit %d; the segment before ends at %d\n",
		h.first, h.previousTerm, h.hardState.Term, h.hardState.Vote, h.hardState.Commit, h.previousEnd)
	fmt.Fprintf(&b, "header: the log begins with segment %v; configuration of entry %d", h.kept, h.configurationIndex)
	if h.durable != 0 {
		fmt.Fprintf(&b, "; records were durable up to %d", h.durable)
	}
	b.WriteByte('\n')
	r := reader{file: file, place: place{segment: number, seed: h.seed}, end: Offset(h.bytes), aheadBytes: blockBytes}
	for at := h.headerBytes; ; {
		rec, data, reason, err := r.record(at)
		if err != nil {
			t.Fatal(err)
		}
		if reason != "" {
			fmt.Fprintf(&b, "%d: %s\n", at, reason)
			return b.String()
		}
		switch rec.kind {
		case entryRecord:
			fmt.Fprintf(&b, "%d: entry %d of term %d, %d bytes", at, rec.index, rec.term, len(data))
		case cutRecord:
			fmt.Fprintf(&b, "%d: the log begins after %d of term %d with segment %v", at, rec.index, rec.term, rec.kept(data))
		case hardStateRecord:
			hs := rec.hardState(data)
			fmt.Fprintf(&b, "%d: term %d, vote %d, commit %d", at, hs.Term, hs.Vote, hs.Commit)
		}
		fmt.Fprintf(&b, "; durable up to %d", rec.synced)
		if rec.more {
			b.WriteString("; more")
		}
		b.WriteByte('\n')
		at += Offset(rec.bytes())
	}
}
