package vfs

import "io"

// OpKind names an operation.
type OpKind string

// The operations that a rule is asked about: all that change the disk, and
// those that read it.
const (
	OpCreate      OpKind = "create"
	OpOpen        OpKind = "open"
	OpRename      OpKind = "rename"
	OpRemove      OpKind = "remove"
	OpMkdir       OpKind = "mkdir"
	OpList        OpKind = "list"
	OpSize        OpKind = "size"
	OpSyncDir     OpKind = "sync-dir"
	OpFree        OpKind = "free"
	OpLock        OpKind = "lock"
	OpRead        OpKind = "read"
	OpWrite       OpKind = "write"
	OpSync        OpKind = "sync"
	OpTruncate    OpKind = "truncate"
	OpPreallocate OpKind = "preallocate"
)

// Changes reports whether the operation changes the disk or what of it is
// durable.
func (k OpKind) Changes() bool {
	switch k {
	case OpOpen, OpList, OpSize, OpFree, OpLock, OpRead:
		return false
	}
	return true
}

// Op is one operation, about to be done.
type Op struct {
	Kind OpKind
	Path string
	// Offset and Bytes are where and how much is read or written.
	Offset int64
	Bytes  int
}

// Fault is what a rule makes of an operation. The zero Fault lets it be.
type Fault struct {
	// Err is returned instead of doing the operation.
	Err error
	// Partial is how many bytes are read or written before Err; a disk that
	// fills up writes some.
	Partial int
	// Forget makes a failed Sync of a Mem's file do what Linux does: the pages
	// that could not be written count as clean. They can still be read, and the
	// next Sync succeeds without writing them.
	Forget bool
}

// Injected is a file system in which operations fail when a rule says so.
type Injected struct {
	fs   FS
	rule func(Op) Fault
}

var _ FS = (*Injected)(nil)

// Inject returns fs, with rule asked before each operation but Close. The rule
// is called from whatever goroutine does the operation.
func Inject(fs FS, rule func(Op) Fault) *Injected { return &Injected{fs: fs, rule: rule} }

func (i *Injected) fails(kind OpKind, path string) error {
	return i.rule(Op{Kind: kind, Path: path}).Err
}

// Create implements FS.
func (i *Injected) Create(path string) (File, error) {
	return i.opened(OpCreate, path, i.fs.Create)
}

// Open implements FS.
func (i *Injected) Open(path string) (File, error) {
	return i.opened(OpOpen, path, i.fs.Open)
}

func (i *Injected) opened(kind OpKind, path string, open func(string) (File, error)) (File, error) {
	if err := i.fails(kind, path); err != nil {
		return nil, err
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	return &injectedFile{File: f, fs: i, path: path}, nil
}

// Rename implements FS. The rule is told the old path.
func (i *Injected) Rename(oldPath, newPath string) error {
	if err := i.fails(OpRename, oldPath); err != nil {
		return err
	}
	return i.fs.Rename(oldPath, newPath)
}

// Remove implements FS.
func (i *Injected) Remove(path string) error {
	if err := i.fails(OpRemove, path); err != nil {
		return err
	}
	return i.fs.Remove(path)
}

// MkdirAll implements FS.
func (i *Injected) MkdirAll(path string) error {
	if err := i.fails(OpMkdir, path); err != nil {
		return err
	}
	return i.fs.MkdirAll(path)
}

// List implements FS.
func (i *Injected) List(dir string) ([]string, error) {
	if err := i.fails(OpList, dir); err != nil {
		return nil, err
	}
	return i.fs.List(dir)
}

// Size implements FS.
func (i *Injected) Size(path string) (int64, error) {
	if err := i.fails(OpSize, path); err != nil {
		return 0, err
	}
	return i.fs.Size(path)
}

// SyncDir implements FS.
func (i *Injected) SyncDir(dir string) error {
	if err := i.fails(OpSyncDir, dir); err != nil {
		return err
	}
	return i.fs.SyncDir(dir)
}

// Free implements FS.
func (i *Injected) Free(dir string) (int64, error) {
	if err := i.fails(OpFree, dir); err != nil {
		return 0, err
	}
	return i.fs.Free(dir)
}

// Lock implements FS.
func (i *Injected) Lock(path string) (io.Closer, error) {
	if err := i.fails(OpLock, path); err != nil {
		return nil, err
	}
	return i.fs.Lock(path)
}

// injectedFile is a file of an Injected.
type injectedFile struct {
	File
	fs   *Injected
	path string
}

func (f *injectedFile) ReadAt(p []byte, offset int64) (int, error) {
	return f.transfer(OpRead, p, offset, f.File.ReadAt)
}

func (f *injectedFile) WriteAt(p []byte, offset int64) (int, error) {
	return f.transfer(OpWrite, p, offset, f.File.WriteAt)
}

func (f *injectedFile) transfer(kind OpKind, p []byte, offset int64, do func([]byte, int64) (int, error)) (int, error) {
	fault := f.fs.rule(Op{Kind: kind, Path: f.path, Offset: offset, Bytes: len(p)})
	if fault.Err == nil {
		return do(p, offset)
	}
	if fault.Partial == 0 {
		return 0, fault.Err
	}
	n, err := do(p[:min(fault.Partial, len(p))], offset)
	if err != nil {
		return n, err
	}
	return n, fault.Err
}

func (f *injectedFile) Sync() error {
	fault := f.fs.rule(Op{Kind: OpSync, Path: f.path})
	if fault.Err == nil {
		return f.File.Sync()
	}
	if mem, ok := f.File.(*memFile); ok && fault.Forget {
		if err := mem.forget(); err != nil {
			return err
		}
	}
	return fault.Err
}

func (f *injectedFile) Truncate(size int64) error {
	if err := f.fs.rule(Op{Kind: OpTruncate, Path: f.path, Offset: size}).Err; err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *injectedFile) Preallocate(size int64) error {
	if err := f.fs.rule(Op{Kind: OpPreallocate, Path: f.path, Offset: size}).Err; err != nil {
		return err
	}
	return f.File.Preallocate(size)
}
