package vfs

// These tests show what the log relies on. What any file system must do is
// tried on the real one and on the one in memory alike; what a crash may and may
// not leave, on the one in memory.

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// each runs a test on every file system, in a directory of its own.
func each(t *testing.T, test func(t *testing.T, fsys FS, dir string)) {
	t.Run("os", func(t *testing.T) { test(t, OS{}, t.TempDir()) })
	t.Run("mem", func(t *testing.T) { test(t, NewMem(), "/") })
	t.Run("injected", func(t *testing.T) {
		test(t, Inject(NewMem(), func(Op) Fault { return Fault{} }), "/")
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t testing.TB, fsys FS, path, text string) File {
	t.Helper()
	f, err := fsys.Create(path)
	must(t, err)
	_, err = f.WriteAt([]byte(text), 0)
	must(t, err)
	return f
}

func text(t testing.TB, fsys FS, path string) string {
	t.Helper()
	f, err := fsys.Open(path)
	must(t, err)
	defer f.Close()
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		t.Fatal(err)
	}
	return string(b)
}

func TestFiles(t *testing.T) {
	each(t, func(t *testing.T, fsys FS, dir string) {
		path := filepath.Join(dir, "a")
		f := create(t, fsys, path, "hello")
		_, err := f.WriteAt([]byte("world"), 5000) // a hole reads as zeros
		must(t, err)
		must(t, f.Sync())
		b := make([]byte, 10)
		if n, err := f.ReadAt(b, 4998); n != 7 || err != io.EOF || string(b[:7]) != "\x00\x00world" {
			t.Errorf("read %d, %v, %q", n, err, b)
		}
		must(t, f.Preallocate(8192))
		must(t, f.Preallocate(100)) // never shorter
		if size, err := fsys.Size(path); size != 8192 || err != nil {
			t.Errorf("%d bytes, %v", size, err)
		}
		if n, err := f.ReadAt(b, 6000); n != 10 || err != nil || !bytes.Equal(b, make([]byte, 10)) {
			t.Errorf("preallocated: %d, %v, %q", n, err, b)
		}
		must(t, f.Truncate(3))
		must(t, f.Truncate(5)) // what was cut off does not come back
		must(t, f.Close())
		if got := text(t, fsys, path); got != "hel\x00\x00" {
			t.Errorf("%q", got)
		}
		must(t, create(t, fsys, path, "new").Close()) // Create empties
		if got := text(t, fsys, path); got != "new" {
			t.Errorf("%q", got)
		}
		if _, err := f.ReadAt(b, 0); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
	})
}

func TestNames(t *testing.T) {
	each(t, func(t *testing.T, fsys FS, dir string) {
		dir = filepath.Join(dir, "x", "y")
		if _, err := fsys.Create(filepath.Join(dir, "a")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Create without a directory: %v", err)
		}
		must(t, fsys.MkdirAll(dir))
		must(t, fsys.MkdirAll(dir))
		for _, name := range []string{"b", "a", "c"} {
			must(t, create(t, fsys, filepath.Join(dir, name), name).Close())
		}
		must(t, fsys.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "c")))
		must(t, fsys.Remove(filepath.Join(dir, "b")))
		must(t, fsys.SyncDir(dir))
		if names, err := fsys.List(dir); err != nil || !slices.Equal(names, []string{"c"}) {
			t.Errorf("%v, %v", names, err)
		}
		if got := text(t, fsys, filepath.Join(dir, "c")); got != "a" {
			t.Errorf("%q", got)
		}
		if err := fsys.MkdirAll(filepath.Join(dir, "c")); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("MkdirAll over a file: %v", err)
		}
		missing := filepath.Join(dir, "missing")
		_, openErr := fsys.Open(missing)
		_, sizeErr := fsys.Size(missing)
		_, listErr := fsys.List(missing)
		for call, err := range map[string]error{
			"Open": openErr, "Size": sizeErr, "List": listErr,
			"Remove": fsys.Remove(missing), "Rename": fsys.Rename(missing, missing+"2"), "SyncDir": fsys.SyncDir(missing),
		} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s of what is not there: %v", call, err)
			}
		}
	})
}

func TestLock(t *testing.T) {
	each(t, func(t *testing.T, fsys FS, dir string) {
		path := filepath.Join(dir, "LOCK")
		held, err := fsys.Lock(path)
		must(t, err)
		if _, err := fsys.Lock(path); !errors.Is(err, ErrLocked) {
			t.Errorf("second Lock: %v", err)
		}
		must(t, held.Close())
		held, err = fsys.Lock(path)
		must(t, err)
		must(t, held.Close())
	})
}

// A crash keeps what was synced, and of the rest what it is told to keep.
func TestCrash(t *testing.T) {
	m := NewMem()
	f := create(t, m, "/kept", "old")
	must(t, f.Sync())
	must(t, m.SyncDir("/"))
	_, err := f.WriteAt([]byte("NEW and longer"), 0)
	must(t, err)
	lost := create(t, m, "/lost", "its name is not synced")
	must(t, lost.Sync())
	must(t, create(t, m, "/gone", "").Close())
	must(t, m.SyncDir("/")) // also "lost" now, but:
	must(t, m.Rename("/lost", "/renamed"))
	must(t, m.Remove("/gone"))

	dropped := m.CrashClone(DropUnsynced)
	if names, _ := dropped.List("/"); !slices.Equal(names, []string{"gone", "kept", "lost"}) {
		t.Errorf("dropped: %v", names)
	}
	if got := text(t, dropped, "/kept"); got != "old" {
		t.Errorf("dropped: %q", got)
	}
	all := m.CrashClone(KeepUnsynced)
	if names, _ := all.List("/"); !slices.Equal(names, []string{"kept", "renamed"}) {
		t.Errorf("kept: %v", names)
	}
	if got := text(t, all, "/kept"); got != "NEW and longer" {
		t.Errorf("kept: %q", got)
	}
	if got := text(t, all, "/renamed"); got != "its name is not synced" {
		t.Errorf("kept: %q", got)
	}
	// The bytes but not the size: what is beyond the old size is not there.
	short := m.CrashClone(func(u Unsynced) Kept {
		if u.Kind == Size {
			return None
		}
		return All
	})
	if got := text(t, short, "/kept"); got != "NEW" {
		t.Errorf("size dropped: %q", got)
	}
	// The file system itself, and the clones, do not notice each other.
	must(t, create(t, dropped, "/kept", "changed").Close())
	if got := text(t, m, "/kept"); got != "NEW and longer" {
		t.Errorf("original: %q", got)
	}
}

// A block is torn between its sectors.
func TestTornBlock(t *testing.T) {
	m := NewMem()
	f := create(t, m, "/a", string(bytes.Repeat([]byte("o"), 2*BlockBytes)))
	must(t, f.Sync())
	must(t, m.SyncDir("/"))
	_, err := f.WriteAt(bytes.Repeat([]byte("n"), BlockBytes), BlockBytes/2)
	must(t, err)
	torn := text(t, m.CrashClone(func(u Unsynced) Kept {
		if u.Offset == 0 {
			return 1 << 5
		}
		return 1<<0 | 1<<7
	}), "/a")
	for sector := range 2 * BlockBytes / SectorBytes {
		want := byte('o')
		if sector == 5 || sector == 8 {
			want = 'n'
		}
		piece := []byte(torn[sector*SectorBytes : (sector+1)*SectorBytes])
		if !bytes.Equal(piece, bytes.Repeat([]byte{want}, SectorBytes)) {
			t.Errorf("sector %d is not %c", sector, want)
		}
	}
}

// The file in memory is like a slice, and after a crash each byte is one that
// was there at the last sync or since.
func TestMemFileBehavesLikeASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMem()
		f, err := m.Create("/a")
		if err != nil {
			t.Fatal(err)
		}
		if err := m.SyncDir("/"); err != nil {
			t.Fatal(err)
		}
		var model, synced []byte
		offset := rapid.Int64Range(0, 3*BlockBytes)
		check := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				at, n := offset.Draw(t, "at"), rapid.IntRange(1, 2*BlockBytes).Draw(t, "bytes")
				b := bytes.Repeat([]byte{byte(rapid.IntRange(1, 255).Draw(t, "byte"))}, n)
				_, err := f.WriteAt(b, at)
				check(err)
				if grow := int(at) + n - len(model); grow > 0 {
					model = append(model, make([]byte, grow)...)
				}
				copy(model[at:], b)
			},
			"truncate": func(t *rapid.T) {
				size := offset.Draw(t, "size")
				check(f.Truncate(size))
				if int(size) > len(model) {
					model = append(model, make([]byte, int(size)-len(model))...)
				}
				model = model[:size:size]
			},
			"sync": func(t *rapid.T) {
				check(f.Sync())
				synced = bytes.Clone(model)
			},
			"crash": func(t *rapid.T) {
				m = m.CrashClone(DropUnsynced)
				f, err = m.Open("/a")
				check(err)
				model = bytes.Clone(synced)
			},
			"": func(t *rapid.T) {
				size, err := f.Size()
				check(err)
				b := make([]byte, size)
				if n, _ := f.ReadAt(b, 0); n != len(b) || !bytes.Equal(b, model) {
					t.Fatalf("%d bytes, want %d, or they differ", size, len(model))
				}
			},
		})
	})
}

func TestInjectedFaults(t *testing.T) {
	var seen []OpKind
	var fault Fault
	on := OpKind("")
	disk := NewMem()
	fsys := Inject(disk, func(op Op) Fault {
		seen = append(seen, op.Kind)
		if op.Kind == on {
			return fault
		}
		return Fault{}
	})
	f, err := fsys.Create("/a")
	must(t, err)

	on, fault = OpWrite, Fault{Err: syscall.ENOSPC, Partial: 2}
	if n, err := f.WriteAt([]byte("abcd"), 0); n != 2 || !IsNoSpace(err) {
		t.Errorf("partial write: %d, %v", n, err)
	}
	if got := text(t, disk, "/a"); got != "ab" {
		t.Errorf("%q", got)
	}
	on, fault = OpSync, Fault{Err: syscall.EIO, Forget: true}
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("sync: %v", err)
	}
	on = ""
	must(t, f.Sync()) // succeeds, and is a lie
	must(t, fsys.SyncDir("/"))
	if got := text(t, disk, "/a"); got != "ab" {
		t.Errorf("%q can be read", got)
	}
	if got := text(t, disk.CrashClone(DropUnsynced), "/a"); got != "\x00\x00" {
		t.Errorf("%q is on the disk", got)
	}
	if want := []OpKind{OpCreate, OpWrite, OpSync, OpSync, OpSyncDir}; !slices.Equal(seen, want) {
		t.Errorf("seen %v, want %v", seen, want)
	}
}

func TestFree(t *testing.T) {
	each(t, func(t *testing.T, fsys FS, dir string) {
		if free, err := fsys.Free(dir); free <= 0 || err != nil {
			t.Errorf("%d bytes, %v", free, err)
		}
		if _, err := fsys.Free(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("of what is not there: %v", err)
		}
	})
}

// A disk of three blocks: a write goes as far as there is room, what was
// preallocated has its room, and what is removed makes some.
func TestCapacity(t *testing.T) {
	m := NewMem()
	m.SetCapacity(3*BlockBytes + 100)
	free := func(want int64) {
		t.Helper()
		if got, err := m.Free("/"); got != want || err != nil {
			t.Errorf("%d bytes free, %v; want %d", got, err, want)
		}
	}
	free(3 * BlockBytes)
	reserved := create(t, m, "/reserved", "")
	must(t, reserved.Preallocate(BlockBytes+1))
	free(BlockBytes)
	f := create(t, m, "/f", "")
	if n, err := f.WriteAt(make([]byte, 2*BlockBytes), 10); n != BlockBytes-10 || !IsNoSpace(err) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if size, _ := f.Size(); size != BlockBytes {
		t.Errorf("%d bytes after that", size)
	}
	free(0)
	if err := reserved.Preallocate(3 * BlockBytes); !IsNoSpace(err) {
		t.Errorf("Preallocate: %v", err)
	}
	_, err := f.WriteAt(make([]byte, BlockBytes), 0) // over what is there
	must(t, err)
	_, err = reserved.WriteAt(make([]byte, BlockBytes+1), 0)
	must(t, err)
	must(t, errors.Join(reserved.Sync(), m.SyncDir("/")))

	after := m.CrashClone(DropUnsynced) // which loses f's block
	if got, _ := after.Free("/"); got != BlockBytes {
		t.Errorf("%d bytes free after a crash", got)
	}
	must(t, reserved.Truncate(1))
	free(BlockBytes)
	must(t, m.Remove("/f"))
	free(2 * BlockBytes)
	m.SetCapacity(BlockBytes / 2) // less than is taken
	free(0)
	m.SetCapacity(0)
	_, err = reserved.WriteAt(make([]byte, 9*BlockBytes), 0)
	must(t, err)
}

// A bit flips on the disk: readers see it, and crash clones have it, but those
// made before do not; what is written over it is right again.
func TestFlipBit(t *testing.T) {
	m := NewMem()
	f := create(t, m, "/a", "abc")
	must(t, errors.Join(f.Sync(), m.SyncDir("/")))
	before := m.CrashClone(DropUnsynced)
	must(t, m.FlipBit("/a", 1, 5))
	for name, disk := range map[string]*Mem{"aBc": m, "abc": before} {
		if got := text(t, disk, "/a"); got != name {
			t.Errorf("%q, want %q", got, name)
		}
	}
	_, err := f.WriteAt([]byte("b"), 1)
	must(t, err)
	must(t, m.FlipBit("/a", 2, 5)) // under a block that waits to be written
	if got := text(t, m, "/a"); got != "abc" {
		t.Errorf("%q: the file was written since", got)
	}
	if got := text(t, m.CrashClone(DropUnsynced), "/a"); got != "aBC" {
		t.Errorf("%q is on the disk", got)
	}
	must(t, f.Sync())
	if got := text(t, m.CrashClone(DropUnsynced), "/a"); got != "abc" {
		t.Errorf("%q after it was written anew", got)
	}
	for _, at := range []int64{-1, 3} {
		if err := m.FlipBit("/a", at, 0); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("at %d: %v", at, err)
		}
	}
}

// CrashKeeping keeps as much as it is told: nothing, everything, or whole blocks
// only.
func TestCrashKeeping(t *testing.T) {
	m := NewMem()
	f := create(t, m, "/a", string(make([]byte, 200*BlockBytes)))
	must(t, errors.Join(f.Sync(), m.SyncDir("/")))
	_, err := f.WriteAt(bytes.Repeat([]byte("n"), 200*BlockBytes), 0)
	must(t, err)
	for _, c := range []struct{ keep, torn, least, most, mixed int }{
		{0, 100, 0, 0, 0}, {100, 0, 200, 200, 0}, {50, 0, 60, 140, 0}, {100, 100, 60, 140, 100},
	} {
		random := rand.New(rand.NewSource(1))
		got := text(t, m.CrashClone(CrashKeeping(c.keep, c.torn, random.Intn)), "/a")
		mixed := 0
		for at := 0; at < len(got); at += BlockBytes {
			if n := strings.Count(got[at:at+BlockBytes], "n"); n != 0 && n != BlockBytes {
				mixed++
			}
		}
		if kept := strings.Count(got, "n") / BlockBytes; kept < c.least || kept > c.most || mixed < c.mixed || c.torn == 0 && mixed > 0 {
			t.Errorf("keep %d, torn %d: %d blocks' worth kept, %d torn", c.keep, c.torn, kept, mixed)
		}
	}
}
