package node

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quorate/internal/exitcode"
	"quorate/internal/vfs"
	"quorate/raft"
	"quorate/raft/wal"
	"quorate/snapshot"
	"quorate/sqlfsm"
)

// remains is a data directory in which the installation of images was cut short.
type remains struct {
	t   *testing.T
	dir string
	cfg Config
}

// received puts an image there that has come whole: the state machine with
// nothing but the index moved.
func (r *remains) received(index raft.Index) { r.t.Helper(); r.receivedAs(index, index) }

// receivedAs puts an image there that was announced as that of another index.
func (r *remains) receivedAs(announced, index raft.Index) {
	r.t.Helper()
	dir := r.t.TempDir()
	fsm, err := sqlfsm.Open(filepath.Join(dir, "other.db"), sqlfsm.Options{Readers: 1})
	if err != nil {
		r.t.Fatal(err)
	}
	defer fsm.Close()
	if _, err := fsm.Apply([]sqlfsm.Entry{{Index: uint64(index), Term: 2}}); err != nil {
		r.t.Fatal(err)
	}
	info, err := fsm.Image(context.Background(), filepath.Join(dir, "image"))
	if err != nil {
		r.t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "image"))
	if err != nil {
		r.t.Fatal(err)
	}
	store, err := snapshot.Open(snapshot.Options{FS: vfs.OS{}, Dir: filepath.Join(r.cfg.DataDir, "snapshots"), Received: func(snapshot.Header) {}})
	if err != nil {
		r.t.Fatal(err)
	}
	defer store.Close()
	w, err := store.Receive(snapshot.Header{Snapshot: r.snapshot(announced), Bytes: info.Bytes, SHA256: info.SHA256})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		r.t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *remains) snapshot(index raft.Index) raft.Snapshot {
	c, err := configuration(&r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	return raft.Snapshot{Index: index, Term: 2, Configuration: raft.ConfigurationAt{Configuration: c}}
}

// accepted makes the log begin after an image.
func (r *remains) accepted(index raft.Index) {
	r.t.Helper()
	log, err := wal.Open(wal.Options{Dir: r.cfg.WALDir})
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	s := r.snapshot(index)
	if _, err := log.Append([]wal.Write{{Snapshot: &s, HardState: &raft.HardState{Term: 2, Commit: index}, Sync: true}}); err != nil {
		r.t.Fatal(err)
	}
}

// moved is what Install does first: the image lies beside the database.
func (r *remains) moved(index raft.Index) {
	r.t.Helper()
	if err := os.Rename(r.image(index), filepath.Join(r.cfg.DataDir, "db", "quorate.db-install")); err != nil {
		r.t.Fatal(err)
	}
}

func (r *remains) image(index raft.Index) string {
	names, err := filepath.Glob(filepath.Join(r.cfg.DataDir, "snapshots", "*.image"))
	if err != nil || len(names) == 0 {
		r.t.Fatalf("no image at index %d: %v, %v", index, names, err)
	}
	return names[len(names)-1]
}

// TestStartAfterCrash starts a node on everything that a crash may leave of images
// that were received, accepted by the log and installed, one or two of them. The
// node is where its log begins, or was, and no image is left.
func TestStartAfterCrash(t *testing.T) {
	for name, c := range map[string]struct {
		crash   func(r *remains)
		applied uint64
	}{
		"received":                         {func(r *remains) { r.received(100) }, 0},
		"accepted":                         {func(r *remains) { r.received(100); r.accepted(100) }, 100},
		"a second one received":            {func(r *remains) { r.received(100); r.accepted(100); r.received(200) }, 100},
		"a second one accepted":            {func(r *remains) { r.received(100); r.accepted(100); r.received(200); r.accepted(200) }, 200},
		"an older one received later":      {func(r *remains) { r.received(200); r.accepted(200); r.received(100) }, 200},
		"moved":                            {func(r *remains) { r.received(100); r.accepted(100); r.moved(100) }, 100},
		"moved, and a second one received": {func(r *remains) { r.received(100); r.accepted(100); r.moved(100); r.received(200) }, 100},
		"moved, and a second one accepted": {func(r *remains) {
			r.received(100)
			r.accepted(100)
			r.moved(100)
			r.received(200)
			r.accepted(200)
		}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRemains(t)
			c.crash(r)
			for range 2 { // the second start finds nothing to do
				r.configure()
				n, err := Open(context.Background(), r.cfg)
				if err != nil {
					t.Fatal(err)
				}
				if applied, _ := n.fsm.Applied(); applied != c.applied {
					t.Errorf("the database is at %d, want %d", applied, c.applied)
				}
				n.release()
				if left := r.left(); len(left) > 0 {
					t.Errorf("these are left: %v", left)
				}
			}
		})
	}
}

// TestStartWithoutImage refuses to start a node whose log begins after an image
// that is not there, or is damaged.
func TestStartWithoutImage(t *testing.T) {
	for name, c := range map[string]struct {
		crash func(r *remains)
		words string
	}{
		"none": {func(r *remains) { r.accepted(100) }, "the image that is between them is gone"},
		"another one": {func(r *remains) { r.received(200); r.accepted(100) },
			"the image that is between them is gone"},
		"damaged": {func(r *remains) {
			r.received(100)
			r.accepted(100)
			r.flip("*.image")
		}, "is damaged: its SHA-256"},
		"announced as another one": {func(r *remains) { r.receivedAs(100, 99); r.accepted(100) },
			"it was announced as that of index 100, term 2, and the database in it is at index 99, term 2"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRemains(t)
			c.crash(r)
			for range 2 {
				r.configure()
				refuses(t, r.cfg, exitcode.DataDir, c.words, "See that the disk is sound")
			}
		})
	}
}

// flip changes a byte in the middle of the files.
func (r *remains) flip(files string) {
	r.t.Helper()
	names, err := filepath.Glob(filepath.Join(r.cfg.DataDir, "snapshots", files))
	if err != nil || len(names) == 0 {
		r.t.Fatalf("no %s: %v", files, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err == nil {
			b[len(b)/2] ^= 1
			err = os.WriteFile(name, b, 0o600)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestQuarantinedWithDamagedImage starts a quarantined node whose log begins after an
// image that is damaged. Its database does not count, and another one will come, if
// any: so it starts, where its log begins.
func TestQuarantinedWithDamagedImage(t *testing.T) {
	for _, files := range []string{"*.image", "*.meta"} {
		for _, final := range []bool{false, true} {
			r := newRemains(t)
			r.received(100)
			r.accepted(100)
			r.flip(files)
			r.configure()
			m := memory{Format: divergenceFormat, Quarantined: true, Final: final, Findings: []finding{{Index: 3, Statement: "x"}}}
			if err := m.write(vfs.OS{}, r.cfg.DataDir); err != nil {
				t.Fatal(err)
			}
			n, err := Open(context.Background(), r.cfg)
			if err != nil {
				t.Fatalf("%s damaged, final %t: %v", files, final, err)
			}
			if at := n.position(); at != 100 {
				t.Errorf("it is at entry %d, its log begins after 100", at)
			}
			n.release()
			if left := r.left(); len(left) > 0 {
				t.Errorf("these are left: %v", left)
			}
		}
	}
}

func newRemains(t *testing.T) *remains {
	r := &remains{t: t, dir: t.TempDir()}
	r.configure()
	made(t, r.cfg)
	return r
}

// configure makes a configuration for one start: metrics are registered once.
func (r *remains) configure() {
	r.cfg = testConfig(r.t, "n1", r.dir)
	r.cfg.InitialCluster = []raft.Member{{Name: "n1", Address: r.cfg.PeerAdvertise}}
}

// left are the files beside log and database.
func (r *remains) left() []string {
	var names []string
	for _, dir := range []string{"db", "snapshots"} {
		found, err := filepath.Glob(filepath.Join(r.cfg.DataDir, dir, "*"))
		if err != nil {
			r.t.Fatal(err)
		}
		names = append(names, found...)
	}
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, "quorate.db") })
}
