package snapshot

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"

	"quorate/internal/vfs"
	"quorate/raft"

	"pgregory.net/rapid"
)

// TestCrashWhileReceiving: whatever a power loss before any operation of the
// disk leaves, an image that the next start finds is whole; and one whose Commit
// has returned is found.
func TestCrashWhileReceiving(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mem := vfs.NewMem()
		crash := vfs.RandomCrash(func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "crash") })
		if rapid.Bool().Draw(rt, "drop all") {
			crash = vfs.DropUnsynced
		}
		at := rapid.IntRange(1, 40).Draw(rt, "operations before the crash")
		var left *vfs.Mem
		disk := vfs.Inject(mem, func(op vfs.Op) vfs.Fault {
			if op.Kind.Changes() && left == nil {
				if at--; at == 0 {
					left = mem.CrashClone(crash)
				}
			}
			return vfs.Fault{}
		})
		committed := make(map[raft.Index]bool)
		o := testOptions(disk)
		o.Received = func(h Header) {
			if left == nil {
				committed[h.Snapshot.Index] = true
			}
		}
		store, err := Open(o)
		if err != nil {
			rt.Fatal(err)
		}
		for _, index := range []raft.Index{7, 9, 8} {
			receive(rt, store, index)
			if err := store.Forget(7); err != nil {
				rt.Fatal(err)
			}
			delete(committed, 7)
		}
		if left == nil {
			left = mem.CrashClone(crash)
		}

		store, err = Open(testOptions(left))
		if err != nil {
			rt.Fatalf("after the crash: %v", err)
		}
		for _, image := range store.received {
			if err := store.Verify(image.Snapshot.Index); err != nil {
				rt.Errorf("after the crash: %v", err)
			}
		}
		for index := range committed {
			if _, ok := store.Path(index); !ok {
				rt.Errorf("the image at %d was committed and is not there", index)
			}
		}
		if err := store.Forget(100); err != nil {
			rt.Fatal(err)
		}
		if names, err := left.List("snapshots"); len(names) > 0 || err != nil {
			rt.Errorf("then the directory holds %v, %v", names, err)
		}
	})
}

// receive receives an image with a break in the middle.
func receive(rt *rapid.T, store *Store, index raft.Index) {
	content := imageBytes(index, 10_000)
	half := 4000
	for _, end := range []int{half, len(content)} {
		w, err := store.Receive(testHeader(index, content))
		if err != nil {
			rt.Fatal(err)
		}
		if _, err := w.Write(content[w.Offset():end]); err != nil {
			rt.Fatal(err)
		}
		if end == half {
			err = w.Close()
		} else {
			err = w.Commit()
		}
		if err != nil {
			rt.Fatal(err)
		}
	}
}

// TestFailingDisk: whatever operation of the disk fails, the writer says so and
// leaves nothing that is taken for an image; the next attempt succeeds.
func TestFailingDisk(t *testing.T) {
	content := imageBytes(7, 10_000)
	for failing := 0; ; failing++ {
		mem := vfs.NewMem()
		store, err := Open(testOptions(mem))
		if err != nil {
			t.Fatal(err)
		}
		at, failed := 0, vfs.Op{}
		store.options.FS = vfs.Inject(mem, func(op vfs.Op) (fault vfs.Fault) {
			if op.Kind.Changes() {
				if at++; at-1 == failing {
					failed, fault.Err = op, syscall.EIO
				}
			}
			return fault
		})
		attempt := func() error {
			w, err := store.Receive(testHeader(7, content))
			if err != nil {
				return err
			}
			if _, err := w.Write(content[w.Offset():]); err != nil {
				return err
			}
			return w.Commit()
		}
		err = attempt()
		if failed.Kind == "" {
			if err != nil {
				t.Error(err)
			}
			return
		}
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("%s of %s fails: %v", failed.Kind, failed.Path, err)
		}
		if names, err := mem.List("snapshots"); len(names) > 0 || err != nil {
			t.Errorf("%s of %s fails: the directory holds %v, %v", failed.Kind, failed.Path, names, err)
		}
		if err := attempt(); err != nil {
			t.Errorf("%s of %s fails: then %v", failed.Kind, failed.Path, err)
		}
		if err := store.Verify(7); err != nil {
			t.Error(err)
		}
	}
}

// TestSendersShare: senders that come and go get whole images that are new
// enough, and leave nothing behind. Run with -race.
func TestSendersShare(t *testing.T) {
	mem := vfs.NewMem()
	o := testOptions(mem)
	var mu sync.Mutex // guards index
	index := raft.Index(1)
	o.Make = func(_ context.Context, path string) (Image, error) {
		mu.Lock()
		index++
		at := index
		mu.Unlock()
		content := imageBytes(at, 20_000)
		h := testHeader(at, content)
		return h.image(), write(mem, path, content)
	}
	store, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	var senders sync.WaitGroup
	for range 4 {
		senders.Add(1)
		go func() {
			defer senders.Done()
			for range 50 {
				mu.Lock()
				base := index // each time a new image is wanted, or the one that another has just had made
				mu.Unlock()
				if err := sendWhole(store, base); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	senders.Wait()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if names, err := mem.List("snapshots"); len(names) > 0 || err != nil {
		t.Errorf("then the directory holds %v, %v", names, err)
	}
	if _, err := store.Outgoing(context.Background(), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func sendWhole(store *Store, base raft.Index) error {
	o, err := store.Outgoing(context.Background(), base)
	if err != nil {
		return err
	}
	defer o.Release()
	if o.Snapshot.Index < base {
		return errors.New("the image is too old")
	}
	b := make([]byte, o.Bytes)
	if _, err := o.ReadAt(b, 0); err != nil {
		return err
	}
	h := testHeader(o.Snapshot.Index, b)
	if h.SHA256 != o.SHA256 {
		return errors.New("the image is not the one that was made")
	}
	return nil
}
