package sqlfsm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"quorate/internal/vfs"
)

// TestInstall: an image from another node replaces the database. A snapshot
// that was open keeps what it sees; the next ones see the image, with its schema;
// entries go on from there, also after a restart.
func TestInstall(t *testing.T) {
	leader, follower := openTest(t), openTest(t)
	var l log
	entries := l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT`, `INSERT INTO t VALUES (1)`)
	apply(t, leader, entries...)
	apply(t, follower, entries...)
	old, err := follower.Snapshot(context.Background(), 1, true)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, leader, l.sql(`ALTER TABLE t ADD COLUMN a TEXT DEFAULT 'new'`, `INSERT INTO t (id) VALUES (2)`)...)
	install(t, follower, leader)

	rows, err := old.Query(bound(`SELECT * FROM t`))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(collect(t, rows)); got != "[(1)]" {
		t.Errorf("the old snapshot sees %s", got)
	}
	if _, err := follower.Snapshot(context.Background(), 1, false); !errors.Is(err, ErrSchemaChanged) {
		t.Errorf("a plan for the old schema: %v", err)
	}
	if got := query(t, follower, `SELECT * FROM t`); fmt.Sprint(got) != "[(1, 'new') (2, 'new')]" {
		t.Errorf("the new database holds %s", got)
	}
	if got := follower.ReadersActive(); got != 1 {
		t.Errorf("%d readers are active, want the one of the old snapshot", got)
	}
	if got := follower.Durable(); got != l.index {
		t.Errorf("durable up to %d, want %d", got, l.index)
	}

	// The old snapshot's connection is the last on the old file. When it closes,
	// it must not touch the new file's WAL.
	entries = l.sql(`INSERT INTO t (id) VALUES (3)`)
	apply(t, leader, entries...)
	apply(t, follower, entries...)
	old.Close()
	for _, path := range []string{follower.path, follower.path + "-wal"} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if dump(t, follower) != dump(t, leader) {
		t.Error("the databases differ")
	}
	follower.Close()
	follower = reopenTest(t, follower.path)
	if dump(t, follower) != dump(t, leader) {
		t.Error("after a restart the databases differ")
	}
	names, err := filepath.Glob(filepath.Join(filepath.Dir(follower.path), "*"))
	if len(names) != 2 || err != nil {
		t.Errorf("the directory holds %v, %v; want the database and its WAL", names, err)
	}
}

// installAs installs an image that another state machine has made of all that it has.
func installAs(to *FSM, image string, from *FSM) error {
	index, term := from.Applied()
	return to.Install(image, index, term)
}

// install installs an image of the one state machine in the other.
func install(t testing.TB, to, from *FSM) {
	t.Helper()
	image := to.path + "-image"
	if _, err := from.Image(context.Background(), image); err != nil {
		t.Fatal(err)
	}
	if err := installAs(to, image, from); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(image); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the image is still there: %v", err)
	}
}

// TestInstallWhileReading: queries that run while images are installed answer
// with what one index holds, whichever. A query that waits for a reader while
// all of them are busy gets one of the new file's. Run with -race.
func TestInstallWhileReading(t *testing.T) {
	leader, follower := openTest(t), openTest(t)
	var l log
	entries := l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER) STRICT`, `INSERT INTO t VALUES (1, 0), (2, 0)`)
	apply(t, leader, entries...)
	apply(t, follower, entries...)
	stop := make(chan struct{})
	done := make(chan error)
	for i := range 3 { // one more than there are readers
		go func() {
			for {
				if _, err := readDuringDDL(follower, i == 0); err != nil {
					done <- err
					return
				}
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
			}
		}()
	}
	for i := range 10 {
		ddl := `ALTER TABLE t ADD COLUMN extra INTEGER DEFAULT 7`
		if i%2 == 1 {
			ddl = `ALTER TABLE t DROP COLUMN extra`
		}
		apply(t, leader, l.sql(`UPDATE t SET a = a + 1`, ddl)...)
		install(t, follower, leader)
		entries := l.sql(`UPDATE t SET a = a + 1`)
		apply(t, leader, entries...)
		apply(t, follower, entries...)
		if err := follower.Checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if dump(t, follower) != dump(t, leader) {
		t.Error("the databases differ")
	}
}

// TestInstallWhileSyncing: checkpoints and syncs of the WAL go on while an image
// is installed, on the old file or on the new one.
func TestInstallWhileSyncing(t *testing.T) {
	leader, follower := openTest(t), openTest(t)
	stop := make(chan struct{})
	done := make(chan error)
	for _, work := range []func() error{
		follower.Checkpoint,
		func() error { _, err := follower.MakeDurable(); return err },
	} {
		go func() {
			for {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				if err := work(); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	var l log
	apply(t, leader, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT`)...)
	for range 10 {
		entries := l.sql(`INSERT INTO t DEFAULT VALUES`)
		apply(t, leader, entries...)
		install(t, follower, leader)
		if got := follower.Durable(); got != l.index {
			t.Errorf("durable up to %d, want %d", got, l.index)
		}
		entries = l.sql(`INSERT INTO t DEFAULT VALUES`)
		apply(t, leader, entries...)
		apply(t, follower, entries...)
	}
	close(stop)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestInstallWithoutRoom: what Install and Open ask of the disk takes no room, so
// that a full one neither stops a node that gets an image nor keeps it from
// starting: nothing is written to the WAL.
func TestInstallWithoutRoom(t *testing.T) {
	leader, follower := openTest(t), openTest(t)
	empty := func(when string) {
		t.Helper()
		if info, err := os.Stat(follower.path + "-wal"); err != nil {
			t.Error(err)
		} else if info.Size() != 0 {
			t.Errorf("%s there is a WAL of %d bytes", when, info.Size())
		}
	}
	var l log
	apply(t, leader, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT`)...)
	install(t, follower, leader)
	empty("after Install")
	follower.Close()
	follower = reopenTest(t, follower.path)
	empty("after Open")
}

// TestInstallRefuses: what is not a fit image changes nothing.
func TestInstallRefuses(t *testing.T) {
	dir := t.TempDir()
	f := openTest(t)
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT`)...)
	older := filepath.Join(dir, "older")
	info, err := f.Image(context.Background(), older)
	if err != nil {
		t.Fatal(err)
	}
	index, term := info.Index, info.Term
	apply(t, f, l.sql(`INSERT INTO t VALUES (1)`)...)
	whole, err := os.ReadFile(older)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, change func(b []byte) []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, change(append([]byte(nil), whole...)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	announced := fmt.Sprintf("and the database in it is at index %d, term %d", index, term)
	for _, c := range []struct {
		path        string
		index, term uint64
		want        string
	}{
		{older, index, term, "at index 1, the database is at 2"},
		{older, index + 9, term, fmt.Sprintf("announced as that of index %d, term %d, ", index+9, term) + announced},
		{older, index, term + 1, fmt.Sprintf("announced as that of index %d, term %d, ", index, term+1) + announced},
		{filepath.Join(dir, "missing"), index, term, "no such file"},
		{write("empty", func(b []byte) []byte { return nil }), index, term, "no database"},
		{write("short", func(b []byte) []byte { return b[:len(b)-4096] }), index, term, "should have"},
		{write("foreign", func(b []byte) []byte { b[headerApplicationID]++; return b }), index, term, "not a database of Quorate's"},
		{write("newer", func(b []byte) []byte { b[headerUserVersion+3]++; return b }), index, term, fmt.Sprintf("format is %d", formatVersion+1)},
		{write("with-wal", func(b []byte) []byte { b[headerReadVersion] = 2; return b }), index, term, "may lack"},
		{write("no-meta", func(b []byte) []byte { copy(b[4096*1:], make([]byte, 4096)); return b }), index, term, "malformed"},
	} {
		if err := f.Install(c.path, c.index, c.term); !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", filepath.Base(c.path), err, c.want)
		}
		apply(t, f, l.sql(`INSERT INTO t DEFAULT VALUES`)...)
	}
	if got := query(t, f, `SELECT count(*) FROM t`); fmt.Sprint(got) != "[(11)]" {
		t.Errorf("then the table holds %s rows", got)
	}
}

// disk notes what Install asks of the file system. Its state is the files by
// their names, as the process sees them and as the disk has them for certain;
// a power loss keeps any part of the changes between.
type disk struct {
	vfs.OS
	certain files
	pending []nameChange
	// crashed is told each state that a crash before or after an operation may
	// leave.
	crashed func(step string, left files)
	fail    func(step string) error // makes an operation fail
}

// files are contents by path.
type files map[string]string

// nameChange gives content to a name and takes away another; "" for none.
type nameChange struct{ from, to, content string }

func (c nameChange) apply(f files) {
	delete(f, c.from)
	if c.to != "" {
		f[c.to] = c.content
	}
}

// step is called before each operation that changes names.
func (d *disk) step(format string, args ...any) error {
	step := fmt.Sprintf(format, args...)
	for kept := range 1 << len(d.pending) {
		left := make(files)
		for path, content := range d.certain {
			left[path] = content
		}
		for i, c := range d.pending {
			if kept&(1<<i) != 0 {
				c.apply(left)
			}
		}
		d.crashed(step, left)
	}
	if d.fail != nil {
		return d.fail(step)
	}
	return nil
}

func (d *disk) Rename(from, to string) error {
	if err := d.step("rename %s to %s", filepath.Base(from), filepath.Base(to)); err != nil {
		return err
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	d.pending = append(d.pending, nameChange{from: from, to: to, content: string(content)})
	return d.OS.Rename(from, to)
}

func (d *disk) Remove(path string) error {
	if err := d.step("remove %s", filepath.Base(path)); err != nil {
		return err
	}
	err := d.OS.Remove(path)
	if err == nil {
		d.pending = append(d.pending, nameChange{from: path})
	}
	return err
}

func (d *disk) SyncDir(dir string) error {
	if err := d.step("sync %s", filepath.Base(dir)); err != nil {
		return err
	}
	var rest []nameChange
	for _, c := range d.pending {
		if filepath.Dir(c.from) == dir || c.to != "" && filepath.Dir(c.to) == dir {
			c.apply(d.certain)
		} else {
			rest = append(rest, c)
		}
	}
	d.pending = rest
	return nil
}

// read takes in what is in the directories now, all of it certain.
func (d *disk) read(t *testing.T, dirs ...string) {
	d.certain = make(files)
	for _, dir := range dirs {
		paths, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			d.certain[path] = string(content)
		}
	}
}

// installWorld is a follower with a WAL that holds half of its data, and an
// image that is to replace it.
type installWorld struct {
	dir, path, image string
	info             ImageInfo
	follower         *FSM
	before, after    string // dumps
}

func newInstallWorld(t *testing.T, d *disk) *installWorld {
	w := &installWorld{dir: t.TempDir()}
	for _, dir := range []string{"db", "snapshots"} {
		if err := os.Mkdir(filepath.Join(w.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.path, w.image = filepath.Join(w.dir, "db", "quorate.db"), filepath.Join(w.dir, "snapshots", "image")
	leader := openTest(t)
	var err error
	d.crashed = func(string, files) {}
	if w.follower, err = Open(w.path, Options{Readers: 1, FS: d}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.follower.Close() })
	var l log
	entries := l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB) STRICT`,
		`INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT i, randomblob(3000) FROM n`)
	apply(t, leader, entries...)
	apply(t, w.follower, entries...)
	if err := w.follower.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	entries = l.sql(`UPDATE t SET a = randomblob(3000) WHERE id > 10`)
	apply(t, leader, entries...)
	apply(t, w.follower, entries...)
	w.before = dump(t, leader)
	apply(t, leader, l.sql(`UPDATE t SET a = randomblob(2000)`, `CREATE INDEX ta ON t (a)`)...)
	w.after = dump(t, leader)
	if w.info, err = leader.Image(context.Background(), w.image); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestInstallCrash: whatever a kill or a power loss at any step of Install
// leaves, the database opens and is the old one or the new one, whole; and what
// is left beside it is the image or nothing.
func TestInstallCrash(t *testing.T) {
	d := &disk{certain: make(files)}
	w := newInstallWorld(t, d)
	d.read(t, filepath.Dir(w.path), filepath.Dir(w.image))
	seen := map[string]int{}
	steps := map[string]bool{}
	d.crashed = func(step string, left files) {
		steps[step] = true
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		imageLeft := false
		for path, content := range left {
			if path == w.image {
				imageLeft = true
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		g, err := Open(filepath.Join(dir, "quorate.db"), Options{Readers: 1})
		if err != nil {
			t.Errorf("before %s: %v", step, err)
			return
		}
		defer g.Close()
		switch dump(t, g) {
		case w.before:
			seen["old"]++
			if !imageLeft {
				t.Errorf("before %s: the old database, and the image is lost", step)
			}
		case w.after:
			seen["new"]++
		default:
			t.Errorf("before %s: the database is neither the old one nor the new one", step)
		}
		if _, err := os.Stat(g.path + installSuffix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("before %s: the image stays beside the database: %v", step, err)
		}
	}
	if err := w.follower.Install(w.image, w.info.Index, w.info.Term); err != nil {
		t.Fatal(err)
	}
	d.step("the end")
	if seen["old"] == 0 || seen["new"] == 0 || len(steps) < 7 {
		t.Errorf("crashes left the old and new database %v times, at the steps %v", seen, steps)
	}
}

// TestInstallFails: an operation of the disk that fails stops the state
// machine, and what it leaves opens as the old or the new database.
func TestInstallFails(t *testing.T) {
	for failing := 0; ; failing++ {
		d := &disk{certain: make(files)}
		w := newInstallWorld(t, d)
		at, failed := 0, ""
		d.fail = func(step string) error {
			if at++; at-1 == failing {
				failed = step
				return syscall.EIO
			}
			return nil
		}
		err := w.follower.Install(w.image, w.info.Index, w.info.Term)
		d.fail = nil
		if failed == "" {
			if err != nil {
				t.Error(err)
			}
			return
		}
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("%s fails: Install says %v", failed, err)
		}
		if _, err := w.follower.Apply([]Entry{{Index: 100, Term: 1}}); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s fails: then Apply says %v", failed, err)
		}
		if err := w.follower.Close(); err != nil {
			t.Errorf("%s fails: Close says %v", failed, err)
		}
		g := reopenTest(t, w.path)
		if got := dump(t, g); got != w.before && got != w.after {
			t.Errorf("%s fails: the database is neither the old one nor the new one", failed)
		}
	}
}
