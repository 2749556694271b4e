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

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	disk := sampleLog(t, testIdentity, true)
	clean := mustOpen(t, memOptions(disk.CrashClone(vfs.DropUnsynced)))
	want := mustState(t, clean, 0)
	headers, err := clean.readHeaders()
	if err != nil || len(headers) != 3 {
		t.Fatalf("%d segments, %v", len(headers), err)
	}
	// Beyond these there are only zeros and, in the last segment, the closing
	// record, which vouches for all but itself.
	ends := []Offset{headers[1].previousEnd, headers[2].previousEnd, clean.active.written - Offset(recordBytes(voteBytes))}
	mustClose(t, clean)
	for number := SegmentNumber(1); number <= 3; number++ {
		path := segmentPath("/data/wal", number)
		original := contents(t, disk, path)
		for at := 0; at < len(original); at += 5 {
			damaged := append([]byte(nil), original...)
			damaged[at] ^= 1 << (at / 5 % 8)
			after := disk.CrashClone(vfs.DropUnsynced)
			put(t, after, path, damaged)
			l, err := Open(memOptions(after))
			if err != nil {
				var corrupt *CorruptError
				if !errors.As(err, &corrupt) || corrupt.Segment != number {
					t.Errorf("segment %v, byte %d: %v", number, at, err)
				}
				continue
			}
			if Offset(at) < ends[number-1] {
				t.Errorf("segment %v, byte %d: the damage was not noticed", number, at)
			}
			if s := mustState(t, l, 0); s.HardState != want.HardState || !equalEntries(s.Entries, want.Entries) {
				t.Errorf("segment %v, byte %d: another state", number, at)
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
// what Open says then. They are also a promise: these files, written by an
// earlier version, can still be read. Make them anew only when the format
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
	disk := twoSegments(t, testIdentity)
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
		return describeState(mustState(t, l, 0))
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
