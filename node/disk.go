package node

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"quorate/node/driver"
)

// A full disk does not stop a node. It tells its core, which takes no entries
// until there is room again; elections and reads go on. That the disk is full is
// noticed early, by looking at how much is free, so that elections still have
// room to be written; and in earnest, when the log or the database cannot be
// written. Then what could not be written waits, and is tried again.

// diskPoll is how often a disk is looked at.
const diskPoll = time.Second

// disk is what is known about the room on this node's disks.
type disk struct {
	inbox *inbox

	mu sync.Mutex // guards the fields below
	// reasons says for each part of the node that has no room why.
	reasons map[diskPart]error
}

// diskPart is a part of the node that needs room.
type diskPart string

const (
	diskFree     diskPart = "free" // the reserve
	diskLog      diskPart = "log"
	diskDatabase diskPart = "database"
)

func newDisk(b *inbox) *disk { return &disk{inbox: b, reasons: map[diskPart]error{}} }

// set notes why a part has no room; nil: it has. It reports whether that is news,
// and tells the driver when it changes the whole.
func (d *disk) set(part diskPart, reason error) (news bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if (d.reasons[part] != nil) == (reason != nil) {
		return false
	}
	was := len(d.reasons) > 0
	if reason != nil {
		d.reasons[part] = reason
	} else {
		delete(d.reasons, part)
	}
	if full := len(d.reasons) > 0; full != was {
		d.inbox.put(func(e *driver.Events) { e.Full = &full })
	}
	return true
}

// full returns why there is no room, nil when there is.
func (d *disk) full() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, part := range []diskPart{diskLog, diskDatabase, diskFree} {
		if err := d.reasons[part]; err != nil {
			return err
		}
	}
	return nil
}

// noRoom notes, and logs, that a part has no room, or has it again.
func (n *Node) noRoom(part diskPart, reason error) {
	if !n.disk.set(part, reason) {
		return
	}
	log := n.cfg.Logger.With().Str("component", "disk").Logger()
	if reason == nil {
		log.Info().Str("for", string(part)).Msg("there is room again")
		return
	}
	log.Error().Err(reason).Str("for", string(part)).Str("hint", "Make room there: until then this node takes no writes; it goes on by itself afterwards.").
		Msg("there is no room")
}

// plentyBytes are more than one batch of the state machine needs, which a statement's
// limits bound.
const plentyBytes = 4 << 30

// whyFull says where there is no room for the database. SQLite says that it is full,
// and not what: besides its own disk that may be the one of temporary files, or, where
// neither is, a limit (https://sqlite.org/rescode.html#full).
func (n *Node) whyFull(err error) error {
	database, databaseErr := n.fs.Free(n.cfg.DataDir)
	temporaryDir := temporaryDir()
	temporary, temporaryErr := n.fs.Free(temporaryDir)
	if databaseErr != nil || temporaryErr != nil {
		return fmt.Errorf("%w; it is not known how much is free", err)
	}
	why := ""
	if database >= plentyBytes && temporary >= plentyBytes {
		why = ": neither is full, so look for a quota of this user; an SQLite database cannot have more than 16 TiB"
	}
	return fmt.Errorf("%w; %s has %d MiB free, and %s, where SQLite has temporary files, %d MiB%s", err, n.cfg.DataDir, database>>20, temporaryDir, temporary>>20, why)
}

// temporaryDir is where SQLite puts temporary files, such as those of a large sort
// (https://sqlite.org/tempfiles.html#temporary_file_storage_locations).
func temporaryDir() string {
	for _, dir := range []string{os.Getenv("SQLITE_TMPDIR"), os.Getenv("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp"} {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	return "."
}

// watchDisk looks at how much is free.
func (n *Node) watchDisk(ctx context.Context) error {
	if n.cfg.MinFreeBytes <= 0 {
		return nil
	}
	ticker := time.NewTicker(diskPoll)
	defer ticker.Stop()
	for {
		n.lookAtDisk()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// lookAtDisk compares what is free with the reserve. A full disk counts as full
// until a quarter more than the reserve is free, so that the answer does not
// change with every write.
func (n *Node) lookAtDisk() {
	want := n.cfg.MinFreeBytes
	if n.disk.full() != nil {
		want += want / 4
	}
	var reason error
	for _, dir := range []string{n.cfg.DataDir, n.cfg.WALDir} {
		free, err := n.fs.Free(dir)
		if err != nil {
			n.cfg.Logger.Debug().Str("component", "disk").Err(err).Msg("cannot ask how much is free")
			return // a file system that does not say: writes will
		}
		if free < want {
			reason = fmt.Errorf("%s has %d MiB free; %d MiB are kept in reserve", dir, free>>20, n.cfg.MinFreeBytes>>20)
		}
	}
	n.noRoom(diskFree, reason)
	if reason == nil && n.lowLog.Load() {
		n.log.Refill()
	}
}

// awaitRoom waits until something that found no room may be tried again; false:
// ctx ended.
func awaitRoom(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(diskPoll):
		return true
	}
}
