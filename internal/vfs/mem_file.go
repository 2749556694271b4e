package vfs

import (
	"io"
	"io/fs"
	"maps"
	"slices"
	"syscall"
)

// BlockBytes is what Mem's disk writes at a time, and SectorBytes is what it
// writes in one piece: a block may be torn between sectors.
const (
	BlockBytes  = 4096
	SectorBytes = 512
)

type block [BlockBytes]byte

// memNode is a file's contents, or a directory. Mem.mu guards it.
type memNode struct {
	directory bool

	// What a reader sees. A missing block is all zeros. A block that is not
	// dirty may be shared with durableBlocks and with crash clones, and is never
	// written to.
	size   int64
	blocks map[int64]*block

	// What the disk has.
	durableSize   int64
	durableBlocks map[int64]*block

	// dirty holds the numbers of the blocks that the next sync writes.
	dirty map[int64]bool

	// reserved is how many blocks, from the first on, have their space on the
	// disk whether they were written or not; the others have it once they exist.
	reserved int64
}

func newMemNode(directory bool) *memNode {
	return &memNode{
		directory:     directory,
		blocks:        make(map[int64]*block),
		durableBlocks: make(map[int64]*block),
		dirty:         make(map[int64]bool),
	}
}

// writable returns a block that may be written to.
func (n *memNode) writable(number int64) *block {
	b := n.blocks[number]
	if b != nil && n.dirty[number] {
		return b
	}
	fresh := new(block)
	if b != nil {
		*fresh = *b
	}
	n.blocks[number] = fresh
	n.dirty[number] = true
	return fresh
}

func (n *memNode) writeAt(p []byte, offset int64) {
	if len(p) == 0 {
		return
	}
	n.size = max(n.size, offset+int64(len(p)))
	for len(p) > 0 {
		b := n.writable(offset / BlockBytes)
		written := copy(b[offset%BlockBytes:], p)
		p = p[written:]
		offset += int64(written)
	}
}

func (n *memNode) readAt(p []byte, offset int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if offset >= n.size {
		return 0, io.EOF
	}
	total := int(min(int64(len(p)), n.size-offset))
	for done := 0; done < total; {
		at := (offset + int64(done)) % BlockBytes
		piece := p[done:min(total, done+int(BlockBytes-at))]
		if b := n.blocks[(offset+int64(done))/BlockBytes]; b != nil {
			copy(piece, b[at:])
		} else {
			clear(piece)
		}
		done += len(piece)
	}
	if total < len(p) {
		return total, io.EOF
	}
	return total, nil
}

func (n *memNode) truncate(size int64) {
	if size < n.size {
		if rest := size % BlockBytes; rest != 0 {
			clear(n.writable(size / BlockBytes)[rest:])
		}
		for number := range n.blocks {
			if number*BlockBytes >= size {
				delete(n.blocks, number)
				n.dirty[number] = true
			}
		}
	}
	n.size = size
	n.reserved = min(n.reserved, blocksFor(size))
}

func (n *memNode) sync() {
	n.durableSize = n.size
	for number := range n.dirty {
		if b := n.blocks[number]; b != nil {
			n.durableBlocks[number] = b
		} else {
			delete(n.durableBlocks, number)
		}
	}
	clear(n.dirty)
}

func (n *memNode) dirtyBlocks() []int64 { return slices.Sorted(maps.Keys(n.dirty)) }

// memFile is an open memNode.
type memFile struct {
	fs     *Mem
	node   *memNode
	path   string
	closed bool // guarded by fs.mu
}

// do runs fn with the lock held, unless the file is closed.
func (f *memFile) do(operation string, fn func()) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return pathError(operation, f.path, fs.ErrClosed)
	}
	fn()
	return nil
}

func (f *memFile) ReadAt(p []byte, offset int64) (n int, err error) {
	if closed := f.do("read", func() { n, err = f.node.readAt(p, offset) }); closed != nil {
		return 0, closed
	}
	return n, err
}

// WriteAt writes as much as there is room for.
func (f *memFile) WriteAt(p []byte, offset int64) (n int, err error) {
	closed := f.do("write", func() {
		n = f.fs.fit(f.node, offset, len(p))
		f.node.writeAt(p[:n], offset)
	})
	if closed != nil {
		return 0, closed
	}
	if n < len(p) {
		return n, pathError("write", f.path, syscall.ENOSPC)
	}
	return n, nil
}

func (f *memFile) Sync() error { return f.do("sync", f.node.sync) }

// forget calls clean what is dirty.
func (f *memFile) forget() error {
	return f.do("sync", func() { clear(f.node.dirty) })
}

func (f *memFile) Truncate(size int64) error {
	return f.do("truncate", func() { f.node.truncate(size) })
}

func (f *memFile) Preallocate(size int64) (err error) {
	closed := f.do("preallocate", func() {
		if f.fs.fit(f.node, 0, int(size)) < int(size) {
			err = pathError("preallocate", f.path, syscall.ENOSPC)
			return
		}
		f.node.size = max(f.node.size, size)
		f.node.reserved = max(f.node.reserved, blocksFor(size))
	})
	if closed != nil {
		return closed
	}
	return err
}

func (f *memFile) Size() (size int64, err error) {
	err = f.do("stat", func() { size = f.node.size })
	return size, err
}

func (f *memFile) Close() error { return f.do("close", func() { f.closed = true }) }
