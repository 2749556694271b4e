package transport

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"quorate/internal/vfs"
	"quorate/raft"
)

const registryPath = "/data/" + RegistryName

func newDisk(t *testing.T) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	if err := errors.Join(disk.MkdirAll("/data"), disk.SyncDir("/"), disk.SyncDir("/data")); err != nil {
		t.Fatal(err)
	}
	return disk
}

func openRegistry(t *testing.T, fs vfs.FS) *Registry {
	t.Helper()
	r, err := OpenRegistry(fs, registryPath)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// remember lets a member be met for the first time.
func (r *Registry) remember(id raft.NodeID, storageID [16]byte) error {
	return r.Admit(Hello{NodeID: id, StorageID: storageID})
}

func (r *Registry) known(id raft.NodeID) ([16]byte, bool) {
	storageID, ok := r.peers[id]
	return storageID, ok
}

func storageOf(b byte) [16]byte { return [16]byte{0: b, 15: 0xff} }

// TestRegistry shows a peer that is met, met again after a restart, and then
// comes back with another data directory.
func TestRegistry(t *testing.T) {
	disk := newDisk(t)
	r := openRegistry(t, disk)
	if _, ok := r.known(two); ok {
		t.Error("an empty registry knows somebody")
	}
	peer := Hello{NodeID: two, Name: "n2", StorageID: storageOf(7)}
	if err := errors.Join(r.Admit(peer), r.Admit(peer), r.remember(0xabc, storageOf(9))); err != nil {
		t.Fatal(err)
	}

	disk = disk.CrashClone(vfs.DropUnsynced)
	r = openRegistry(t, disk)
	if got, ok := r.known(two); !ok || got != storageOf(7) {
		t.Errorf("after a power failure n2 is known as %x, %t", got, ok)
	}
	if got, ok := r.known(0xabc); !ok || got != storageOf(9) {
		t.Errorf("after a power failure the second is known as %x, %t", got, ok)
	}
	if err := r.Admit(peer); err != nil {
		t.Errorf("n2 is refused though nothing changed: %v", err)
	}
	peer.StorageID = storageOf(8)
	var refusal *Refusal
	if err := r.Admit(peer); !errors.As(err, &refusal) || refusal.Code != RefusedStorage {
		t.Errorf("n2 came back with other data: %v", err)
	}
	if got, _ := r.known(two); got != storageOf(7) {
		t.Error("a refusal changed what is known")
	}

	// It is removed: its id is forgotten, others' are not, and a restart finds it so.
	if err := errors.Join(r.Forget([]raft.NodeID{two, 99}), r.Forget(nil)); err != nil {
		t.Fatal(err)
	}
	r = openRegistry(t, disk.CrashClone(vfs.DropUnsynced))
	if _, ok := r.known(two); ok {
		t.Error("a removed member is remembered")
	}
	if _, ok := r.known(0xabc); !ok {
		t.Error("a member is forgotten together with a removed one")
	}
}

// TestRegistryFile shows the file, which people will look at.
func TestRegistryFile(t *testing.T) {
	disk := newDisk(t)
	if err := openRegistry(t, disk).remember(0x1f, storageOf(1)); err != nil {
		t.Fatal(err)
	}
	b, err := readFile(disk, registryPath)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "format": 1,
  "peers": [
    {
      "id": "1f",
      "storage_id": "010000000000000000000000000000ff"
    }
  ]
}
`
	if string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
}

// TestRegistryCrash fails each operation on the disk in turn, and lets the
// power fail then: whoever was remembered before is still known, the newcomer
// is known or not, and the file is never damaged.
func TestRegistryCrash(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	broken := errors.New("broken disk")
	for fail := 0; ; fail++ {
		disk := newDisk(t)
		if err := openRegistry(t, disk).remember(one, storageOf(1)); err != nil {
			t.Fatal(err)
		}
		operations := 0
		r := openRegistry(t, vfs.Inject(disk, func(op vfs.Op) vfs.Fault {
			if !op.Kind.Changes() {
				return vfs.Fault{}
			}
			operations++
			if operations == fail {
				return vfs.Fault{Err: broken}
			}
			return vfs.Fault{}
		}))
		err := r.remember(two, storageOf(2))
		if _, ok := r.known(two); ok != (err == nil) {
			t.Errorf("operation %d failed: known %t though Admit returned %v", fail, ok, err)
		}
		for range 20 {
			after := openRegistry(t, disk.CrashClone(vfs.RandomCrash(random.IntN)))
			if got, ok := after.known(one); !ok || got != storageOf(1) {
				t.Errorf("operation %d failed: n1 is known as %x, %t", fail, got, ok)
			}
			if got, ok := after.known(two); err == nil && !ok || ok && got != storageOf(2) {
				t.Errorf("operation %d failed (%v): n2 is known as %x, %t", fail, err, got, ok)
			}
		}
		if fail > 0 && err == nil {
			if operations < 5 {
				t.Errorf("only %d operations: what about sync, rename and the directory?", operations)
			}
			return
		}
	}
}

// TestRegistryDamaged shows files that are not a registry: refused, with what
// to do.
func TestRegistryDamaged(t *testing.T) {
	for name, content := range map[string]string{
		"empty":              "",
		"half":               `{"format": 1, "peers": [{"id": "2"`,
		"of the future":      `{"format": 2}`,
		"with a bad id":      `{"format": 1, "peers": [{"id": "x", "storage_id": "010000000000000000000000000000ff"}]}`,
		"with a short id":    `{"format": 1, "peers": [{"id": "2", "storage_id": "01"}]}`,
		"that is much large": strings.Repeat(" ", registryMaxBytes+1),
	} {
		disk := newDisk(t)
		if err := writeFile(disk, registryPath, []byte(content)); err != nil {
			t.Fatal(err)
		}
		_, err := OpenRegistry(disk, registryPath)
		if err == nil || !strings.Contains(err.Error(), registryPath) {
			t.Errorf("a file %s: %v", name, err)
		}
	}
	// A disk that cannot be read is no reason to forget everybody.
	broken := vfs.Inject(newDisk(t), func(op vfs.Op) vfs.Fault { return vfs.Fault{Err: errors.New("input/output error")} })
	if _, err := OpenRegistry(broken, registryPath); err == nil {
		t.Error("an unreadable registry was taken for an empty one")
	}
	var id raft.NodeID = 0xfedcba9876543210
	if id.String() != "fedcba9876543210" {
		t.Errorf("ids in the file are hexadecimal, not %s", id)
	}
}
