package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"quorate/internal/exitcode"
	"quorate/internal/sqlite"
	"quorate/internal/vfs"
	"quorate/raft"
	"quorate/raft/wal"
	"quorate/snapshot"
	"quorate/snapshot/archive"
	"quorate/sqlfsm"
)

// A new cluster from a saved database. Restore makes of an empty data directory one
// from which the first start begins: the database lies among the images as if a
// leader had sent it, and a note says that the log is to begin after it. The start
// makes that log, finds the image at its base and installs it, as after an
// interrupted installation (openSnapshots). So there is one way in which a database
// gets into a node, and a crash at any point of it has been thought of already.
//
//	restoring.json  a restore is not over: no node starts here
//	restored.json   it is: the same file under its final name
//
// A crash before the note has its final name leaves a directory in which no node
// starts; after it, one in which every start goes on to the end. The note goes when
// the log is there and begins where it should.
//
// The cluster that comes of it is another one than the one that was saved: its id
// comes from the archive too, so that no member of the old one, and none that was
// given another archive, can be among its members.

const (
	restoringName = "restoring.json"
	restoredName  = "restored.json"
	// stagingName is the database on its way, in the directory of images.
	stagingName = "restoring.db"
	draftSuffix = ".part" // of files that are being written
	// restoredVersion is that of the note.
	restoredVersion = 1
)

// RestoreConfig says what to restore, and where.
type RestoreConfig struct {
	// DataDir and WALDir are what the node will be started with; both must be empty,
	// or not be there yet.
	DataDir, WALDir string
	// Name and Members are the node and its new cluster. Without them the first
	// start decides.
	Name    string
	Members []raft.Member
	// Source is the saved database.
	Source *archive.Reader
	// Wrap, when not nil, lets the caller watch the source being read.
	Wrap func(io.Reader) io.Reader
	// MinFreeBytes must stay free on the disk.
	MinFreeBytes int64
}

// Restored says what was restored.
type Restored struct {
	Index raft.Index
	Term  raft.Term
	Bytes int64
	Notes []string // what a person should know
}

// restoredNote is what restored.json contains.
type restoredNote struct {
	Version int        `json:"version"`
	Index   raft.Index `json:"index"`
	Term    raft.Term  `json:"term"`
	// Source is the SHA-256 of the database that was restored from.
	Source  string           `json:"source"`
	Name    string           `json:"name,omitempty"`
	Members []restoredMember `json:"members,omitempty"`
}

type restoredMember struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// Restore makes a data directory of a saved database. When it fails, the directory
// is as it was. Errors are *exitcode.Error or those of Source, as they are.
func Restore(ctx context.Context, cfg RestoreConfig) (*Restored, error) {
	return restore(ctx, vfs.OS{}, cfg)
}

func restore(ctx context.Context, disk vfs.FS, cfg RestoreConfig) (_ *Restored, err error) {
	r := &restoring{disk: disk, cfg: cfg, images: filepath.Join(cfg.DataDir, "snapshots")}
	unlock, err := r.begin()
	if err != nil {
		return nil, err
	}
	defer unlock()
	restored, err := r.restore(ctx)
	if err == nil {
		return restored, nil
	}
	if left := r.undo(); left != nil {
		err = fmt.Errorf("%w; what was written could not be removed: %w", err, left)
	}
	var database *sqlite.Error
	if vfs.IsNoSpace(err) || errors.As(err, &database) && database.Code.Primary() == sqlite.Full {
		return nil, &exitcode.Error{Code: exitcode.DiskFull, Err: fmt.Errorf("data directory %s: there is not enough room for the database; what was written has been removed", cfg.DataDir),
			Hint: "Make room, or give a --data-dir on another disk."}
	}
	return nil, err
}

// restoring is a restore under way.
type restoring struct {
	disk   vfs.FS
	cfg    RestoreConfig
	images string
}

// begin takes possession of an empty directory and marks it.
func (r *restoring) begin() (unlock func(), err error) {
	dir := r.cfg.DataDir
	for _, d := range []string{dir, r.cfg.WALDir} {
		if err := r.checkEmpty(d); err != nil {
			return nil, err
		}
	}
	if err := r.disk.MkdirAll(dir); err != nil {
		return nil, restoreError(dir, err, "Give a --data-dir that this user can write to.")
	}
	lock, err := r.disk.Lock(filepath.Join(dir, "LOCK"))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, restoreError(dir, errors.New("another process is using it"), "Give another --data-dir.")
	}
	if err == nil {
		err = r.writeNote(restoringName, &restoredNote{Version: restoredVersion})
	}
	if err != nil {
		if lock != nil {
			lock.Close()
		}
		r.disk.Remove(filepath.Join(dir, restoringName)) // there was nothing before
		return nil, restoreError(dir, err, "")
	}
	return func() { lock.Close() }, nil
}

// checkEmpty refuses a directory in which there is something.
func (r *restoring) checkEmpty(dir string) error {
	names, err := r.disk.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return restoreError(dir, err, "")
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "LOCK" || name == "lost+found" })
	switch {
	case slices.Contains(names, restoringName), slices.Contains(names, restoringName+draftSuffix):
		return restoreError(dir, errors.New("an earlier restore into it was interrupted"), "Empty it, and restore again.")
	case len(names) > 0:
		return restoreError(dir, fmt.Errorf("it is not empty: %s is in it", names[0]),
			"A restore makes a new cluster, and never touches data that is there. Give a --data-dir that is empty or does not exist; or, if you are sure, empty this one.")
	}
	return nil
}

func restoreError(dir string, err error, hint string) error {
	return &exitcode.Error{Code: exitcode.DataDir, Err: fmt.Errorf("data directory %s: %w", dir, err), Hint: hint}
}

// restore does the work in a directory that is marked.
func (r *restoring) restore(ctx context.Context) (*Restored, error) {
	if err := r.disk.MkdirAll(r.images); err != nil {
		return nil, err
	}
	path := filepath.Join(r.images, stagingName)
	if err := r.copySource(ctx, path); err != nil {
		return nil, err
	}
	source := r.cfg.Source.Meta()
	restored, image, err := r.prepare(ctx, path, source)
	if err != nil {
		return nil, err
	}
	if err := snapshot.Place(r.disk, r.images, stagingName, image); err != nil {
		return nil, err
	}
	note := &restoredNote{Version: restoredVersion, Index: restored.Index, Term: restored.Term, Source: hex.EncodeToString(source.SHA256[:]), Name: r.cfg.Name}
	for _, m := range r.cfg.Members {
		note.Members = append(note.Members, restoredMember{m.Name, m.Address})
	}
	if err := r.writeNote(restoringName, note); err != nil {
		return nil, err
	}
	dir := r.cfg.DataDir
	if err := r.disk.Rename(filepath.Join(dir, restoringName), filepath.Join(dir, restoredName)); err != nil {
		return nil, err
	}
	return restored, r.disk.SyncDir(dir)
}

// copySource copies the database to path, durably, and finds out whether it is what
// was saved.
func (r *restoring) copySource(ctx context.Context, path string) error {
	file, err := archive.Create(r.disk, path, draftSuffix, false)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := r.expect(file); err != nil {
		return err
	}
	source := io.Reader(readerFunc(func(b []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.cfg.Source.Read(b)
	}))
	if r.cfg.Wrap != nil {
		source = r.cfg.Wrap(source)
	}
	if _, err := io.CopyBuffer(file, source, make([]byte, 1<<20)); err != nil {
		return err
	}
	return file.Commit()
}

// expect reserves the room that the database takes, if that is known.
func (r *restoring) expect(file *archive.File) error {
	bytes := r.cfg.Source.Bytes
	free, err := r.disk.Free(r.images)
	if err == nil && free-r.cfg.MinFreeBytes < bytes {
		return &exitcode.Error{Code: exitcode.DiskFull, Err: fmt.Errorf("data directory %s: the database has %d bytes, and %d are free, of which %d are to stay so",
			r.cfg.DataDir, bytes, free, r.cfg.MinFreeBytes), Hint: "Make room, or give a --data-dir on another disk."}
	}
	return file.Expect(bytes)
}

type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// prepare looks whether the database is sound, makes it ours if it is not, and says
// what image it is.
func (r *restoring) prepare(ctx context.Context, path string, source *archive.Meta) (*Restored, snapshot.Image, error) {
	if r.cfg.Source.Kind == archive.Plain {
		return r.adopt(ctx, path)
	}
	contents, err := sqlfsm.Examine(ctx, path, true)
	if err != nil {
		return nil, snapshot.Image{}, err
	}
	if contents.Index != uint64(source.Snapshot.Index) || contents.Term != uint64(source.Snapshot.Term) {
		return nil, snapshot.Image{}, fmt.Errorf("it says that it is at index %d of term %d, but the database in it is at index %d of term %d",
			source.Snapshot.Index, source.Snapshot.Term, contents.Index, contents.Term)
	}
	if err := sqlfsm.Renew(path); err != nil {
		return nil, snapshot.Image{}, err
	}
	return r.describe(path, source.Snapshot.Index, source.Snapshot.Term, contents.Dangling)
}

// adopt makes another program's database ours.
func (r *restoring) adopt(ctx context.Context, path string) (*Restored, snapshot.Image, error) {
	notes, err := sqlfsm.Adopt(ctx, path)
	if err != nil {
		return nil, snapshot.Image{}, err
	}
	return r.describe(path, sqlfsm.AdoptedIndex, sqlfsm.AdoptedTerm, notes)
}

// describe says what image the database is as it is now, and makes it durable.
func (r *restoring) describe(path string, index raft.Index, term raft.Term, notes []string) (*Restored, snapshot.Image, error) {
	image := snapshot.Image{Snapshot: raft.Snapshot{Index: index, Term: term}}
	file, err := r.disk.Open(path)
	if err != nil {
		return nil, image, err
	}
	h := sha256.New()
	image.Bytes, err = file.Size()
	if err == nil {
		_, err = io.CopyBuffer(h, io.NewSectionReader(file, 0, image.Bytes), make([]byte, 1<<20))
	}
	h.Sum(image.SHA256[:0])
	if err == nil {
		err = file.Sync()
	}
	return &Restored{Index: index, Term: term, Bytes: image.Bytes, Notes: notes}, image, errors.Join(err, file.Close())
}

// writeNote writes the note under a name, durably.
func (r *restoring) writeNote(name string, note *restoredNote) error {
	b, err := json.MarshalIndent(note, "", "  ")
	if err != nil {
		return fmt.Errorf("node: encode a note: %w", err)
	}
	file, err := archive.Create(r.disk, filepath.Join(r.cfg.DataDir, name), draftSuffix, true)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(append(b, '\n')); err != nil {
		return err
	}
	return file.Commit()
}

// undo removes what was written, the note last: as long as it has its first name,
// no node starts.
func (r *restoring) undo() error {
	dir := r.cfg.DataDir
	restoring := filepath.Join(dir, restoringName)
	if err := r.disk.Rename(filepath.Join(dir, restoredName), restoring); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	names, err := r.disk.List(r.images)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range names {
		if err := r.disk.Remove(filepath.Join(r.images, name)); err != nil {
			return err
		}
	}
	for _, name := range []string{r.images, restoring + draftSuffix, restoring} {
		if err := r.disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := r.disk.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// errRestoring says that a restore did not come to its end.
var errRestoring = errors.New("a restore into it was interrupted: it holds a part of a database")

// readRestored returns the note that a restore has left for the first start, nil if
// there is none.
func readRestored(disk vfs.FS, dataDir string) (*restoredNote, error) {
	if _, err := disk.Size(filepath.Join(dataDir, restoringName)); err == nil {
		return nil, errRestoring
	}
	file, err := disk.Open(filepath.Join(dataDir, restoredName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	note := new(restoredNote)
	if err := json.NewDecoder(io.NewSectionReader(file, 0, size)).Decode(note); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", restoredName, err)
	}
	if note.Version != restoredVersion || note.Index == 0 || note.Term == 0 {
		return nil, fmt.Errorf("%s is not one that this program has written (version %d)", restoredName, note.Version)
	}
	return note, nil
}

const hintRestore = "Empty the data directory and restore again, with this version of quorate."

// createRestored begins the life of a member of a cluster that begins with a saved
// database.
func (n *Node) createRestored(options wal.Options, storage [16]byte, note *restoredNote) error {
	if n.cfg.Join != "" {
		return n.dirError(errors.New("it was restored to begin a new cluster, and cannot join one"),
			"Leave --join away; or, to join, give an empty --data-dir: the node gets everything from the others.")
	}
	if note.Name != "" && note.Name != n.cfg.Name {
		return n.dirError(fmt.Errorf("it was restored for member %q, not for %q", note.Name, n.cfg.Name), "Give --name the member's name.")
	}
	cfg := n.cfg
	if len(note.Members) > 0 {
		cfg.InitialCluster = nil
		for _, m := range note.Members {
			cfg.InitialCluster = append(cfg.InitialCluster, raft.Member{Name: m.Name, Address: m.Address})
		}
	}
	c, err := configuration(&cfg)
	if err != nil {
		return err
	}
	if given, err := configuration(&n.cfg); err != nil {
		return err
	} else if len(n.cfg.InitialCluster) > 0 && !slices.Equal(given.Members, c.Members) {
		return n.dirError(errors.New("it was restored for a cluster of other members than --initial-cluster names"),
			"Leave --initial-cluster away, or give it as it was given to quorate snapshot restore.")
	}
	source, err := hex.DecodeString(note.Source)
	if err != nil {
		return n.dirError(fmt.Errorf("%s cannot be read: %w", restoredName, err), hintRestore)
	}
	n.id, n.cluster = memberID(n.cfg.Name), clusterID(n.cfg.ClusterToken, c, source)
	n.log, err = wal.Create(options, wal.Identity{Cluster: n.cluster, Storage: storage, Node: n.id}, c)
	if err != nil {
		return n.dirError(err, "")
	}
	return n.finishRestore(note)
}

// finishRestore makes a log that was just made begin after the saved database, and
// removes the note that said so. It may have been interrupted before, at any point.
func (n *Node) finishRestore(note *restoredNote) error {
	if note == nil {
		return nil
	}
	if base, _ := n.log.Base(); base < note.Index {
		_, err := n.log.Append([]wal.Write{{
			Snapshot: &raft.Snapshot{Index: note.Index, Term: note.Term,
				Configuration: raft.ConfigurationAt{Configuration: n.log.Configuration()}},
			HardState: &raft.HardState{Term: note.Term, Commit: note.Index},
			Sync:      true,
		}})
		if err != nil {
			return n.dirError(err, "")
		}
		n.cfg.Logger.Info().Str("component", "restore").Uint64("index", uint64(note.Index)).Uint64("term", uint64(note.Term)).
			Msg("this node begins with a saved database")
	}
	err := n.fs.Remove(filepath.Join(n.cfg.DataDir, restoredName))
	if err == nil {
		err = n.fs.SyncDir(n.cfg.DataDir)
	}
	if err != nil {
		return n.dirError(err, "")
	}
	return nil
}
