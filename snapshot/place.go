package snapshot

import (
	"fmt"
	"path/filepath"

	"quorate/internal/vfs"
)

// Place makes of a file in the directory dir the received image that it describes,
// for a node that has not started yet: it finds the image there as if a leader had
// sent it. The file's contents must be durable, and be what the image says. After
// an error it may have either name.
func Place(disk vfs.FS, dir, name string, image Image) error {
	s := &Store{options: Options{FS: disk, Dir: dir}}
	base := s.path(receivedName(image.Snapshot.Index))
	err := disk.Rename(filepath.Join(dir, name), base+imageSuffix)
	if err == nil {
		err = s.writeFile(base+metaSuffix, appendMeta(nil, &image))
	}
	if err == nil {
		err = disk.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("snapshot: place: %w", err)
	}
	return nil
}
