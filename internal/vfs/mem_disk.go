package vfs

import (
	"fmt"
	"math"
	"path/filepath"
	"syscall"
)

// What a disk has besides files: an end, and bits that change by themselves.

// SetCapacity bounds the bytes that all files take together, in blocks of
// BlockBytes, holes not counted; 0 takes the bound away. Beyond it, writes and
// preallocations fail with ENOSPC, a write after as many bytes as there is room
// for. What is preallocated has its room. The bound may lie below what is taken
// already: then nothing can be added. Crash clones have the same capacity.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// Free implements FS; without a capacity it is as much as there can be.
func (m *Mem) Free(dir string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.checkDirectory("statfs", filepath.Clean(dir)); err != nil {
		return 0, err
	}
	if m.capacity == 0 {
		return math.MaxInt64, nil
	}
	return m.freeBlocks() * BlockBytes, nil
}

// FlipBit changes one bit of what is on the disk, as a worn-out one does: bit,
// 0 to 7, of the byte at offset. Who reads the file sees it, unless that byte was
// written since the last sync.
func (m *Mem) FlipBit(path string, offset int64, bit int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	path = filepath.Clean(path)
	n, err := m.file("flip", path)
	if err != nil {
		return err
	}
	if offset < 0 || offset >= n.durableSize || bit < 0 || bit > 7 {
		return pathError("flip", path, fmt.Errorf("bit %d of byte %d of %d on the disk: %w", bit, offset, n.durableSize, syscall.EINVAL))
	}
	number := offset / BlockBytes
	flipped := new(block) // blocks are shared with crash clones
	if b := n.durableBlocks[number]; b != nil {
		*flipped = *b
	}
	flipped[offset%BlockBytes] ^= 1 << bit
	n.durableBlocks[number] = flipped
	if !n.dirty[number] {
		n.blocks[number] = flipped
	}
	return nil
}

// blocksFor is how many blocks hold so many bytes.
func blocksFor(bytes int64) int64 { return (bytes + BlockBytes - 1) / BlockBytes }

// taken is how many blocks a file takes.
func (n *memNode) taken() int64 {
	taken := n.reserved
	for number := range n.blocks {
		if number >= n.reserved {
			taken++
		}
	}
	return taken
}

func (m *Mem) freeBlocks() int64 {
	free := m.capacity / BlockBytes
	for _, n := range m.names {
		free -= n.taken()
	}
	return max(free, 0)
}

// fit returns how many of n bytes at offset of a file there is room for.
func (m *Mem) fit(node *memNode, offset int64, n int) int {
	if m.capacity == 0 {
		return n
	}
	end := blocksFor(offset + int64(n))
	free := int64(-1) // not counted yet
	for number := max(offset/BlockBytes, node.reserved); number < end; number++ {
		if node.blocks[number] != nil {
			continue
		}
		if free < 0 {
			free = m.freeBlocks()
		}
		if free == 0 {
			return int(max(number*BlockBytes-offset, 0))
		}
		free--
	}
	return n
}
