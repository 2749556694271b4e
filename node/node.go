package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"quorate/admin"
	"quorate/internal/exitcode"
	"quorate/internal/sqlite"
	"quorate/internal/vfs"
	"quorate/node/driver"
	"quorate/pgwire"
	"quorate/raft"
	"quorate/raft/wal"
	"quorate/snapshot"
	"quorate/sqlfsm"
	"quorate/transport"
)

// Node is one running server.
type Node struct {
	cfg     Config
	id      raft.NodeID
	cluster [16]byte
	engine  string
	started time.Time
	tick    time.Duration

	fs        vfs.FS
	lock      io.Closer
	log       *wal.Log
	fsm       *sqlfsm.FSM
	snapshots *snapshot.Store
	registry  *transport.Registry
	transport *transport.Transport
	pg        *pgwire.Server
	listeners listeners

	driver    *driver.Driver
	inbox     *inbox
	questions *queue[func(*raft.Raft)] // answered by the driver's goroutine
	writes    *queue[driver.LogWrite]
	work      *queue[applierWork]
	fetches   *queue[raft.Fetch]
	images    *queue[imageOrder]
	chores    *queue[func() error]
	commands  *driver.Commands
	reads     *driver.ReadQueue
	progress  *progress
	disk      *disk
	lowLog    atomic.Bool // the log could not reserve room ahead
	refusals  refusals
	watch     *watch
	engines   atomic.Pointer[[]memberEngine] // that operators were told of; nil: all run the same
	heardBy   time.Time                      // when members have had the time to say which they run
	service   service
	// Divergences (divergence.go, quarantine.go, reseed.go). memory belongs to who
	// mends while there is a quarantine, and to the watch otherwise; seed is the
	// applier's.
	memory     memory
	quarantine atomic.Pointer[quarantine] // nil: this node is not quarantined
	mends      *queue[func(context.Context)]
	discarded  atomic.Uint64         // how far entries were taken note of, and not applied
	offered    *queue[raft.Snapshot] // images that came meanwhile
	seed       *seedWork
	// passedSome is the applier's: entries passed by, and what came of the commands
	// among them is still to be looked up.
	passedSome bool
	receiving  atomic.Int32 // images that are coming
	fatal      chan error   // the end, from goroutines that are not Run's

	view    atomic.Pointer[view]
	members atomic.Pointer[membership]
	// The driver's goroutine's: members that were removed and are still talked
	// to, whether the transport must still be told about members, and whether this
	// node was removed itself.
	leavers      []leaver
	peersPending bool
	removed      bool

	verifications *verifications // comparisons that this node takes part in
	removals      chan struct{}  // has a place for one removal of a member at a time

	metrics    *metrics
	front      context.Context    // ends when the sessions are to end
	closeFront context.CancelFunc // ends it
	draining   atomic.Bool        // it was called
	drained    chan struct{}      // closed when no session is left
	stopped    chan struct{}      // closed when no session may wait any longer
	stopOnce   sync.Once

	seedMu sync.Mutex
	seeds  *mathrand.ChaCha8 // guarded by seedMu
}

// view is what the driver last showed of the core.
type view struct {
	raft   raft.Status
	stalls int
}

// listeners are the node's three doors.
type listeners struct{ sql, peer, admin net.Listener }

func (l *listeners) close() {
	for _, x := range []net.Listener{l.sql, l.peer, l.admin} {
		if x != nil {
			x.Close() // nothing was accepted that could be lost
		}
	}
}

// Open takes possession of the data directory, recovers log and database and
// binds the listeners. Run serves. Errors are *exitcode.Error, or context.Cause when
// ctx ends while a node that joins looks for a member.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	return open(ctx, cfg, listeners{}, vfs.OS{})
}

// open is Open with listeners that may be bound already, and another file
// system for the log.
func open(ctx context.Context, cfg Config, bound listeners, fs vfs.FS) (_ *Node, err error) {
	n := &Node{
		cfg:       cfg,
		fs:        fs,
		listeners: bound,
		engine:    cmp.Or(cfg.engine, sqlfsm.Engine()),
		started:   time.Now(),
		inbox:     newInbox(),
		questions: newQueue[func(*raft.Raft)](),
		writes:    newQueue[driver.LogWrite](),
		work:      newQueue[applierWork](),
		fetches:   newQueue[raft.Fetch](),
		images:    newQueue[imageOrder](),
		chores:    newQueue[func() error](),
		progress:  &progress{},
		watch:     newWatch(),
		mends:     newQueue[func(context.Context)](),
		offered:   newQueue[raft.Snapshot](),
		fatal:     make(chan error, 1),
		metrics:   newMetrics(),
		drained:   make(chan struct{}),
		stopped:   make(chan struct{}),
		removals:  make(chan struct{}, 1),
	}
	n.disk = newDisk(n.inbox)
	n.front, n.closeFront = context.WithCancel(context.Background())
	n.reads = &driver.ReadQueue{Wake: n.inbox.signal}
	defer func() {
		if err != nil {
			n.release()
		}
	}()
	var seed [32]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("node: draw a seed: %w", err)
	}
	n.seeds = mathrand.NewChaCha8(seed)
	n.commands = driver.NewCommands(binary.LittleEndian.Uint64(seed[:]) | 1)

	state, err := n.openStorage(ctx)
	if err != nil {
		return nil, err
	}
	n.verifications = newVerifications(n.fsm)
	if err := n.listen(); err != nil {
		return nil, err
	}
	if err := n.openCore(state); err != nil {
		return nil, err
	}
	if err := n.openTransport(); err != nil {
		return nil, err
	}
	n.pg = &pgwire.Server{Backend: n, Logger: cfg.Logger.With().Str("component", "pgwire").Logger(), Version: cfg.Version, Metrics: pgwire.NewMetrics(),
		QuorumTimeout: cfg.QuorumTimeout, Available: n.service.barred.Load}
	n.showCore()
	n.warnAddress()
	if err := n.registerMetrics(cfg.Metrics); err != nil {
		return nil, fmt.Errorf("node: register metrics: %w", err)
	}
	return n, nil
}

// openCore makes the raft core and its driver.
func (n *Node) openCore(state raft.State) error {
	n.tick = tickFor(n.cfg.Heartbeat)
	ticks := func(d time.Duration) int { return int((d + n.tick - 1) / n.tick) }
	core, err := raft.New(raft.Config{
		ID:               n.id,
		ElectionTicks:    ticks(n.cfg.ElectionMin),
		ElectionTicksMax: ticks(n.cfg.ElectionMax),
		HeartbeatTicks:   ticks(n.cfg.Heartbeat),
		Rand:             mathrand.IntN,
	}, state)
	if err != nil {
		return &exitcode.Error{Code: exitcode.Usage, Err: fmt.Errorf("raft: %w", err)}
	}
	n.driver = driver.New(driver.Config{
		Self: n.id, Core: core, Effects: n, Commands: n.commands, Reads: n.reads,
		ResendTicks: 2 * ticks(n.cfg.Heartbeat), ElectionTicks: ticks(n.cfg.ElectionMax),
		MaxBatchEntries: n.cfg.MaxBatchEntries, MaxBatchBytes: n.cfg.MaxBatchBytes, MaxBatchDelay: n.cfg.MaxBatchDelay.Microseconds(),
		SnapshotEntries: n.cfg.SnapshotEntries, SnapshotBytes: n.cfg.SnapshotBytes,
	})
	n.progress.advance(state.Applied)
	size, _ := n.log.Size()
	n.inbox.put(func(e *driver.Events) { e.Durable, e.LogBytes = raft.Index(n.fsm.Durable()), size })
	return nil
}

// tickFor returns the core's tick: a fifth of a heartbeat, 10 ms at most.
func tickFor(heartbeat time.Duration) time.Duration {
	return max(min(heartbeat/5, 10*time.Millisecond), time.Millisecond)
}

// listen binds the three addresses.
func (n *Node) listen() (err error) {
	for _, l := range []struct {
		to      *net.Listener
		address string
		flag    string
	}{
		{&n.listeners.sql, n.cfg.SQLListen, "--sql-listen"},
		{&n.listeners.peer, n.cfg.PeerListen, "--peer-listen"},
		{&n.listeners.admin, n.cfg.AdminListen, "--admin-listen"},
	} {
		if *l.to != nil {
			continue
		}
		if *l.to, err = net.Listen("tcp", l.address); err != nil {
			return &exitcode.Error{
				Code: exitcode.Failed,
				Err:  fmt.Errorf("cannot listen: %w", err),
				Hint: "Choose a free address of this machine with " + l.flag + ".",
			}
		}
	}
	return nil
}

// Run serves until ctx ends, which is a clean stop and returns nil, or until
// this node cannot go on; then the error is an *exitcode.Error.
func (n *Node) Run(ctx context.Context) error {
	defer n.release()
	// The rooms stop in order: first the sessions, so that what is under way
	// can still be answered, then the rest.
	inner, stop := context.WithCancel(context.Background())
	defer stop()
	group, inner := errgroup.WithContext(inner)
	for _, run := range []func(context.Context) error{
		n.runDriver, n.runLog, n.runApplier, n.runFetcher, n.runChores, n.runImages, n.transport.Run, n.runAdmin,
		n.runJoin, n.watchDisk, n.stayDrained, n.runWatch, n.runMend, n.verifications.run,
	} {
		group.Go(func() error { return run(inner) })
	}
	group.Go(func() error {
		select {
		case <-inner.Done():
			return nil
		case err := <-n.fatal:
			return err
		}
	})
	// A room that fails ends the rest at once: what sessions wait for will not
	// come. A clean stop leaves them some time.
	defer context.AfterFunc(inner, func() { n.stop(); n.closeFront() })()
	left := make(chan struct{})
	defer context.AfterFunc(ctx, func() { defer close(left); n.leave(inner) })()
	served := n.pg.Serve(n.front, n.listeners.sql)
	close(n.drained)
	if served == nil { // drained, or told to stop: then the leadership is being handed over
		select {
		case <-left:
		case <-inner.Done():
		}
	}
	n.stop()
	stop()
	err := group.Wait()
	if err == nil || errors.Is(err, context.Canceled) {
		err = served
	}
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return exitError(err)
}

// stopGrace is how long sessions may wait for what is under way when the node
// is told to stop: long enough for another leader to be elected, should the
// present one stop too.
const stopGrace = 3 * time.Second

// leave ends the sessions and hands the leadership over: this node is to stop.
func (n *Node) leave(ctx context.Context) {
	time.AfterFunc(stopGrace, n.stop)
	n.endSessions()
	if err := n.handOver(ctx); err != nil {
		n.cfg.Logger.Info().Str("component", "drain").Err(err).Msg("the leadership could not be handed over; the others elect a new leader")
	}
}

// stop ends every wait of a session.
func (n *Node) stop() { n.stopOnce.Do(func() { close(n.stopped) }) }

func (n *Node) stopping() bool {
	select {
	case <-n.stopped:
		return true
	default:
		return false
	}
}

// exitError gives an error that ends the node its exit code and hint.
func exitError(err error) error {
	var known *exitcode.Error
	var database *sqlite.Error
	damaged, full := false, vfs.IsNoSpace(err)
	if errors.As(err, &database) {
		code := database.Code.Primary()
		damaged, full = code == sqlite.Corrupt || code == sqlite.NotADB, code == sqlite.Full
	}
	switch {
	case errors.As(err, &known):
		return known
	case hintOf(err) != "":
		return &exitcode.Error{Code: exitcode.DataDir, Err: err, Hint: hintOf(err)}
	case damaged:
		return &exitcode.Error{Code: exitcode.DataDir, Err: err, Hint: hintDatabase}
	case full:
		return &exitcode.Error{Code: exitcode.DiskFull, Err: err, Hint: hintRoom}
	}
	return &exitcode.Error{Code: exitcode.Failed, Err: err, Hint: "The node has stopped so that it cannot do harm; see the log above, then start it again."}
}

// runAdmin serves the operators' endpoints.
func (n *Node) runAdmin(ctx context.Context) error {
	server := &http.Server{Handler: admin.Handler(n, n, n.cfg.Gatherer), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(n.listeners.admin); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("node: admin endpoints: %w", err)
	}
	return nil
}

// release gives everything back, in the order in which it can be lost least.
func (n *Node) release() {
	n.stop()
	n.closeFront()
	n.listeners.close()
	if n.fsm != nil {
		if err := n.fsm.Close(); err != nil {
			n.cfg.Logger.Error().Err(err).Msg("closing the database")
		}
	}
	if n.snapshots != nil {
		if err := n.snapshots.Close(); err != nil {
			n.cfg.Logger.Error().Err(err).Msg("closing the images")
		}
	}
	if n.log != nil {
		if err := n.log.Close(); err != nil {
			n.cfg.Logger.Error().Err(err).Msg("closing the log")
		}
	}
	if n.lock != nil {
		n.lock.Close() // the kernel lets go of it anyway
	}
}
