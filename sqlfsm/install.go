package sqlfsm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/internal/vfs"
)

// installSuffix names, beside the database, the image that is to replace it.
const installSuffix = "-install"

// ErrUnfit says that an image cannot be installed, and that nothing has happened.
var ErrUnfit = errors.New("the image is not fit")

// Install replaces the database by the image at path, which must be durable, on
// the same file system as the database, not older than what was applied, and at the
// index and term that it was announced with. The image is moved, not copied.
// Snapshots that are open keep the old database; those taken when Install has
// returned see the new one.
//
// When Install fails with ErrUnfit, nothing has happened. After any other failure
// the FSM applies no more, and a new Open finds the old database or the new one,
// whole.
func (f *FSM) Install(path string, index, term uint64) error {
	if err := f.failed(); err != nil {
		return err
	}
	if err := f.checkImage(path, index, term); err != nil {
		return fmt.Errorf("sqlfsm: install %s: %w: %w", path, ErrUnfit, err)
	}
	if err := f.install(path); err != nil {
		return f.fail(fmt.Errorf("sqlfsm: install %s: %w", path, err))
	}
	return nil
}

func (f *FSM) install(path string) error {
	f.files.Lock()
	defer f.files.Unlock()
	// Connections that are closed from here on leave all files alone
	// (NoCheckpointOnClose): SQLite would look for the WAL by its name.
	if err := f.closeWriter(); err != nil {
		return err
	}
	next := f.path + installSuffix
	disk := f.options.FS
	if err := disk.Rename(path, next); err != nil {
		return err
	}
	for _, dir := range []string{filepath.Dir(f.path), filepath.Dir(path)} {
		if err := disk.SyncDir(dir); err != nil {
			return err
		}
	}
	if err := finishInstall(disk, f.path); err != nil {
		return err
	}
	if err := f.openConnections(); err != nil {
		return err
	}
	f.checkpointer.raise(f.meta.index)
	return nil
}

// finishInstall puts the image that Install has left beside the database, if
// there is one, into its place; it may have been begun before, up to any step.
//
// A WAL applies to whatever file bears the database's name, so the old one must
// be gone, on the disk too, before the image gets that name. The image itself
// gets its own name durably before, so that there is always one whole database.
func finishInstall(disk vfs.FS, path string) error {
	next := path + installSuffix
	if _, err := disk.Size(next); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("sqlfsm: install: %w", err)
	}
	if err := replace(disk, path, next); err != nil {
		return fmt.Errorf("sqlfsm: install: %w", err)
	}
	return nil
}

// replace puts the image next in the place of the database.
func replace(disk vfs.FS, path, next string) error {
	if err := useWAL(disk, next); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	for _, suffix := range []string{"-wal", "-journal"} {
		if err := disk.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := disk.SyncDir(dir); err != nil {
		return err
	}
	if err := disk.Rename(next, path); err != nil {
		return err
	}
	return disk.SyncDir(dir)
}

// useWAL says in an image's header that it may have a WAL beside it. SQLite
// would do so by a journal, for which a full disk may have no room.
func useWAL(disk vfs.FS, image string) error {
	file, err := disk.Open(image)
	if err != nil {
		return err
	}
	_, err = file.WriteAt([]byte{withWAL, withWAL}, headerWriteVersion) // the read version follows it
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// The parts of a database's header that we look at
// (https://sqlite.org/fileformat2.html#the_database_header).
const (
	fileHeaderBytes     = 100
	headerMagic         = "SQLite format 3\x00"
	headerPageSize      = 16 // 2 bytes; 1 stands for 65536
	headerWriteVersion  = 18
	headerReadVersion   = 19
	headerPages         = 28 // 4 bytes
	headerUserVersion   = 60 // 4 bytes
	headerApplicationID = 68 // 4 bytes

	withoutWAL = 1 // the write and read version of a file without WAL
	withWAL    = 2
)

// checkImage looks whether the file can be the database: it is one of ours, as
// Image makes them, whole, what it was announced as, and not older than what was
// applied. That its bytes, its effects digest among them, are those that were sent is
// for the sender's SHA-256 to say.
func (f *FSM) checkImage(path string, index, term uint64) error {
	if err := checkHeader(f.options.FS, path); err != nil {
		return err
	}
	c, err := openConnection(path, sqlite.Existing, 1<<20, 1)
	if err != nil {
		return err
	}
	defer c.close()
	var found position
	err = c.query("SELECT applied_index, applied_term FROM main._quorate_meta", func(row []value.Value) {
		found.index, found.term = uint64(row[0].Int()), uint64(row[1].Int())
	})
	switch {
	case err != nil:
		return err
	case found.index != index || found.term != term:
		return fmt.Errorf("it was announced as that of index %d, term %d, and the database in it is at index %d, term %d", index, term, found.index, found.term)
	case index < f.meta.index:
		return fmt.Errorf("the image is at index %d, the database is at %d already", index, f.meta.index)
	}
	return nil
}

func checkHeader(disk vfs.FS, path string) error {
	file, err := disk.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return err
	}
	var h [fileHeaderBytes]byte
	if _, err := file.ReadAt(h[:], 0); err != nil {
		return fmt.Errorf("the file of %d bytes is no database: %w", size, err)
	}
	number := func(at int) int64 { return int64(binary.BigEndian.Uint32(h[at:])) }
	pageSize := int64(binary.BigEndian.Uint16(h[headerPageSize:]))
	if pageSize == 1 {
		pageSize = 65536
	}
	switch {
	case !bytes.HasPrefix(h[:], []byte(headerMagic)) || number(headerApplicationID) != applicationID:
		return errors.New("this is not a database of Quorate's")
	case number(headerUserVersion) != formatVersion:
		return fmt.Errorf("the image's format is %d and this program reads format %d: use the version that wrote it", number(headerUserVersion), formatVersion)
	case h[headerWriteVersion] != withoutWAL || h[headerReadVersion] != withoutWAL:
		return errors.New("this is a database that is, or was, in use, and may lack what is in its WAL: make an image of it")
	case number(headerPages)*pageSize != size:
		return fmt.Errorf("the image should have %d bytes and has %d", number(headerPages)*pageSize, size)
	}
	return nil
}
