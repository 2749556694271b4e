package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"quorate/internal/vfs"
	"quorate/raft"

	"github.com/cockroachdb/datadriven"
)

// TestTranscripts runs the stories in testdata. Images are of random bytes that
// their index gives; the disk is in memory. After a change, run with -rewrite and
// read the difference.
//
//	receive index=N bytes=B [from=ID]  Receive; "at" is Writer.Offset
//	write bytes=B [damaged]            the next B bytes of the image
//	commit, close                      the writer's
//	forget through=N, path index=N, verify index=N
//	flip index=N                       a bit of the received image flips on the disk
//	state index=N bytes=B [fails]      of the state machine, which images are made of
//	outgoing base=N as=NAME            Outgoing, read whole
//	release NAME                       Release
//	retire [while-made]                Retire; or when the next image is nearly made
//	pass-time                          nobody has used the image for Keep
//	capacity free=B                    so much is free on the disk from now on; 0: all one wants
//	restart                            Close and Open
//	crash                              a power loss that drops what was not synced, and Open
//	files                              the directory
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := &world{t: t, disk: vfs.NewMem(), outgoing: make(map[string]*Outgoing)}
		w.open()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.out.Reset()
			if err := w.run(d); err != nil {
				fmt.Fprintf(&w.out, "error: %v\n", err)
			}
			return w.out.String()
		})
	})
}

// world is a member's disk, its Store and its state machine.
type world struct {
	t        *testing.T
	out      strings.Builder
	disk     *vfs.Mem
	store    *Store
	writer   *Writer
	content  []byte // of the image that comes
	at       int    // how much of it has come
	outgoing map[string]*Outgoing
	expire   func() // nil: no image waits for its end

	index raft.Index // of the state machine
	bytes int
	fails error
	// retireLate: Retire is called while the next image is made.
	retireLate bool
}

const reserveBytes = 64 << 10

func testOptions(disk vfs.FS) Options {
	return Options{FS: disk, Dir: "snapshots", ReserveBytes: reserveBytes, Size: func() int64 { return 0 }, Received: func(Header) {}}
}

// open opens the directory.
func (w *world) open() {
	o := testOptions(w.disk)
	o.Size = func() int64 { return int64(w.bytes) }
	o.Received = func(h Header) {
		fmt.Fprintf(&w.out, "received the image at index %d of term %d, from %s in term %d\n", h.Snapshot.Index, h.Snapshot.Term, h.From, h.Term)
	}
	o.Make = w.make
	store, err := Open(o)
	if err != nil {
		w.t.Fatal(err)
	}
	store.after = func(d time.Duration, f func()) func() bool {
		w.expire = f
		return func() bool { w.expire = nil; return true }
	}
	w.store, w.writer, w.expire = store, nil, nil
}

// imageBytes are the bytes of the image at an index.
func imageBytes(index raft.Index, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(index), byte(index >> 8)}).Read(b)
	return b
}

// testHeader announces the image at an index.
func testHeader(index raft.Index, content []byte) Header {
	return Header{From: 2, Term: 5, Bytes: int64(len(content)), SHA256: sha256.Sum256(content),
		Snapshot: raft.Snapshot{Index: index, Term: 4, Configuration: raft.ConfigurationAt{Index: 1, Configuration: raft.Configuration{
			Members: []raft.Member{{ID: 1, Name: "n1", Address: "n1:7432"}, {ID: 2, Name: "n2", Address: "n2:7432", Suffrage: raft.Learner}},
			Removed: []raft.NodeID{3},
		}}}}
}

func (w *world) make(_ context.Context, path string) (Image, error) {
	if w.fails != nil {
		return Image{}, w.fails
	}
	fmt.Fprintf(&w.out, "an image is made at index %d\n", w.index)
	content := imageBytes(w.index, w.bytes)
	if w.retireLate {
		w.retireLate = false
		w.store.Retire()
	}
	h := testHeader(w.index, content)
	return h.image(), write(w.disk, path, content)
}

func write(disk vfs.FS, path string, content []byte) error {
	file, err := disk.Create(path)
	if err == nil {
		_, err = file.WriteAt(content, 0)
	}
	if err == nil {
		err = errors.Join(file.Sync(), file.Close())
	}
	return err
}

func (w *world) run(d *datadriven.TestData) (err error) {
	number := func(name string) (n int) {
		if d.HasArg(name) {
			d.ScanArgs(w.t, name, &n)
		}
		return n
	}
	index := raft.Index(number("index"))
	switch d.Cmd {
	case "receive":
		w.content = imageBytes(index, number("bytes"))
		h := testHeader(index, w.content)
		if from := number("from"); from > 0 {
			h.From, h.Term = raft.NodeID(from), h.Term+1
		}
		if w.writer, err = w.store.Receive(h); err == nil {
			w.at = int(w.writer.Offset())
			fmt.Fprintf(&w.out, "at %d of %d\n", w.at, h.Bytes)
		}
	case "write":
		b := bytes.Clone(w.content[w.at:min(w.at+number("bytes"), len(w.content))])
		if d.HasArg("damaged") {
			b[0] ^= 1
		}
		n, writeErr := w.writer.Write(b)
		w.at += n
		err = writeErr
	case "commit":
		err = w.writer.Commit()
	case "close":
		err = w.writer.Close()
	case "forget":
		err = w.store.Forget(raft.Index(number("through")))
	case "path":
		path, ok := w.store.Path(index)
		fmt.Fprintf(&w.out, "%q %t\n", path, ok)
	case "verify":
		err = w.store.Verify(index)
	case "flip":
		path, _ := w.store.Path(index)
		err = w.disk.FlipBit(path, 5000, 3)
	case "state":
		w.index, w.bytes, w.fails = index, number("bytes"), nil
		if d.HasArg("fails") {
			w.fails = errors.New("the state machine has failed")
		}
	case "outgoing":
		var name string
		d.ScanArgs(w.t, "as", &name)
		err = w.send(raft.Index(number("base")), name)
	case "release":
		w.outgoing[d.CmdArgs[0].Key].Release()
	case "retire":
		if w.retireLate = d.HasArg("while-made"); !w.retireLate {
			w.store.Retire()
		}
	case "pass-time":
		if w.expire != nil {
			w.expire()
		}
	case "capacity":
		err = w.setFree(int64(number("free")))
	case "restart":
		if err = w.store.Close(); err == nil {
			w.open()
		}
	case "crash":
		w.disk = w.disk.CrashClone(vfs.DropUnsynced)
		w.open()
	case "files":
		err = w.list()
	default:
		w.t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	}
	return err
}

// send takes an image to send and reads it.
func (w *world) send(base raft.Index, name string) error {
	o, err := w.store.Outgoing(context.Background(), base)
	if err != nil {
		return err
	}
	w.outgoing[name] = o
	b := make([]byte, o.Bytes)
	if _, err := o.ReadAt(b, 0); err != nil {
		return err
	}
	fmt.Fprintf(&w.out, "the image at index %d, %d bytes, as announced: %t\n", o.Snapshot.Index, o.Bytes, sha256.Sum256(b) == o.SHA256)
	return nil
}

// setFree gives the disk a capacity that leaves so much free.
func (w *world) setFree(free int64) error {
	if free == 0 {
		w.disk.SetCapacity(0)
		return nil
	}
	const plenty = 1 << 40
	w.disk.SetCapacity(plenty)
	now, err := w.disk.Free(".")
	w.disk.SetCapacity(plenty - now + free)
	return err
}

func (w *world) list() error {
	names, err := w.disk.List("snapshots")
	for _, name := range names {
		size, err := w.disk.Size("snapshots/" + name)
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, metaSuffix) {
			fmt.Fprintln(&w.out, name)
		} else {
			fmt.Fprintf(&w.out, "%s, %d bytes\n", name, size)
		}
	}
	return err
}
