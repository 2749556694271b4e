package wal

// These tests damage logs and show what Open makes of them: acknowledged data
// that is damaged is refused, wherever the damage is; a last write that was cut
// short is dropped, wherever the cut is; and nothing ever comes back that was
// not written.

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quorate/internal/vfs"
	"quorate/raft"
)

// contents reads a whole segment.
func contents(t testing.TB, fsys vfs.FS, path string) []byte {
	t.Helper()
	file, err := fsys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// put makes a durable file.
func put(t testing.TB, fsys vfs.FS, path string, b []byte) {
	t.Helper()
	if err := fsys.MkdirAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	file, err := fsys.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt(b, 0)
	if err = errors.Join(err, file.Sync(), file.Close(), fsys.SyncDir(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
}

// sampleLog makes a log of three segments and returns its disk, closed or as
// the death of the process leaves it.
func sampleLog(t testing.TB, id Identity, closed bool) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	l, err := Create(memOptions(disk), id, testConfiguration)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, Write{HardState: hardState(1, 1, 0), Sync: true})
	for i := raft.Index(1); i < 19; i += 2 {
		mustAppend(t, l, Write{HardState: hardState(1, 1, i-1), Entries: entries(1, i, i+2, 900), Sync: true})
	}
	mustAppend(t, l, Write{HardState: hardState(2, 0, 18), Entries: entries(2, 19, 21, 100), Sync: true})
	if closed {
		mustClose(t, l)
	} else if err := l.lock.Close(); err != nil {
		t.Fatal(err)
	}
	return disk
}

// cutLog makes a log of two segments that had four, with the record that says so
// in the third, and closes it.
func cutLog(t testing.TB) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	l := mustCreate(t, memOptions(disk))
	mustAppend(t, l, Write{HardState: hardState(1, 1, 0), Entries: entries(1, 1, 4, 1900), Sync: true})
	mustAppend(t, l, Write{Entries: append(change(1, 4, 4), entries(1, 5, 7, 2500)...), Sync: true})
	mustAppend(t, l, Write{HardState: hardState(1, 1, 7), Entries: entries(1, 7, 10, 1500), Sync: true})
	if base, err := l.Cut(7); base != 6 || err != nil {
		t.Fatalf("Cut = %d, %v", base, err)
	}
	mustAppend(t, l, Write{HardState: hardState(2, 0, 9), Entries: entries(2, 10, 12, 1900), Sync: true})
	mustClose(t, l)
	return disk
}

// resetLog makes a log that begins with a snapshot, in its second segment, and
// ends as the death of the process leaves it.
func resetLog(t testing.TB) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	l := mustCreate(t, memOptions(disk))
	mustAppend(t, l, Write{HardState: hardState(1, 1, 0), Entries: entries(1, 1, 4, 1900), Sync: true})
	mustAppend(t, l, Write{HardState: hardState(2, 0, 20), Snapshot: snapshotAt(20, 2, 4), Entries: entries(2, 21, 23, 500), Sync: true})
	if err := l.lock.Close(); err != nil {
		t.Fatal(err)
	}
	return disk
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	closing := Offset(recordBytes(voteBytes)) // the last record, which vouches for all but itself
	for name, c := range map[string]struct {
		disk      *vfs.Mem
		unvouched Offset
	}{
		"as it grew": {sampleLog(t, testIdentity, true), closing},
		"cut":        {cutLog(t), closing},
		"a snapshot": {resetLog(t), 0},
	} {
		t.Run(name, func(t *testing.T) { flipEveryBit(t, c.disk, c.unvouched) })
	}
}

// flipEveryBit flips a bit in every ninth byte. Beyond the records there are only
// zeros, and the last unvouched bytes of the records may pass for a torn write.
func flipEveryBit(t *testing.T, disk *vfs.Mem, unvouched Offset) {
	clean := mustOpen(t, memOptions(disk.CrashClone(vfs.DropUnsynced)))
	want := mustWholeState(t, clean)
	headers, err := clean.readHeaders()
	if err != nil {
		t.Fatal(err)
	}
	lastEnd := clean.active.written - unvouched
	if err := clean.lock.Close(); err != nil {
		t.Fatal(err)
	}
	for i, h := range headers {
		end := lastEnd
		if i+1 < len(headers) {
			end = headers[i+1].previousEnd
		}
		path := segmentPath("/data/wal", h.number)
		for at := int64(0); at < h.bytes; at += 9 {
			after := disk.CrashClone(vfs.DropUnsynced)
			if err := after.FlipBit(path, at, int(at/9%8)); err != nil {
				t.Fatal(err)
			}
			l, err := Open(memOptions(after))
			if err != nil {
				// Damage in the last segment may hide that others were cut off.
				var corrupt *CorruptError
				if !errors.As(err, &corrupt) || corrupt.Segment != h.number && corrupt.Segment >= headers[0].number {
					t.Errorf("segment %v, byte %d: %v", h.number, at, err)
				}
				continue
			}
			if Offset(at) < end {
				t.Errorf("segment %v, byte %d: the damage was not noticed", h.number, at)
			}
			if s := mustWholeState(t, l); !modelOf(want).equal(s) {
				t.Errorf("segment %v, byte %d: another state", h.number, at)
			}
		}
	}
}

// The last write reaches the disk up to some byte; behind it there are zeros, or
// whatever the disk had there.
func TestTornTailOfEveryLength(t *testing.T) {
	disk := sampleLog(t, testIdentity, false)
	path := segmentPath("/data/wal", 3)
	whole := contents(t, disk, path)
	l := mustOpen(t, memOptions(disk.CrashClone(vfs.DropUnsynced)))
	with, end := mustState(t, l, 0), int(l.active.written)
	begin := end - int(2*recordBytes(100)+recordBytes(voteBytes))
	for _, filler := range []byte{0, 0xa5} {
		for cut := begin; cut <= end; cut++ {
			torn := append([]byte(nil), whole...)
			for i := cut; i < end; i++ {
				torn[i] = filler
			}
			after := disk.CrashClone(vfs.DropUnsynced)
			put(t, after, path, torn)
			l, err := Open(memOptions(after))
			if err != nil {
				t.Fatalf("cut at %d, then %#x: %v", cut, filler, err)
			}
			s := mustState(t, l, 0)
			// The last record's end may be padding, which is zeros.
			complete := cut == end || string(torn) == string(whole)
			if complete != (s.Last == 20) || complete != (s.HardState == with.HardState) || s.Last != 20 && s.Last != 18 {
				t.Errorf("cut at %d, then %#x: %+v, last %d", cut, filler, s.HardState, s.Last)
			}
			if !equalEntries(s.Entries, with.Entries[:s.Last]) {
				t.Errorf("cut at %d, then %#x: other entries", cut, filler)
			}
			m := modelOf(s)
			if cut%64 != 0 {
				continue
			}
			if err := goOn(l, memOptions(after), m); err != nil {
				t.Errorf("cut at %d, then %#x: %v", cut, filler, err)
			}
		}
	}
}

// The proof of damage may lie anywhere, also where two reads of the search meet.
func TestProofIsFoundWhereReadsMeet(t *testing.T) {
	for before := int64(-recordHeaderBytes - 8); before <= 8; before += recordAlignment {
		disk := vfs.NewMem()
		o := memOptions(disk)
		o.SegmentBytes = 4 << 20
		l := mustCreate(t, o)
		bad := l.active.written
		// The search begins at the first record. The second fills the space up to
		// the third, which begins so many bytes from where the first read ends.
		filler := readAheadBytes + before - recordBytes(voteBytes) - recordHeaderBytes
		mustAppend(t, l,
			Write{HardState: hardState(1, 1, 0), Sync: true},
			Write{Entries: entries(1, 1, 2, int(filler)), Sync: true})
		if at := l.active.written - bad; at != Offset(readAheadBytes+before) {
			t.Fatalf("the third record is %d bytes from the first", at)
		}
		mustAppend(t, l, Write{Entries: entries(1, 2, 3, 10)})
		if err := l.lock.Close(); err != nil {
			t.Fatal(err)
		}
		path := segmentPath(o.Dir, 1)
		b := contents(t, disk, path)
		b[bad] ^= 1
		put(t, disk, path, b)
		var corrupt *CorruptError
		if _, err := Open(o); !errors.As(err, &corrupt) || corrupt.Offset != bad {
			t.Errorf("%d bytes from the end of a read: %v", before, err)
		}
	}
}

// A client that knows the format, but not the segment's checksum, stores bytes
// that look like records which promise that everything is durable. When the
// entry around them is torn, they prove nothing.
func TestForgedRecordsProveNothing(t *testing.T) {
	disk := sampleLog(t, testIdentity, true)
	l := mustOpen(t, memOptions(disk))
	var forged []byte
	for len(forged) < 4000 {
		p := place{segment: 3, offset: l.active.written + Offset(recordHeaderBytes+len(forged))}
		forged = appendHardState(forged, p, p.offset, *hardState(9, 9, 20))
	}
	mustAppend(t, l, Write{Entries: []raft.Entry{{Term: 2, Index: 21, Data: forged}}, Sync: true})
	torn := l.active.written - 8
	if err := l.lock.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.active.file.WriteAt(make([]byte, 8), int64(torn)); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, memOptions(disk))
	defer l.Close()
	if s := mustState(t, l, 0); s.Last != 20 || s.HardState.Term != 2 {
		t.Errorf("%+v, last %d", s.HardState, s.Last)
	}
}

// testdata/damaged has a folder for each way in which a log may be damaged, and
// what Open says then; its name begins with what had happened to the log before,
// if something had: cut, reset. They are also a promise: these files, written by
// an earlier version, can still be read. Make them anew only when the format
// changes:
//
//	go test ./raft/wal -run DamagedLogs -make-damaged-logs
var makeDamagedLogs = flag.Bool("make-damaged-logs", false, "write testdata/damaged anew")

var damages = map[string]func(t *testing.T, disk *vfs.Mem){
	"none": func(*testing.T, *vfs.Mem) {},
	"bit-flip-in-sealed-segment": func(t *testing.T, disk *vfs.Mem) {
		edit(t, disk, 1, func(b []byte) []byte { b[5000] ^= 4; return b })
	},
	"bit-flip-in-last-segment": func(t *testing.T, disk *vfs.Mem) {
		edit(t, disk, 2, func(b []byte) []byte { b[4500] ^= 4; return b })
	},
	"bit-flip-in-header": func(t *testing.T, disk *vfs.Mem) {
		edit(t, disk, 2, func(b []byte) []byte { b[60] ^= 4; return b })
	},
	"lost-write-in-last-segment": func(t *testing.T, disk *vfs.Mem) {
		edit(t, disk, 2, func(b []byte) []byte { clear(b[4096:4608]); return b })
	},
	"sealed-segment-cut-short": func(t *testing.T, disk *vfs.Mem) {
		edit(t, disk, 1, func(b []byte) []byte { return b[:6000] })
	},
	"last-segment-cut-short": func(t *testing.T, disk *vfs.Mem) {
		edit(t, disk, 2, func(b []byte) []byte { return b[:6000] })
	},
	"last-segment-empty": func(t *testing.T, disk *vfs.Mem) {
		edit(t, disk, 2, func(b []byte) []byte { return nil })
	},
	"first-segment-missing": func(t *testing.T, disk *vfs.Mem) {
		if err := disk.Remove(segmentPath("/data/wal", 1)); err != nil {
			t.Fatal(err)
		}
	},
	"segment-renamed": func(t *testing.T, disk *vfs.Mem) {
		first := contents(t, disk, segmentPath("/data/wal", 1))
		edit(t, disk, 2, func([]byte) []byte { return first })
	},
	"segment-of-another-cluster": func(t *testing.T, disk *vfs.Mem) {
		foreign(t, disk, Identity{Cluster: [16]byte{0xff}, Storage: [16]byte{0xee}, Node: 1})
	},
	"segment-of-another-node": func(t *testing.T, disk *vfs.Mem) {
		foreign(t, disk, Identity{Cluster: testIdentity.Cluster, Storage: [16]byte{0xee}, Node: 2})
	},
	"segment-of-another-storage": func(t *testing.T, disk *vfs.Mem) {
		foreign(t, disk, Identity{Cluster: testIdentity.Cluster, Storage: [16]byte{0xee}, Node: 1})
	},
	"newer-format": func(t *testing.T, disk *vfs.Mem) {
		edit(t, disk, 2, func(b []byte) []byte {
			b[atVersion]++
			return resealHeader(b)
		})
	},
	"older-format": func(t *testing.T, disk *vfs.Mem) {
		edit(t, disk, 1, func(b []byte) []byte {
			b[atVersion] = 1
			return resealHeader(b)
		})
	},
	"cut": func(*testing.T, *vfs.Mem) {},
	"cut-removed-segments-back": func(t *testing.T, disk *vfs.Mem) {
		// A crash has kept the first and lost the second; nobody reads it.
		garbage := contents(t, twoSegments(t, testIdentity), segmentPath("/data/wal", 1))
		garbage[5000] ^= 4
		put(t, disk, segmentPath("/data/wal", 1), garbage)
	},
	"cut-foreign-segment-back": func(t *testing.T, disk *vfs.Mem) {
		other := twoSegments(t, Identity{Cluster: testIdentity.Cluster, Storage: [16]byte{0xee}, Node: 1})
		put(t, disk, segmentPath("/data/wal", 1), contents(t, other, segmentPath("/data/wal", 1)))
	},
	"cut-first-segment-missing": func(t *testing.T, disk *vfs.Mem) {
		if err := disk.Remove(segmentPath("/data/wal", 3)); err != nil {
			t.Fatal(err)
		}
	},
	"reset": func(*testing.T, *vfs.Mem) {},
	"reset-old-segment-back": func(t *testing.T, disk *vfs.Mem) {
		put(t, disk, segmentPath("/data/wal", 1), contents(t, twoSegments(t, testIdentity), segmentPath("/data/wal", 1)))
	},
	"reset-bit-flip-in-first-write": func(t *testing.T, disk *vfs.Mem) {
		edit(t, disk, 2, func(b []byte) []byte { b[5190] ^= 4; return b })
	},
	"not-a-log": func(t *testing.T, disk *vfs.Mem) {
		edit(t, disk, 1, func(b []byte) []byte { copy(b, "SQLite format 3\x00"); return b })
	},
}

func edit(t *testing.T, disk *vfs.Mem, number SegmentNumber, edit func([]byte) []byte) {
	t.Helper()
	path := segmentPath("/data/wal", number)
	put(t, disk, path, edit(contents(t, disk, path)))
}

// foreign replaces the second segment by one of another log.
func foreign(t *testing.T, disk *vfs.Mem, id Identity) {
	t.Helper()
	path := segmentPath("/data/wal", 2)
	put(t, disk, path, contents(t, twoSegments(t, id), path))
}

// twoSegments makes a log of two segments and closes it.
func twoSegments(t testing.TB, id Identity) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	l, err := Create(memOptions(disk), id, testConfiguration)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l,
		Write{HardState: hardState(1, 1, 0), Entries: entries(1, 1, 6, 1500), Sync: true},
		Write{HardState: hardState(1, 1, 5), Entries: entries(1, 6, 8, 300), Sync: true})
	mustAppend(t, l, Write{HardState: hardState(2, 0, 6), Entries: entries(2, 7, 8, 300), Sync: true})
	mustClose(t, l)
	return disk
}

// resealHeader makes the checksum of a header right.
func resealHeader(b []byte) []byte {
	clear(b[atHeaderChecksum : atHeaderChecksum+4])
	sum := headerChecksum(b[:blockBytes])
	b[atHeaderChecksum], b[atHeaderChecksum+1] = byte(sum), byte(sum>>8)
	b[atHeaderChecksum+2], b[atHeaderChecksum+3] = byte(sum>>16), byte(sum>>24)
	return b
}

func TestDamagedLogs(t *testing.T) {
	const dir = "testdata/damaged"
	if *makeDamagedLogs {
		for name, damage := range damages {
			writeDamagedLog(t, filepath.Join(dir, name), damage)
		}
	}
	folders, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) != len(damages) {
		t.Errorf("%d folders, %d kinds of damage", len(folders), len(damages))
	}
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join(dir, folder.Name(), "want"))
			if err != nil {
				t.Fatal(err)
			}
			if got := openDamagedLog(t, filepath.Join(dir, folder.Name())); got != string(want) {
				t.Errorf("Open says\n%swant\n%s", got, want)
			}
		})
	}
}

func writeDamagedLog(t *testing.T, dir string, damage func(*testing.T, *vfs.Mem)) {
	t.Helper()
	var disk *vfs.Mem
	switch name := filepath.Base(dir); {
	case strings.HasPrefix(name, "cut"):
		disk = cutLog(t)
	case strings.HasPrefix(name, "reset"):
		disk = resetLog(t)
	default:
		disk = twoSegments(t, testIdentity)
	}
	damage(t, disk)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	numbers, err := listSegments(disk, "/data/wal")
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range numbers {
		b := contents(t, disk, segmentPath("/data/wal", number))
		if err := os.WriteFile(segmentPath(dir, number), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "want"), []byte(openDamagedLog(t, dir)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// openDamagedLog opens a copy of the log in a folder and describes what happens.
func openDamagedLog(t *testing.T, dir string) string {
	t.Helper()
	disk := vfs.NewMem()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		put(t, disk, filepath.Join("/data/wal", filepath.Base(path)), b)
	}
	l, err := Open(memOptions(disk))
	if err == nil {
		defer l.Close()
		return describeState(mustWholeState(t, l))
	}
	// The types are part of what is promised: the node branches on them.
	hint := "none"
	switch e := err.(type) {
	case *CorruptError:
		hint = e.Hint
	case *FormatError:
		hint = e.Hint
	case *ForeignError:
		hint = e.Hint
	}
	return strings.Join([]string{fmt.Sprintf("%T", err), err.Error(), hint}, "\n") + "\n"
}

// The file of the last segment is lost. The log before it is whole, so it opens;
// a state machine that has applied more shows the loss.
func TestLastSegmentMissing(t *testing.T) {
	disk := vfs.NewMem()
	l := mustCreate(t, memOptions(disk))
	for i := raft.Index(1); i < 30; i++ {
		mustAppend(t, l, Write{HardState: hardState(1, 0, i), Entries: entries(1, i, i+1, 1000), Sync: true})
	}
	mustClose(t, l)
	numbers, err := listSegments(disk, "/data/wal")
	if err != nil || len(numbers) < 2 {
		t.Fatal(numbers, err)
	}
	if err := disk.Remove(segmentPath("/data/wal", numbers[len(numbers)-1])); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, memOptions(disk))
	defer l.Close()
	var damage *CorruptError
	if _, err := l.State(29); !errors.As(err, &damage) || !strings.Contains(damage.Reason, "lost its end") {
		t.Errorf("State(29): %v", err)
	}
}
