package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"quorate/internal/vfs"
	"quorate/raft"
)

// What a node remembers of divergences, in divergence.json in its data directory.
// While it says that the node is quarantined, the database is not to be relied on,
// and need not be where the log begins: it will be replaced by an image, or never
// be used again.

// divergenceFormat is the version of the file.
const divergenceFormat = 1

// memory is the file. A node that never differed has none.
type memory struct {
	Format int `json:"format"`
	// Quarantined: the database is not to be used.
	Quarantined bool `json:"quarantined"`
	// Final: it has differed again after it got another database. It stays so.
	Final    bool      `json:"final"`
	Findings []finding `json:"findings"` // oldest first
}

// finding is one divergence.
type finding struct {
	Found time.Time `json:"found"`
	// Index is the first entry that this node applied to another effect than the
	// majority; without Exact, that is at or before it.
	Index     raft.Index `json:"index"`
	Exact     bool       `json:"exact"`
	Statement string     `json:"statement"`
	Digest    string     `json:"digest"`
	Majority  string     `json:"majority_digest"`
	Engine    string     `json:"engine"`
	Version   string     `json:"version"`
}

const divergenceFile = "divergence.json"

// readMemory reads the file in a data directory.
func readMemory(fsys vfs.FS, dir string) (m memory, err error) {
	path := filepath.Join(dir, divergenceFile)
	m.Format = divergenceFormat
	file, err := fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return m, err
	}
	b := make([]byte, size)
	if n, err := file.ReadAt(b, 0); n < len(b) {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if m.Format != divergenceFormat {
		return m, fmt.Errorf("%s has format %d and this program reads format %d: use the version that wrote it", path, m.Format, divergenceFormat)
	}
	return m, nil
}

// write makes the file durable, in place of the one that was there.
func (m *memory) write(fsys vfs.FS, dir string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, divergenceFile)
	file, err := fsys.Create(path + ".tmp")
	if err != nil {
		return err
	}
	_, err = file.WriteAt(append(b, '\n'), 0)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(path+".tmp", path); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}
