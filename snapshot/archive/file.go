package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"quorate/internal/vfs"
)

// syncBytes is how much of a file may wait for the disk: all of it at the end
// would hold up others who sync, such as a node on the same disk.
const syncBytes = 8 << 20

// File is a file that is being written. It appears under its name when it is
// complete and durable (Commit); until then, and after Close, there is nothing by
// that name, or what was there before.
type File struct {
	disk        vfs.FS
	path, draft string
	overwrite   bool
	file        vfs.File // nil: it is over
	at, synced  int64
}

var _ io.Writer = (*File)(nil)

// Create begins a file. Its draft is beside it, under the name that draftSuffix
// makes of it; two processes must not use the same. Without overwrite, a file that
// is there already is ErrExists.
func Create(disk vfs.FS, path, draftSuffix string, overwrite bool) (*File, error) {
	f := &File{disk: disk, path: path, draft: path + draftSuffix, overwrite: overwrite}
	err := f.checkPath()
	if err == nil {
		f.file, err = disk.Create(f.draft)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// checkPath looks whether the file may get its name.
func (f *File) checkPath() error {
	if f.overwrite {
		return nil
	}
	_, err := f.disk.Size(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%s: %w", f.path, ErrExists)
	}
	return err
}

// Expect reserves room for so many bytes, which Write is going to bring: a disk
// that is too small says so now.
func (f *File) Expect(bytes int64) error { return f.file.Preallocate(bytes) }

// Write implements io.Writer.
func (f *File) Write(b []byte) (int, error) {
	n, err := f.file.WriteAt(b, f.at)
	f.at += int64(n)
	if err == nil && f.at-f.synced >= syncBytes {
		f.synced = f.at
		err = f.file.Sync()
	}
	return n, err
}

// Draft makes what was written so far durable and returns the name under which it
// can be read before Commit gives it its own.
func (f *File) Draft() (string, error) {
	err := f.file.Truncate(f.at) // if less came than was expected
	if err == nil {
		err = f.file.Sync()
	}
	return f.draft, err
}

// Commit makes the file durable and gives it its name. After an error there is
// nothing of it.
func (f *File) Commit() error {
	_, err := f.Draft()
	if err == nil {
		err = f.checkPath()
	}
	if err == nil {
		err = f.disk.Rename(f.draft, f.path)
	}
	if err != nil {
		f.Close()
		return err
	}
	file := f.file
	f.file = nil
	return errors.Join(file.Close(), f.disk.SyncDir(filepath.Dir(f.path)))
}

// Close gives the file up, if Commit has not been called. What cannot be removed
// stays, as a draft.
func (f *File) Close() {
	if f.file == nil {
		return
	}
	f.file.Close()
	f.disk.Remove(f.draft)
	f.file = nil
}
