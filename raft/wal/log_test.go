package wal

// These tests show the life of a log as the node sees it: it is made, written,
// closed, opened again and read, on a disk in memory and on a real one.

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"quorate/internal/vfs"
	"quorate/raft"
)

var (
	testIdentity      = Identity{Cluster: [16]byte{0xc1}, Storage: [16]byte{0x57}, Node: 1}
	testConfiguration = raft.Configuration{Members: []raft.Member{
		{ID: 1, Name: "n1", Address: "127.0.0.1:7432"},
		{ID: 2, Name: "n2", Address: "127.0.0.1:7433"},
	}}
)

// memOptions are small segments in memory, and the same operations every time.
func memOptions(fsys vfs.FS) Options {
	return Options{FS: fsys, Dir: "/data/wal", SegmentBytes: minSegmentBytes, InlineAhead: true}
}

func mustCreate(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Create(o, testIdentity, testConfiguration)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustOpen(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustAppend(t testing.TB, l *Log, writes ...Write) {
	t.Helper()
	if _, err := l.Append(writes); err != nil {
		t.Fatal(err)
	}
}

func mustState(t testing.TB, l *Log, applied raft.Index) raft.State {
	t.Helper()
	s, err := l.State(applied)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustWholeState(t testing.TB, l *Log) raft.State {
	t.Helper()
	base, _ := l.Base()
	return mustState(t, l, base)
}

// entries returns entries [lo, hi) of a term, each with some data of its own.
func entries(term raft.Term, lo, hi raft.Index, dataBytes int) []raft.Entry {
	var made []raft.Entry
	for i := lo; i < hi; i++ {
		data := bytes.Repeat([]byte{byte(i), byte(term)}, dataBytes)[:dataBytes]
		made = append(made, raft.Entry{Term: term, Index: i, Data: data})
	}
	return made
}

func hardState(term raft.Term, vote raft.NodeID, commit raft.Index) *raft.HardState {
	return &raft.HardState{Term: term, Vote: vote, Commit: commit}
}

// equalEntries compares entries, for which nil and empty data are the same.
func equalEntries(a, b []raft.Entry) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Index != b[i].Index || a[i].Term != b[i].Term || a[i].Type != b[i].Type || !bytes.Equal(a[i].Data, b[i].Data) {
			return false
		}
	}
	return true
}

func TestLogComesBack(t *testing.T) {
	for name, o := range map[string]Options{
		"in memory":        memOptions(vfs.NewMem()),
		"on the real disk": {Dir: filepath.Join(t.TempDir(), "new", "wal"), SegmentBytes: minSegmentBytes},
	} {
		t.Run(name, func(t *testing.T) {
			l := mustCreate(t, o)
			first := entries(1, 1, 40, 100)
			mustAppend(t, l,
				Write{HardState: hardState(1, 2, 0), Sync: true},
				Write{Entries: first, Sync: true})
			// Entries 30 to 39 give way to a new leader's; no data is data too.
			second := append([]raft.Entry{{Term: 3, Index: 30, Type: raft.EntryNoop}}, entries(3, 31, 200, 333)...)
			for _, e := range second {
				mustAppend(t, l, Write{HardState: hardState(3, 0, 29), Entries: []raft.Entry{e}, Sync: true})
			}
			mustClose(t, l)

			l = mustOpen(t, o)
			defer l.Close()
			if l.Identity() != testIdentity || !reflect.DeepEqual(l.Configuration(), testConfiguration) {
				t.Errorf("identity %+v, configuration %+v", l.Identity(), l.Configuration())
			}
			s := mustState(t, l, 0)
			if s.HardState != *hardState(3, 0, 29) || s.Last != 199 || !reflect.DeepEqual(s.Configurations[0].Configuration, testConfiguration) {
				t.Errorf("state %+v", s)
			}
			if want := []raft.TermRun{{First: 1, Term: 1}, {First: 30, Term: 3}}; !reflect.DeepEqual(s.Runs, want) {
				t.Errorf("runs %v, want %v", s.Runs, want)
			}
			if all := append(first[:29:29], second...); !equalEntries(s.Entries, all) {
				t.Errorf("%d entries, or their contents differ", len(s.Entries))
			}
			if _, segments := l.Size(); segments < 5 {
				t.Errorf("%d segments: too few to show anything", segments)
			}
		})
	}
}

func TestOldEntriesAreReadFromDisk(t *testing.T) {
	l := mustCreate(t, memOptions(vfs.NewMem()))
	defer l.Close()
	all := entries(1, 1, 301, 200) // 240 bytes each on disk
	mustAppend(t, l, Write{HardState: hardState(1, 0, 0)})
	for i := range all {
		mustAppend(t, l, Write{Entries: all[i : i+1]})
	}
	for _, c := range []struct {
		lo, hi   raft.Index
		maxBytes int
		last     raft.Index // of those returned
	}{
		{1, 301, 1 << 20, 300},
		{1, 2, 1 << 20, 1},
		{17, 190, 1 << 20, 189},
		{299, 1000, 1 << 20, 300},
		{50, 60, 0, 50}, // one at least
		{50, 60, 239, 50},
		{50, 60, 3 * 240, 52},
		{1, 301, 100 * 240, 100}, // three segments
	} {
		got, err := l.Entries(c.lo, c.hi, c.maxBytes)
		if err != nil {
			t.Fatal(err)
		}
		if want := all[c.lo-1 : c.last]; !equalEntries(got, want) {
			t.Errorf("Entries(%d, %d, %d): %d entries, want %d to %d", c.lo, c.hi, c.maxBytes, len(got), c.lo, c.last)
		}
	}
	for _, c := range [][2]raft.Index{{0, 5}, {5, 5}, {301, 302}} {
		if got, err := l.Entries(c[0], c[1], 1<<20); err == nil {
			t.Errorf("Entries(%d, %d) = %d entries, want an error", c[0], c[1], len(got))
		}
	}
}

func TestStateReturnsWhatMayBeNeeded(t *testing.T) {
	o := memOptions(vfs.NewMem())
	o.CacheBytes = 10 * 240
	l := mustCreate(t, o)
	defer l.Close()
	mustAppend(t, l, Write{HardState: hardState(1, 0, 100), Entries: entries(1, 1, 301, 200)})
	for _, c := range []struct{ applied, first, commit raft.Index }{
		{0, 1, 100},     // all that lies above applied
		{250, 251, 250}, // what is applied is committed
		{300, 291, 300}, // as much as CacheBytes says
	} {
		s := mustState(t, l, c.applied)
		if s.Entries[0].Index != c.first || s.Entries[len(s.Entries)-1].Index != 300 || s.HardState.Commit != c.commit || s.Applied != c.applied {
			t.Errorf("State(%d): entries from %d, commit %d; want %d, %d", c.applied, s.Entries[0].Index, s.HardState.Commit, c.first, c.commit)
		}
	}
	var corrupt *CorruptError
	if _, err := l.State(301); !errors.As(err, &corrupt) {
		t.Errorf("State(301): %v, want a *CorruptError", err)
	}
}

// A Write that is larger than a segment gets a segment of its own size.
func TestLargeWrite(t *testing.T) {
	o := memOptions(vfs.NewMem())
	l := mustCreate(t, o)
	large := entries(1, 1, 4, 5*minSegmentBytes)
	mustAppend(t, l, Write{HardState: hardState(1, 0, 0), Entries: large, Sync: true})
	mustAppend(t, l, Write{Entries: entries(1, 4, 10, 10), Sync: true})
	mustClose(t, l)
	l = mustOpen(t, o)
	defer l.Close()
	if s := mustState(t, l, 0); !equalEntries(s.Entries, append(large, entries(1, 4, 10, 10)...)) {
		t.Errorf("%d entries came back, or they differ", len(s.Entries))
	}
}

// What would break the log is refused before it is written, because it can only
// come from a mistake in the core; and then the log is failed.
func TestImpossibleWritesAreRefused(t *testing.T) {
	for name, w := range map[string]Write{
		"a gap":                           {Entries: entries(2, 7, 8, 1)},
		"index 0":                         {Entries: entries(2, 0, 1, 1)},
		"over a committed entry":          {Entries: entries(2, 3, 4, 1)},
		"of an older term":                {Entries: entries(1, 6, 7, 1)},
		"of a term that has not begun":    {Entries: entries(3, 6, 7, 1)},
		"term goes back":                  {HardState: hardState(1, 0, 3)},
		"second vote in a term":           {HardState: hardState(2, 2, 3)},
		"commit goes back":                {HardState: hardState(2, 1, 2)},
		"commit beyond the last":          {HardState: hardState(2, 1, 6)},
		"entries that do not follow":      {Entries: append(entries(2, 6, 7, 1), entries(2, 8, 9, 1)...)},
		"a snapshot of what is committed": {Snapshot: snapshotAt(3, 2, 4)},
		"a snapshot the log need not":     {Snapshot: snapshotAt(5, 2, 4)},
		"a snapshot of entry 0":           {Snapshot: &raft.Snapshot{Term: 2}},
		"a snapshot of term 0":            {Snapshot: &raft.Snapshot{Index: 9}},
		"a snapshot of a term to come":    {Snapshot: snapshotAt(9, 3, 4)},
		"a snapshot before its members":   {Snapshot: &raft.Snapshot{Index: 9, Term: 2, Configuration: raft.ConfigurationAt{Index: 10}}},
		"a snapshot and a gap":            {Snapshot: snapshotAt(9, 2, 4), Entries: entries(2, 11, 12, 1)},
		"no configuration":                {Entries: []raft.Entry{{Term: 2, Index: 6, Type: raft.EntryConfiguration, Data: []byte{9}}}},
		"terms that go back in one write": {HardState: hardState(4, 0, 3), Entries: append(entries(4, 6, 7, 1), entries(3, 7, 8, 1)...)},
	} {
		t.Run(name, func(t *testing.T) {
			l := mustCreate(t, memOptions(vfs.NewMem()))
			defer l.Close()
			before := Write{HardState: hardState(2, 1, 3), Entries: entries(2, 1, 6, 1), Sync: true}
			mustAppend(t, l, before)
			_, err := l.Append([]Write{w})
			if err == nil {
				t.Fatal("it was written")
			}
			if _, again := l.Append([]Write{{Entries: entries(2, 6, 7, 1)}}); again != err {
				t.Errorf("then %v", again)
			}
		})
	}
}

func TestOneLogOneOwner(t *testing.T) {
	for name, o := range map[string]Options{
		"in memory":        memOptions(vfs.NewMem()),
		"on the real disk": {Dir: filepath.Join(t.TempDir(), "wal")},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Open(o); !errors.Is(err, ErrNotExist) {
				t.Errorf("Open of nothing: %v", err)
			}
			l := mustCreate(t, o)
			if _, err := Open(o); !errors.Is(err, vfs.ErrLocked) {
				t.Errorf("second Open: %v", err)
			}
			mustClose(t, l)
			if _, err := Create(o, testIdentity, testConfiguration); !errors.Is(err, ErrExists) {
				t.Errorf("second Create: %v", err)
			}
			_, appendErr := l.Append([]Write{{Sync: true}})
			_, cutErr := l.Cut(0)
			for call, err := range map[string]error{
				"Append": appendErr,
				"Cut":    cutErr,
				"Close":  l.Close(),
			} {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("%s after Close: %v", call, err)
				}
			}
			mustClose(t, mustOpen(t, o))
		})
	}
}

// Readers and the writer do not disturb each other; run with -race.
func TestReadWhileAppending(t *testing.T) {
	o := memOptions(vfs.NewMem())
	o.InlineAhead = false
	l := mustCreate(t, o)
	defer l.Close()
	mustAppend(t, l, Write{HardState: hardState(1, 0, 0), Entries: entries(1, 1, 101, 50), Sync: true})
	done := make(chan error, 1)
	go func() {
		for n := 0; n < 300; n++ {
			got, err := l.Entries(50, 101, 1<<20)
			if err != nil || !equalEntries(got, entries(1, 50, 101, 50)) {
				done <- fmt.Errorf("read %d: %d entries, %v", n, len(got), err)
				return
			}
			l.Size()
		}
		done <- nil
	}()
	for i := raft.Index(101); i < 400; i++ {
		mustAppend(t, l, Write{Entries: entries(1, i, i+1, 50), Sync: true})
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
