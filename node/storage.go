package node

import (
	"errors"
	"fmt"
	"path/filepath"

	"quorate/internal/exitcode"
	"quorate/internal/vfs"
	"quorate/raft"
	"quorate/raft/wal"
	"quorate/sqlfsm"
	"quorate/transport"
)

// What a node keeps in its data directory:
//
//	LOCK         held while a process uses the directory
//	wal/         the log (docs/internals/wal-format.md), and in its header who this node is
//	db/quorate.db  the database, at one exact index of the log
//	peers.json   the storage ids of the other members

const cachedLogBytes = 64 << 20

const hintDatabase = "If the database file is damaged, remove this member, empty its data directory and add it again: it gets everything from the others."

// openStorage locks the data directory and opens, or makes, log and database.
func (n *Node) openStorage() (state raft.State, storage [16]byte, err error) {
	fs := n.fs
	dir := n.cfg.DataDir
	dbDir := filepath.Join(dir, "db")
	for _, d := range []string{dir, n.cfg.WALDir, dbDir} {
		if err := fs.MkdirAll(d); err != nil {
			return state, storage, n.dirError(err, "Give a --data-dir that this user can write to.")
		}
	}
	if n.lock, err = fs.Lock(filepath.Join(dir, "LOCK")); err != nil {
		if errors.Is(err, vfs.ErrLocked) {
			err = errors.New("another process is using it")
		}
		return state, storage, n.dirError(err, "Stop the other quorate process, or give this one a --data-dir of its own.")
	}
	options := wal.Options{FS: fs, Dir: n.cfg.WALDir, CacheBytes: cachedLogBytes, OnLowSpace: n.lowSpace}
	exists, err := wal.Exists(fs, n.cfg.WALDir)
	if err != nil {
		return state, storage, n.dirError(err, "")
	}
	database := filepath.Join(dbDir, "quorate.db")
	if exists {
		err = n.openLog(options)
	} else {
		err = n.createLog(options, database)
	}
	if err != nil {
		return state, storage, err
	}
	if n.fsm, err = sqlfsm.Open(database, sqlfsm.Options{OnCheckpoint: n.metrics.checkpointed}); err != nil {
		return state, storage, n.dirError(err, hintDatabase)
	}
	index, term := n.fsm.Applied()
	if state, err = n.log.State(raft.Index(index)); err != nil {
		return state, storage, n.dirError(fmt.Errorf("%w (%w)", errLostLog, err), "A voter that has lost its log can undo committed writes: remove this member, empty its data directory and add it again.")
	}
	if own := termAt(state.Runs, raft.Index(index)); own != raft.Term(term) {
		return state, storage, n.dirError(fmt.Errorf("the database belongs to another log: it has applied entry %d of term %d, which here has term %d", index, term, own),
			"Give this member its own database back; or remove it, empty its data directory and add it again.")
	}
	n.members = state.Configurations[len(state.Configurations)-1].Configuration.Members
	return state, n.log.Identity().Storage, nil
}

// termAt returns the term of the entry at i; 0 before the first.
func termAt(runs []raft.TermRun, i raft.Index) (term raft.Term) {
	for _, run := range runs {
		if run.First > i {
			break
		}
		term = run.Term
	}
	return term
}

// dirError says that the data directory cannot be used.
func (n *Node) dirError(err error, hint string) error {
	return &exitcode.Error{Code: exitcode.DataDir, Err: fmt.Errorf("data directory %s: %w", n.cfg.DataDir, err), Hint: hint}
}

// createLog begins a new life: a new storage id, the initial members.
func (n *Node) createLog(options wal.Options, database string) error {
	if _, err := n.fs.Size(database); err == nil {
		return n.dirError(errLostLog, "A voter that has lost its log can undo committed writes: remove this member, empty its data directory and add it again.")
	}
	c, err := configuration(&n.cfg)
	if err != nil {
		return err
	}
	storage, err := newStorageID()
	if err != nil {
		return err
	}
	n.cluster = clusterID(n.cfg.ClusterToken, c)
	n.log, err = wal.Create(options, wal.Identity{Cluster: n.cluster, Storage: storage, Node: n.id}, c)
	if err != nil {
		return n.dirError(err, "")
	}
	return nil
}

// openLog goes on with the log that is there, if it is this node's.
func (n *Node) openLog(options wal.Options) (err error) {
	if n.log, err = wal.Open(options); err != nil {
		return n.dirError(err, hintOf(err))
	}
	if torn := n.log.Recovered(); torn.Bytes > 0 {
		n.cfg.Logger.Warn().Str("component", "wal").Stringer("segment", torn.Segment).Int64("bytes", torn.Bytes).
			Msg("removed a torn tail, which had not been acknowledged")
	}
	identity, members := n.log.Identity(), n.log.Configuration()
	n.cluster = identity.Cluster
	if identity.Node != n.id {
		return n.dirError(fmt.Errorf("it belongs to member %q, not to %q", memberName(members, identity.Node), n.cfg.Name),
			"Give --name the member's name, or this member a --data-dir of its own.")
	}
	if len(n.cfg.InitialCluster) > 0 {
		if members, err = configuration(&n.cfg); err != nil {
			return err
		}
	}
	if id := clusterID(n.cfg.ClusterToken, members); id != n.cluster {
		return n.dirError(fmt.Errorf("it belongs to cluster %x, but the token and the initial members given describe cluster %x", n.cluster[:4], id[:4]),
			"Leave --initial-cluster away (it counts at the first start only) and check --cluster-token; or give this member another --data-dir.")
	}
	return nil
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
	if err == nil {
		log.Info().Msg("there is room for the log again")
		return
	}
	log.Error().Err(err).Str("hint", "Make room on the disk: when the segments at hand are full, this node stops.").
		Msg("the log cannot reserve room ahead")
}

func memberName(c raft.Configuration, id raft.NodeID) string {
	for _, m := range c.Members {
		if m.ID == id {
			return m.Name
		}
	}
	return id.String()
}

// openTransport connects this node with the others.
func (n *Node) openTransport(storage [16]byte) error {
	registry, err := transport.OpenRegistry(n.fs, filepath.Join(n.cfg.DataDir, "peers.json"))
	if err != nil {
		return n.dirError(err, "")
	}
	var peers []transport.Peer
	for _, m := range n.members {
		if m.ID != n.id {
			peers = append(peers, transport.Peer{ID: m.ID, Name: m.Name, Address: m.Address})
		}
	}
	n.transport, err = transport.New(transport.Config{
		Self: transport.Hello{
			ClusterID: n.cluster, StorageID: storage, TokenDigest: tokenDigest(n.cfg.ClusterToken),
			NodeID: n.id, Name: n.cfg.Name,
			SQLAddr: n.cfg.SQLAdvertise, PeerAddr: n.cfg.PeerAdvertise, AdminAddr: n.cfg.AdminAdvertise,
			Version: n.cfg.Version, Engine: n.engine,
		},
		Peers:    peers,
		Listener: n.listeners.peer,
		Handler:  peerHandler{n},
		Admit:    registry.Admit,
	})
	if err != nil {
		return &exitcode.Error{Code: exitcode.Usage, Err: err}
	}
	return nil
}
