package wal

// These tests show what happens to the front of a log: it is cut while others
// write and read, it is replaced by a snapshot, and configurations survive both.
// Crashes in the middle are in crash_test.go and in the transcripts.

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"quorate/internal/vfs"
	"quorate/raft"
)

// A writer, two who cut and two readers do not disturb each other; run with -race.
// What is above the base that Cut returned can be read, and nobody sees anything
// else than what was written.
func TestCutWhileAppendingAndReading(t *testing.T) {
	o := memOptions(vfs.NewMem())
	o.InlineAhead = false
	l := mustCreate(t, o)
	mustAppend(t, l, Write{HardState: hardState(1, 0, 0), Entries: entries(1, 1, 11, 500), Sync: true})
	const last = 600
	var others sync.WaitGroup
	until := make(chan struct{})
	repeat := func(what func() error) {
		others.Add(1)
		go func() {
			defer others.Done()
			for {
				select {
				case <-until:
					return
				default:
				}
				if err := what(); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	for range 2 {
		repeat(func() error {
			_, _ = l.Size()
			_, err := l.Cut(last)
			return err
		})
		repeat(func() error {
			base, _ := l.Base()
			lo, hi := base+1, base+5
			got, err := l.Entries(lo, hi, 1<<20)
			if errors.Is(err, ErrCut) || err != nil && base+1 > last-5 {
				return nil
			}
			if err == nil && !equalEntries(got, entries(1, lo, lo+raft.Index(len(got)), 500)) {
				err = errors.New("other entries than were written")
			}
			if err != nil {
				return fmt.Errorf("Entries(%d, %d): %w", lo, hi, err)
			}
			return nil
		})
	}
	for i := raft.Index(11); i <= last; i++ {
		mustAppend(t, l, Write{HardState: hardState(1, 0, i-5), Entries: entries(1, i, i+1, 500), Sync: true})
	}
	close(until)
	others.Wait()
	base, err := l.Cut(last)
	if err != nil || base < last-20 {
		t.Errorf("Cut(%d) = %d, %v", last, base, err)
	}
	mustClose(t, l)
	l = mustOpen(t, o)
	defer l.Close()
	s := mustWholeState(t, l)
	if s.Base != base || s.Last != last || !equalEntries(s.Entries, entries(1, base+1, last+1, 500)) {
		t.Errorf("base %d, last %d after Cut = %d", s.Base, s.Last, base)
	}
	if _, segments := l.Size(); segments > 2 {
		t.Errorf("%d segments are left", segments)
	}
}

// A file that cannot be removed does not stop the log, and is tried again.
func TestSegmentThatCannotBeRemoved(t *testing.T) {
	mem := vfs.NewMem()
	broken := true
	disk := vfs.Inject(mem, func(op vfs.Op) vfs.Fault {
		if broken && op.Kind == vfs.OpRemove && strings.HasSuffix(op.Path, segmentSuffix) {
			return vfs.Fault{Err: errPower}
		}
		return vfs.Fault{}
	})
	l := mustCreate(t, memOptions(disk))
	defer l.Close()
	for i := raft.Index(1); i < 30; i++ {
		mustAppend(t, l, Write{HardState: hardState(1, 0, i), Entries: entries(1, i, i+1, 1000), Sync: true})
	}
	base, err := l.Cut(29)
	if base == 0 || !errors.Is(err, errPower) {
		t.Fatalf("Cut = %d, %v", base, err)
	}
	mustAppend(t, l, Write{Entries: entries(1, 30, 31, 10), Sync: true})
	broken = false
	if again, err := l.Cut(29); again != base || err != nil {
		t.Errorf("again: %d, %v", again, err)
	}
	numbers, err := listSegments(mem, "/data/wal")
	if _, segments := l.Size(); err != nil || len(numbers) != segments {
		t.Errorf("%d files, %d segments, %v", len(numbers), segments, err)
	}
}

// A member that is to join begins without members; an image gives it everything.
func TestMemberThatJoins(t *testing.T) {
	o := memOptions(vfs.NewMem())
	l, err := Create(o, testIdentity, raft.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	if s := mustState(t, l, 0); len(s.Configurations) != 1 || len(s.Configurations[0].Configuration.Members) != 0 {
		t.Errorf("begins with %+v", s.Configurations)
	}
	s := snapshotAt(1000, 7, 5)
	mustAppend(t, l, Write{HardState: hardState(8, 0, 1000), Snapshot: s, Sync: true})
	mustAppend(t, l, Write{HardState: hardState(8, 0, 1001), Entries: entries(8, 1001, 1003, 10), Sync: true})
	if err := l.lock.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, o)
	defer l.Close()
	if base, term := l.Base(); base != 1000 || term != 7 {
		t.Errorf("base %d of term %d", base, term)
	}
	if c := l.Configuration(); len(c.Members) != 0 {
		t.Errorf("it was made with %+v now", c)
	}
	var corrupt *CorruptError
	if _, err := l.State(999); !errors.As(err, &corrupt) {
		t.Errorf("State(999): %v, want a *CorruptError", err)
	}
	got := mustState(t, l, 1000)
	if want := []raft.ConfigurationAt{s.Configuration}; !reflect.DeepEqual(got.Configurations, want) || got.Last != 1002 {
		t.Errorf("last %d, %+v", got.Last, got.Configurations)
	}
}

// Configurations that take more than one block of a header, and one that takes
// too much.
func TestLargeConfigurations(t *testing.T) {
	large := func(seed int) (c raft.Configuration) {
		for i := range 16 {
			c.Members = append(c.Members, raft.Member{ID: raft.NodeID(i + 1), Name: strings.Repeat("n", 200+seed), Address: strings.Repeat("a", 200)})
		}
		return c
	}
	carry := func(index raft.Index, c raft.Configuration) []raft.Entry {
		return []raft.Entry{{Term: 1, Index: index, Type: raft.EntryConfiguration, Data: raft.AppendConfiguration(nil, c)}}
	}
	o := memOptions(vfs.NewMem())
	l, err := Create(o, testIdentity, large(0))
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, Write{HardState: hardState(1, 0, 0), Sync: true})
	for i := raft.Index(1); i < 10; i++ {
		mustAppend(t, l, Write{HardState: hardState(1, 0, i), Entries: carry(i, large(int(i))), Sync: true})
	}
	base, err := l.Cut(9)
	if err != nil || base == 0 {
		t.Fatalf("Cut = %d, %v", base, err)
	}
	if err := l.lock.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, o)
	defer l.Close()
	if l.active.header.headerBytes < 3*blockBytes {
		t.Errorf("a header of %d bytes shows nothing", l.active.header.headerBytes)
	}
	s := mustState(t, l, base)
	for i, c := range s.Configurations {
		index := base + raft.Index(i)
		if !reflect.DeepEqual(c, raft.ConfigurationAt{Index: index, Configuration: large(int(index))}) {
			t.Errorf("configuration %d is not that of entry %d", i, index)
		}
	}
	if len(s.Configurations) != int(9-base)+1 || !reflect.DeepEqual(l.Configuration(), large(0)) {
		t.Errorf("%d configurations", len(s.Configurations))
	}

	tooLarge := raft.Configuration{Members: []raft.Member{{ID: 1, Name: strings.Repeat("n", maxConfigurationBytes)}}}
	if _, err := l.Append([]Write{{Entries: carry(10, tooLarge)}}); err == nil {
		t.Error("a configuration that fits into no header was taken")
	}
	if _, err := Create(memOptions(vfs.NewMem()), testIdentity, tooLarge); err == nil {
		t.Error("a log was made with it")
	}
}

func TestForceConfiguration(t *testing.T) {
	o := memOptions(vfs.NewMem())
	alone := raft.Configuration{Members: testConfiguration.Members[:1]}
	if _, err := ForceConfiguration(o, alone); !errors.Is(err, ErrNotExist) {
		t.Errorf("without a log: %v", err)
	}
	l := mustCreate(t, o)
	mustAppend(t, l, Write{HardState: hardState(3, 2, 1), Entries: entries(3, 1, 6, 100), Sync: true})
	if _, err := ForceConfiguration(o, alone); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("while it runs: %v", err)
	}
	mustClose(t, l)
	learner := raft.Configuration{Members: []raft.Member{{ID: 1, Suffrage: raft.Learner}, {ID: 2}}}
	for name, c := range map[string]raft.Configuration{
		"nobody": {}, "others only": {Members: testConfiguration.Members[1:]}, "this one as a learner": learner,
	} {
		if _, err := ForceConfiguration(o, c); err == nil {
			t.Errorf("%s: it was done", name)
		}
	}
	for n := raft.Index(0); n < 2; n++ {
		index, err := ForceConfiguration(o, alone)
		if index != 6+n || err != nil {
			t.Fatalf("ForceConfiguration = %d, %v", index, err)
		}
		l = mustOpen(t, o)
		s := mustState(t, l, 0)
		want := raft.ConfigurationAt{Index: index, Configuration: alone}
		if s.HardState != *hardState(4+raft.Term(n), 1, index) || s.Last != index || !reflect.DeepEqual(s.Configurations[1+n], want) {
			t.Errorf("%+v, last %d, %+v", s.HardState, s.Last, s.Configurations)
		}
		if !equalEntries(s.Entries[:5], entries(3, 1, 6, 100)) {
			t.Error("the entries before are not what they were")
		}
		mustClose(t, l)
	}
}

// A deposed leader still reads entries for a follower when an image replaces its
// log, and with it the segments: the entries are gone, and nothing is wrong.
func TestEntriesWhileTheLogIsReset(t *testing.T) {
	var l *Log
	reset := func() {}
	disk := vfs.Inject(vfs.NewMem(), func(op vfs.Op) vfs.Fault {
		if op.Kind == vfs.OpOpen && strings.HasSuffix(op.Path, segmentSuffix) {
			now := reset
			reset = func() {}
			now()
		}
		return vfs.Fault{}
	})
	l = mustCreate(t, memOptions(disk))
	defer l.Close()
	mustAppend(t, l, Write{HardState: hardState(1, 1, 5), Entries: entries(1, 1, 31, 1000), Sync: true})
	reset = func() { mustAppend(t, l, Write{Snapshot: snapshotAt(20, 2, 1), HardState: hardState(2, 0, 20)}) }
	if got, err := l.Entries(25, 31, 1<<20); !errors.Is(err, ErrCut) {
		t.Errorf("%d entries, %v; want ErrCut", len(got), err)
	}
}
