package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"quorate/internal/exitcode"
	"quorate/internal/vfs"
	"quorate/raft"
	"quorate/raft/wal"
	"quorate/snapshot"
	"quorate/sqlfsm"
	"quorate/transport"
)

// What a node keeps in its data directory:
//
//	LOCK         held while a process uses the directory
//	wal/         the log (docs/internals/wal-format.md), and in its header who this node is
//	db/quorate.db  the database, at one exact index of the log
//	snapshots/   images of databases, on their way to and from other members
//	peers.json   the storage ids of the other members
//	divergence.json  what is remembered of divergences, if there were any
//	diverged.db  a copy of the database that was found to be wrong
//	restored.json  what the first start is to begin from (restore.go)

const cachedLogBytes = 64 << 20

const hintDatabase = "If the database file is damaged, remove this member, empty its data directory and add it again: it gets everything from the others."

// openStorage locks the data directory and opens, or makes, log and database.
func (n *Node) openStorage(ctx context.Context) (state raft.State, err error) {
	fs := n.fs
	dir := n.cfg.DataDir
	dbDir := filepath.Join(dir, "db")
	for _, d := range []string{dir, n.cfg.WALDir, dbDir} {
		if err := fs.MkdirAll(d); err != nil {
			return state, n.dirError(err, "Give a --data-dir that this user can write to.")
		}
	}
	if n.lock, err = fs.Lock(filepath.Join(dir, "LOCK")); err != nil {
		if errors.Is(err, vfs.ErrLocked) {
			err = errors.New("another process is using it")
		}
		return state, n.dirError(err, "Stop the other quorate process, or give this one a --data-dir of its own.")
	}
	database := filepath.Join(dbDir, "quorate.db")
	if err := n.openLog(ctx, database); err != nil {
		return state, err
	}
	if n.fsm, err = sqlfsm.Open(database, sqlfsm.Options{OnCheckpoint: n.metrics.checkpointed, FS: fs, ReaderAgeBytes: int(n.cfg.ReaderAgeBytes)}); err != nil {
		return state, n.dirError(err, hintDatabase)
	}
	if n.registry, err = transport.OpenRegistry(fs, filepath.Join(dir, "peers.json")); err != nil {
		return state, n.dirError(err, "")
	}
	if err := n.openMemory(); err != nil {
		return state, err
	}
	if err := n.openSnapshots(); err != nil {
		return state, err
	}
	index, term := n.fsm.Applied()
	if base, baseTerm := n.log.Base(); n.quarantine.Load() != nil && raft.Index(index) < base {
		index, term = uint64(base), uint64(baseTerm) // the log was cut where the database does not count
	}
	n.discarded.Store(index)
	if state, err = n.log.State(raft.Index(index)); err != nil {
		return state, n.dirError(fmt.Errorf("%w (%w)", errLostLog, err), hintReseed)
	}
	if own := termAt(&state, raft.Index(index)); own != raft.Term(term) {
		return state, n.dirError(fmt.Errorf("the database belongs to another log: it has applied entry %d of term %d, which here has term %d", index, term, own),
			"Give this member its own database back; or remove it, empty its data directory and add it again.")
	}
	configuration := state.Configurations[len(state.Configurations)-1]
	n.members.Store(&membership{configuration})
	return state, n.checkName(configuration.Configuration)
}

const hintRoom = "Make room on the disk and start the node again: nothing that was acknowledged is lost."

const hintImage = "The database of this member was about to be replaced by that image, which the disk has lost. See that the disk is sound; then remove this member, empty its data directory and add it again: it gets everything from the others."

const hintReseed = "A voter that has lost its log can undo committed writes: remove this member, empty its data directory and add it again."

// openSnapshots opens the directory of images, and goes on with an installation
// that was interrupted: the log begins after the image already, and the database
// is still the old one.
func (n *Node) openSnapshots() (err error) {
	n.snapshots, err = snapshot.Open(snapshot.Options{
		FS: n.fs, Dir: filepath.Join(n.cfg.DataDir, "snapshots"),
		Make: n.makeImage, Size: n.fsm.Size, Received: n.received,
		ReserveBytes: n.cfg.MinFreeBytes + 2*n.cfg.SegmentBytes, // the log keeps two segments ready
		// Another image will come, or none is needed; so it does not matter whether one
		// that came before is whole.
		Discard: n.quarantine.Load() != nil,
	})
	if err != nil {
		return n.dirError(err, "")
	}
	base, baseTerm := n.log.Base()
	if applied, _ := n.fsm.Applied(); base > raft.Index(applied) && n.quarantine.Load() == nil {
		path, ok := n.snapshots.Path(base)
		if !ok {
			return n.dirError(fmt.Errorf("the log begins after entry %d, and the database has applied %d: the image that is between them is gone", base, applied), hintImage)
		}
		if err := n.snapshots.Verify(base); err != nil {
			if applied == 0 {
				return n.dirError(err, "If this directory was restored, empty it and restore again. "+hintImage)
			}
			return n.dirError(err, hintImage)
		}
		if err := n.fsm.Install(path, uint64(base), uint64(baseTerm)); err != nil {
			return n.dirError(err, "See that the disk is sound and has room, and start the node again. If that does not help, remove this member, empty its data directory and add it again.")
		}
	}
	return n.forgetAllImages()
}

func (n *Node) forgetAllImages() error {
	if err := n.snapshots.Forget(math.MaxUint64); err != nil {
		return n.dirError(err, "")
	}
	return nil
}

// termAt returns the term of the entry at i; 0 before the first.
func termAt(s *raft.State, i raft.Index) raft.Term {
	term := s.BaseTerm
	for _, run := range s.Runs {
		if run.First > i {
			break
		}
		term = run.Term
	}
	return term
}

// dirError says that the data directory cannot be used.
func (n *Node) dirError(err error, hint string) error {
	if vfs.IsNoSpace(err) {
		return &exitcode.Error{Code: exitcode.DiskFull, Err: fmt.Errorf("data directory %s: %w", n.cfg.DataDir, err), Hint: hintRoom}
	}
	return &exitcode.Error{Code: exitcode.DataDir, Err: fmt.Errorf("data directory %s: %w", n.cfg.DataDir, err), Hint: hint}
}

// openLog opens the log, or begins a new life.
func (n *Node) openLog(ctx context.Context, database string) error {
	options := wal.Options{FS: n.fs, Dir: n.cfg.WALDir, CacheBytes: cachedLogBytes, SegmentBytes: n.cfg.SegmentBytes, OnLowSpace: n.lowSpace}
	exists, err := wal.Exists(n.fs, n.cfg.WALDir)
	if err != nil {
		return n.dirError(err, "")
	}
	restored, err := readRestored(n.fs, n.cfg.DataDir)
	if err != nil {
		return n.dirError(err, hintRestore)
	}
	if exists {
		if err := n.reopenLog(options); err != nil {
			return err
		}
		return n.finishRestore(restored)
	}
	if _, err := n.fs.Size(database); err == nil {
		return n.dirError(errLostLog, hintReseed)
	}
	storage, err := newStorageID()
	if err != nil {
		return err
	}
	if restored != nil {
		return n.createRestored(options, storage, restored)
	}
	if n.cfg.Join != "" {
		return n.joinCluster(ctx, options, storage)
	}
	return n.createLog(options, storage)
}

// createLog begins the life of an initial member.
func (n *Node) createLog(options wal.Options, storage [16]byte) error {
	c, err := configuration(&n.cfg)
	if err != nil {
		return err
	}
	n.id, n.cluster = memberID(n.cfg.Name), clusterID(n.cfg.ClusterToken, c, nil)
	n.log, err = wal.Create(options, wal.Identity{Cluster: n.cluster, Storage: storage, Node: n.id}, c)
	if err != nil {
		return n.dirError(err, "")
	}
	return nil
}

// reopenLog goes on with the log that is there, if it is this cluster's.
func (n *Node) reopenLog(options wal.Options) (err error) {
	if n.log, err = wal.Open(options); err != nil {
		return n.dirError(err, hintOf(err))
	}
	if torn := n.log.Recovered(); torn.Bytes > 0 {
		n.cfg.Logger.Warn().Str("component", "wal").Stringer("segment", torn.Segment).Int64("bytes", torn.Bytes).
			Msg("removed a torn tail, which had not been acknowledged")
	}
	identity := n.log.Identity()
	n.cluster, n.id = identity.Cluster, identity.Node
	if !hasToken(n.cfg.ClusterToken, n.cluster) {
		return n.dirError(fmt.Errorf("it belongs to cluster %x, whose token is not the one given", n.cluster[:4]),
			"Check --cluster-token, or give this member another --data-dir.")
	}
	if len(n.cfg.InitialCluster) == 0 {
		return nil
	}
	c, err := configuration(&n.cfg)
	if err != nil {
		return err
	}
	id := clusterID(n.cfg.ClusterToken, c, nil)
	if founding := n.log.Configuration(); id != n.cluster && !slices.Equal(founding.Members, c.Members) {
		return n.dirError(fmt.Errorf("it belongs to cluster %x, but the token and the initial members given describe cluster %x", n.cluster[:4], id[:4]),
			"Leave --initial-cluster away (it counts at the first start only) and check --cluster-token; or give this member another --data-dir.")
	}
	return nil
}

// checkName refuses another member's directory. The name of a node that is no
// member, yet or any more, is in its id at best.
func (n *Node) checkName(c raft.Configuration) error {
	name, first := n.cfg.Name, n.log.Configuration()
	if m, ok := c.Member(n.id); ok {
		name = m.Name
	} else if m, ok := first.Member(n.id); ok {
		name = m.Name
	}
	if name == n.cfg.Name {
		return nil
	}
	return n.dirError(fmt.Errorf("it belongs to member %q, not to %q", name, n.cfg.Name),
		"Give --name the member's name, or this member a --data-dir of its own.")
}

// hintOf returns the log's advice about an error, "" if it has none.
func hintOf(err error) string {
	var corrupt *wal.CorruptError
	var format *wal.FormatError
	var foreign *wal.ForeignError
	switch {
	case errors.As(err, &corrupt):
		return corrupt.Hint
	case errors.As(err, &format):
		return format.Hint
	case errors.As(err, &foreign):
		return foreign.Hint
	}
	return ""
}

// lowSpace is told when the log cannot reserve room ahead, and, with nil, when
// it can again.
func (n *Node) lowSpace(err error) {
	log := n.cfg.Logger.With().Str("component", "wal").Logger()
	n.lowLog.Store(err != nil)
	if err == nil {
		log.Info().Msg("there is room for the log again")
		return
	}
	log.Error().Err(err).Str("hint", "Make room on the disk: when the segments at hand are full, this node takes no writes.").
		Msg("the log cannot reserve room ahead")
}

// hello is what this node says of itself to others.
func (n *Node) hello() transport.Hello {
	h := transport.Hello{
		ClusterID: n.cluster, TokenDigest: tokenDigest(n.cfg.ClusterToken),
		NodeID: n.id, Name: n.cfg.Name,
		SQLAddr: n.cfg.SQLAdvertise, PeerAddr: n.cfg.PeerAdvertise, AdminAddr: n.cfg.AdminAdvertise,
		Version: n.cfg.Version, Engine: n.engine,
	}
	if n.log != nil {
		h.StorageID = n.log.Identity().Storage
	}
	return h
}

// openTransport connects this node with the others.
func (n *Node) openTransport() (err error) {
	n.transport, err = transport.New(transport.Config{
		Self:     n.hello(),
		Peers:    peersOf(n.members.Load().Configuration, n.id),
		Listener: n.listeners.peer,
		Handler:  peerHandler{n},
		Admit:    n.registry.Admit,
		Images:   imageSink{n},
		Answer:   n.answer,

		ImageBytesPerSecond: n.cfg.SnapshotRate,
	})
	if err != nil {
		return &exitcode.Error{Code: exitcode.Usage, Err: err}
	}
	n.peersPending = true // those that were removed
	n.heardBy = time.Now().Add(cmp.Or(n.cfg.engineGrace, engineGrace))
	return nil
}
