package vfs

import (
	"maps"
	"path/filepath"
	"slices"
)

// Unsynced is one piece of what was not synced when the power failed, of which
// a crash decides whether it reached the disk.
type Unsynced struct {
	// Path is the file or, for a Name, the name that was added or removed.
	Path string
	Kind UnsyncedKind
	// Offset is where the Block begins.
	Offset int64
}

// UnsyncedKind says what a piece is.
type UnsyncedKind uint8

const (
	// Name is one change of names: a file made, renamed or removed.
	Name UnsyncedKind = iota
	// Size is a file's new size.
	Size
	// Block is a block of a file, which may be torn.
	Block
)

// Kept says which of a block's eight sectors reached the disk: bit i stands for
// the bytes from i·SectorBytes on. Of a Name or a Size there is only all or
// nothing, and anything but None is all.
type Kept uint8

// Nothing of a piece was kept, or all of it.
const (
	None Kept = 0
	All  Kept = 1<<(BlockBytes/SectorBytes) - 1
)

// DropUnsynced is the crash that keeps only what was synced.
func DropUnsynced(Unsynced) Kept { return None }

// KeepUnsynced is the crash of the process alone: the system lives on and
// writes everything.
func KeepUnsynced(Unsynced) Kept { return All }

// RandomCrash keeps, drops or tears each piece, as chance will have it; rand
// returns a number in [0, n).
func RandomCrash(rand func(n int) int) func(Unsynced) Kept {
	return func(Unsynced) Kept {
		switch rand(3) {
		case 0:
			return None
		case 1:
			return All
		}
		return Kept(rand(int(All) + 1))
	}
}

// CrashKeeping is the crash that keeps each piece with so many chances in 100.
// Of the blocks that it keeps, so many in 100 are torn: any of their sectors may
// be missing. rand returns a number in [0, n).
func CrashKeeping(keep, torn int, rand func(n int) int) func(Unsynced) Kept {
	return func(u Unsynced) Kept {
		switch {
		case rand(100) >= keep:
			return None
		case u.Kind == Block && rand(100) < torn:
			return Kept(rand(int(All) + 1))
		}
		return All
	}
}

// CrashClone returns the disk as a power failure now may leave it: all that was
// synced, and of what was not the pieces that decide keeps. It is asked about
// them in a fixed order. The file system itself goes on unharmed, and nobody
// holds a lock of the clone.
//
//	mem := vfs.NewMem()
//	… write to mem …
//	after := mem.CrashClone(vfs.DropUnsynced)
//	… start again from after …
func (m *Mem) CrashClone(decide func(Unsynced) Kept) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := maps.Clone(m.durable)
	for _, change := range m.pending {
		path := change.added
		if path == "" {
			path = change.removed
		}
		if decide(Unsynced{Path: path, Kind: Name}) != None {
			change.apply(names)
		}
	}
	after := &Mem{names: make(map[string]*memNode), locked: make(map[string]bool), capacity: m.capacity}
	// Sorted, so that a directory comes before what is in it.
	for _, path := range slices.Sorted(maps.Keys(names)) {
		parent := after.names[filepath.Dir(path)]
		if path != filepath.Dir(path) && (parent == nil || !parent.directory) {
			continue // its directory was lost
		}
		after.names[path] = names[path].crash(path, decide)
	}
	after.durable = maps.Clone(after.names)
	return after
}

// crash returns what the disk has of a file, plus the pieces that were kept.
func (n *memNode) crash(path string, decide func(Unsynced) Kept) *memNode {
	size := n.durableSize
	if n.size != size && decide(Unsynced{Path: path, Kind: Size}) != None {
		size = n.size
	}
	after := &memNode{
		directory: n.directory,
		size:      max(n.size, n.durableSize),
		reserved:  n.reserved,
		blocks:    maps.Clone(n.durableBlocks),
		dirty:     make(map[int64]bool),
	}
	for _, number := range n.dirtyBlocks() {
		kept := decide(Unsynced{Path: path, Kind: Block, Offset: number * BlockBytes})
		after.keepSectors(number, n.blocks[number], kept)
	}
	after.truncate(size)
	return after.clone()
}

// keepSectors writes the kept sectors of a block over what is there; a nil
// block is zeros.
func (n *memNode) keepSectors(number int64, b *block, kept Kept) {
	if b == nil {
		b = new(block)
	}
	for sector := range BlockBytes / SectorBytes {
		if kept&(1<<sector) != 0 {
			at := sector * SectorBytes
			copy(n.writable(number)[at:at+SectorBytes], b[at:])
		}
	}
}
