package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// Mem is a file system in memory that knows what is durable. Use NewMem.
//
// It is stricter than most disks: syncing a file does not make its name
// durable, names may reach the disk in any order, and so may blocks.
type Mem struct {
	mu sync.Mutex // guards the fields below, and the files' contents

	// names and durable map a cleaned path to a file or directory: as the
	// running system sees it, and as the disk has it.
	names, durable map[string]*memNode
	// pending are the changes of names since; durable with all of them applied
	// is names.
	pending []nameChange
	locked  map[string]bool
	// capacity is how many bytes the disk holds; 0: any number.
	capacity int64
}

// nameChange is one change of names, which a crash keeps whole or drops whole.
// Either path may be "".
type nameChange struct {
	removed string
	added   string
	node    *memNode // what added names
}

var _ FS = (*Mem)(nil)

// NewMem returns an empty file system with a durable root directory, "/", and
// a durable current one, ".".
func NewMem() *Mem {
	m := &Mem{
		names:   make(map[string]*memNode),
		durable: make(map[string]*memNode),
		locked:  make(map[string]bool),
	}
	for _, root := range []string{"/", "."} {
		node := newMemNode(true)
		m.names[root], m.durable[root] = node, node
	}
	return m
}

// Create implements FS.
func (m *Mem) Create(path string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	path = filepath.Clean(path)
	if node := m.names[path]; node != nil {
		if node.directory {
			return nil, pathError("create", path, syscall.EISDIR)
		}
		node.truncate(0)
		return &memFile{fs: m, node: node, path: path}, nil
	}
	if err := m.checkParent("create", path); err != nil {
		return nil, err
	}
	node := newMemNode(false)
	m.change(nameChange{added: path, node: node})
	return &memFile{fs: m, node: node, path: path}, nil
}

// Open implements FS.
func (m *Mem) Open(path string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	path = filepath.Clean(path)
	node, err := m.file("open", path)
	if err != nil {
		return nil, err
	}
	return &memFile{fs: m, node: node, path: path}, nil
}

// Rename implements FS.
func (m *Mem) Rename(oldPath, newPath string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldPath, newPath = filepath.Clean(oldPath), filepath.Clean(newPath)
	node, err := m.file("rename", oldPath)
	if err != nil {
		return err
	}
	if filepath.Dir(oldPath) != filepath.Dir(newPath) {
		return pathError("rename", newPath, syscall.EXDEV)
	}
	m.change(nameChange{removed: oldPath, added: newPath, node: node})
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	path = filepath.Clean(path)
	if _, err := m.file("remove", path); err != nil {
		return err
	}
	m.change(nameChange{removed: path})
	return nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mkdirAll(filepath.Clean(path))
}

func (m *Mem) mkdirAll(path string) error {
	if node := m.names[path]; node != nil {
		if !node.directory {
			return pathError("mkdir", path, syscall.ENOTDIR)
		}
		return nil
	}
	if err := m.mkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	made := nameChange{added: path, node: newMemNode(true)}
	made.apply(m.names)
	made.apply(m.durable)
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = filepath.Clean(dir)
	if err := m.checkDirectory("list", dir); err != nil {
		return nil, err
	}
	var names []string
	for path := range m.names {
		if path != dir && filepath.Dir(path) == dir {
			names = append(names, filepath.Base(path))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Size implements FS.
func (m *Mem) Size(path string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, err := m.file("stat", filepath.Clean(path))
	if err != nil {
		return 0, err
	}
	return node.size, nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = filepath.Clean(dir)
	if err := m.checkDirectory("sync", dir); err != nil {
		return err
	}
	m.pending = slices.DeleteFunc(m.pending, func(c nameChange) bool {
		here := filepath.Dir(c.added) == dir && c.added != "" ||
			filepath.Dir(c.removed) == dir && c.removed != ""
		if here {
			c.apply(m.durable)
		}
		return here
	})
	return nil
}

// Lock implements FS.
func (m *Mem) Lock(path string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	path = filepath.Clean(path)
	if err := m.checkParent("lock", path); err != nil {
		return nil, err
	}
	if m.locked[path] {
		return nil, fmt.Errorf("lock %s: %w", path, ErrLocked)
	}
	if m.names[path] == nil {
		m.change(nameChange{added: path, node: newMemNode(false)})
	}
	m.locked[path] = true
	return &memLock{fs: m, path: path}, nil
}

func (m *Mem) change(c nameChange) {
	c.apply(m.names)
	m.pending = append(m.pending, c)
}

func (c nameChange) apply(names map[string]*memNode) {
	if c.removed != "" {
		delete(names, c.removed)
	}
	if c.added != "" {
		names[c.added] = c.node
	}
}

func (m *Mem) file(operation, path string) (*memNode, error) {
	node := m.names[path]
	if node == nil {
		return nil, pathError(operation, path, fs.ErrNotExist)
	}
	if node.directory {
		return nil, pathError(operation, path, syscall.EISDIR)
	}
	return node, nil
}

func (m *Mem) checkDirectory(operation, path string) error {
	switch node := m.names[path]; {
	case node == nil:
		return pathError(operation, path, fs.ErrNotExist)
	case !node.directory:
		return pathError(operation, path, syscall.ENOTDIR)
	}
	return nil
}

func (m *Mem) checkParent(operation, path string) error {
	return m.checkDirectory(operation, filepath.Dir(path))
}

func pathError(operation, path string, err error) error {
	return &fs.PathError{Op: operation, Path: path, Err: err}
}

// memLock is a lock that is held.
type memLock struct {
	fs   *Mem
	path string
}

func (l *memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if !l.fs.locked[l.path] {
		return pathError("unlock", l.path, fs.ErrClosed)
	}
	delete(l.fs.locked, l.path)
	return nil
}

// clone copies what a node is now and calls that durable.
func (n *memNode) clone() *memNode {
	return &memNode{
		directory:     n.directory,
		size:          n.size,
		reserved:      n.reserved,
		blocks:        maps.Clone(n.blocks),
		durableSize:   n.size,
		durableBlocks: maps.Clone(n.blocks),
		dirty:         make(map[int64]bool),
	}
}
