package transport

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"quorate/internal/vfs"
	"quorate/raft"
)

// RegistryName is the registry's file in a data directory.
const RegistryName = "peers.json"

// registryFormat is the version in the file.
const registryFormat = 1

// Registry remembers each peer's storage id, so that a member which lost its
// data directory is not taken for the voter it was: it has forgotten its vote
// and entries that it acknowledged, and could undo what was committed.
//
// The file is written anew as a whole (a temporary file, synced, renamed, the
// directory synced) before a peer's first handshake is answered, and read once:
//
//	{"format": 1, "peers": [{"id": "1f", "storage_id": "00…ff"}, …]}
type Registry struct {
	fs   vfs.FS
	path string

	mu    sync.Mutex // guards the field below, and the file
	peers map[raft.NodeID][16]byte
}

type registryFile struct {
	Format int            `json:"format"`
	Peers  []registryPeer `json:"peers"`
}

type registryPeer struct {
	ID        string `json:"id"`         // hexadecimal
	StorageID string `json:"storage_id"` // 32 hexadecimal digits
}

// OpenRegistry reads the registry at path. A missing file is an empty one.
func OpenRegistry(fsys vfs.FS, path string) (*Registry, error) {
	r := &Registry{fs: fsys, path: path, peers: make(map[raft.NodeID][16]byte)}
	b, err := readFile(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("transport: %s: %w", path, err)
	}
	if err := r.parse(b); err != nil {
		return nil, fmt.Errorf("transport: %s is damaged: %w; if every other member still has its data, remove the file and it is made again", path, err)
	}
	return r, nil
}

func (r *Registry) parse(b []byte) error {
	var file registryFile
	if err := json.Unmarshal(b, &file); err != nil {
		return err
	}
	if file.Format != registryFormat {
		return fmt.Errorf("format %d, this version reads %d", file.Format, registryFormat)
	}
	for _, p := range file.Peers {
		id, err := strconv.ParseUint(p.ID, 16, 64)
		if err != nil {
			return fmt.Errorf("id %q", p.ID)
		}
		storage, err := hex.DecodeString(p.StorageID)
		if err != nil || len(storage) != 16 {
			return fmt.Errorf("storage id %q", p.StorageID)
		}
		r.peers[raft.NodeID(id)] = [16]byte(storage)
	}
	return nil
}

// Admit remembers a peer that is met for the first time and refuses one that
// has another storage id than before. It is made to be a Config's Admit.
func (r *Registry) Admit(peer Hello) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	storageID, known := r.peers[peer.NodeID]
	if !known {
		r.peers[peer.NodeID] = peer.StorageID
		if err := r.write(); err != nil {
			// The disk may have it, or not; both are right.
			delete(r.peers, peer.NodeID)
			return fmt.Errorf("transport: %s: %w", r.path, err)
		}
		return nil
	}
	if storageID == peer.StorageID {
		return nil
	}
	return &Refusal{Code: RefusedStorage,
		Message: fmt.Sprintf("member %s came back with an empty or different data directory (storage id %x, known as %x); "+
			"a voter that has forgotten its log can undo committed writes", nameOf(peer), peer.StorageID, storageID),
		Hint: "Give it back its data directory, or remove the member and add it again."}
}

// Forget forgets the storage ids of members that were removed: their ids are
// not used again, and the file does not grow.
func (r *Registry) Forget(removed []raft.NodeID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.peers)
	maps.DeleteFunc(r.peers, func(id raft.NodeID, _ [16]byte) bool { return slices.Contains(removed, id) })
	if len(r.peers) == before {
		return nil
	}
	// After an error they are in the file until the next write, and harmless.
	if err := r.write(); err != nil {
		return fmt.Errorf("transport: %s: %w", r.path, err)
	}
	return nil
}

func (r *Registry) write() error {
	file := registryFile{Format: registryFormat}
	for id, storageID := range r.peers {
		file.Peers = append(file.Peers, registryPeer{ID: id.String(), StorageID: hex.EncodeToString(storageID[:])})
	}
	slices.SortFunc(file.Peers, func(a, b registryPeer) int { return strings.Compare(a.ID, b.ID) })
	b, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	temporary := r.path + ".tmp"
	if err := writeFile(r.fs, temporary, append(b, '\n')); err != nil {
		return err
	}
	if err := r.fs.Rename(temporary, r.path); err != nil {
		return err
	}
	return r.fs.SyncDir(filepath.Dir(r.path))
}

// writeFile makes a file with these bytes, durable but for its name.
func writeFile(fsys vfs.FS, path string, b []byte) error {
	f, err := fsys.Create(path)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// registryMaxBytes is far more than the largest cluster's registry takes.
const registryMaxBytes = 1 << 20

func readFile(fsys vfs.FS, path string) ([]byte, error) {
	size, err := fsys.Size(path)
	if err != nil {
		return nil, err
	}
	if size > registryMaxBytes {
		return nil, fmt.Errorf("%d bytes long, at most %d make sense", size, registryMaxBytes)
	}
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	return b, errors.Join(err, f.Close())
}
