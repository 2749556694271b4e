package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"quorate/admin"
	"quorate/node/divergence"
	"quorate/node/driver"
	"quorate/raft"
	"quorate/raft/wal"
	"quorate/snapshot"
	"quorate/sqlfsm"
	"quorate/transport"
)

// How a quarantined node gets another database. It asks the leader for an image,
// which comes as images come (images.go). The core has no need of it, for the log is
// right; so it is installed beside the core's back, where the log goes on:
//
//	 image at I            this node has taken note of D
//	─────────┤ entries (I, D] from the log, applied ├──── what comes is applied
//
// Then the digests are compared, and only if a strict majority of the voters
// agrees does the node serve again. Of the damaged database one copy is kept in
// the data directory, if there is room.

const (
	// opDigest asks a member for its digest after the entry Index; opSeed asks the
	// leader for an image that contains it.
	opDigest orderOp = "digest"
	opSeed   orderOp = "seed"

	// seedPause is how often a node looks whether an image has come, and
	// seedPatience after how long without one it asks again.
	seedPause    = 200 * time.Millisecond
	seedPatience = 5 * time.Second
	// seedPatienceMax is how long it waits, at last, before it gives an image up that
	// may be on its way, so that its log can be cut further.
	seedPatienceMax = 5 * time.Minute
)

// digestAnswer answers opDigest.
type digestAnswer struct {
	Sum divergence.Sum `json:"sum"`
	// Oldest is the first entry whose digest is remembered.
	Oldest raft.Index `json:"oldest"`
}

// direct answers a question that is meant for this member, whoever leads; nil: it
// is not one.
func (n *Node) direct(ctx context.Context, from transport.Hello, o order) *orderAnswer {
	switch o.Op {
	case opReseed:
		return n.answerReseed(ctx)
	case opDigest:
		return n.answerDigest(o.Index)
	case opSeed:
		return n.answerSeed(from.NodeID, o.Index)
	}
	return nil
}

func (n *Node) answerDigest(i raft.Index) *orderAnswer {
	sum, ok := n.ownDigest(i)
	switch {
	case n.quarantine.Load() != nil:
		return cannot(errQuarantined.Error())
	case !ok:
		return cannot(fmt.Sprintf("the digest after entry %d is not known here", i))
	}
	return &orderAnswer{Digest: &digestAnswer{Sum: sum, Oldest: n.oldestDigest(i)}}
}

// answerSeed has an image sent to a member that asks for one.
func (n *Node) answerSeed(to raft.NodeID, floor raft.Index) *orderAnswer {
	view := n.view.Load().raft
	_, member := n.member(to)
	switch {
	case !member:
		return cannot("only members are sent a database")
	case n.quarantine.Load() != nil:
		return cannot(errQuarantined.Error())
	case view.Role != raft.Leader:
		return &orderAnswer{NotLeader: true}
	}
	n.images.put(imageOrder{to: to, term: view.Term, seed: floor})
	return &orderAnswer{}
}

func cannot(why string) *orderAnswer {
	return &orderAnswer{Error: &admin.Error{Status: http.StatusConflict, Message: why}}
}

// askDigest asks a member for its digest.
func (n *Node) askDigest(ctx context.Context, id raft.NodeID, i raft.Index) (digestAnswer, error) {
	answer, err := n.askMember(ctx, id, order{Op: opDigest, Index: i})
	if err == nil && answer.Digest == nil {
		err = errors.New("node: the member does not know the question: is it of another version?")
	}
	if err != nil {
		return digestAnswer{}, err
	}
	return *answer.Digest, nil
}

// askMember asks one member something that is meant for it.
func (n *Node) askMember(ctx context.Context, id raft.NodeID, o order) (*orderAnswer, error) {
	request, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("node: encode a question: %w", err)
	}
	reply, err := n.transport.Call(ctx, id, request)
	if err != nil {
		return nil, err
	}
	answer := new(orderAnswer)
	if err := json.Unmarshal(reply, answer); err != nil {
		return nil, fmt.Errorf("node: the answer of %s cannot be read: %w", n.memberName(id), err)
	}
	if answer.Error != nil {
		return nil, answer.Error
	}
	return answer, nil
}

// reseed gets another database, until one is right.
func (n *Node) reseed(ctx context.Context, q *quarantine) {
	log := n.cfg.Logger.With().Str("component", "divergence").Logger()
	n.keepDamaged(ctx)
	patience := cmp.Or(n.cfg.seedPatience, seedPatience)
	for ctx.Err() == nil {
		image, err := n.fetchSeed(ctx, q, patience)
		if err == nil {
			err = n.plantSeed(ctx, image)
		}
		if err != nil {
			if ctx.Err() == nil {
				log.Warn().Err(err).Msg("no other database could be got yet; it is tried again")
			}
			patience = min(2*patience, seedPatienceMax)
			continue
		}
		if n.agreed(ctx) {
			n.remember(ctx, func(m *memory) { m.Quarantined = false })
			if ctx.Err() == nil {
				n.endQuarantine()
				log.Info().Uint64("index", uint64(image.Index)).Msg("this node has another database, with which a majority agrees: it serves again")
			}
			return
		}
		q.seeded.Store(false)
	}
}

// damagedFile is the copy of a damaged database, in the data directory.
const damagedFile = "diverged.db"

// keepDamaged makes a copy of the database, for people to compare, unless there is
// one or there is no room.
func (n *Node) keepDamaged(ctx context.Context) {
	log := n.cfg.Logger.With().Str("component", "divergence").Logger()
	path := filepath.Join(n.cfg.DataDir, damagedFile)
	if _, err := n.fs.Size(path); err == nil {
		return
	}
	temporary := path + ".tmp"
	// A former start may have left it; mostly there is none.
	_ = n.fs.Remove(temporary)
	if free, err := n.fs.Free(n.cfg.DataDir); err == nil && free-n.cfg.MinFreeBytes < 3*n.fsm.Size() { // the other database has to come yet
		log.Warn().Msg("there is no room to keep a copy of the damaged database")
		return
	}
	_, err := n.fsm.Image(ctx, temporary)
	if err == nil {
		err = n.fs.Rename(temporary, path)
	}
	if err == nil {
		err = n.fs.SyncDir(n.cfg.DataDir)
	}
	if err != nil {
		log.Warn().Err(err).Msg("no copy of the damaged database could be kept")
		return
	}
	log.Info().Str("path", path).Msg("a copy of the damaged database was kept")
}

// fetchSeed asks the leader for an image, waits until it has come and returns what it
// was announced as. It gives up when there was no trace of one for as long as patience says; an
// image that comes later is too old then, so patience grows from time to time: to
// make one of a large database takes long.
func (n *Node) fetchSeed(ctx context.Context, q *quarantine, patience time.Duration) (raft.Snapshot, error) {
	n.offered.all() // those that came before are too old
	floor := n.position()
	q.floor.Store(uint64(floor))
	err := errors.New("node: no image has come")
	var again time.Time // when the leader is asked next: another one may lead by then
	for quiet := time.Now(); time.Since(quiet) < patience && ctx.Err() == nil; pause(ctx, min(seedPause, patience)) {
		if q.seeded.Load() { // the core has had one installed, for its own reasons
			applied, term := n.fsm.Applied()
			return raft.Snapshot{Index: raft.Index(applied), Term: raft.Term(term)}, nil
		}
		for _, image := range n.offered.all() {
			if image.Index >= floor {
				return image, nil
			}
		}
		switch {
		case n.receiving.Load() > 0:
			quiet = time.Now()
		case time.Now().After(again):
			again = time.Now().Add(cmp.Or(n.cfg.seedPatience, seedPatience))
			if refused := n.askSeed(ctx, floor); refused != nil {
				err, again = refused, time.Now().Add(5*seedPause)
			}
		}
	}
	return raft.Snapshot{}, cmp.Or(ctx.Err(), err)
}

func (n *Node) askSeed(ctx context.Context, floor raft.Index) error {
	leader := n.view.Load().raft.Leader
	switch leader {
	case 0:
		return errors.New("node: no leader is known")
	case n.id:
		return errors.New("node: this node still leads")
	}
	ctx, cancel := context.WithTimeout(ctx, seedPatience)
	defer cancel()
	answer, err := n.askMember(ctx, leader, order{Op: opSeed, Index: floor})
	if err == nil && answer.NotLeader {
		err = fmt.Errorf("node: %s does not lead any more", n.memberName(leader))
	}
	return err
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// seedWork is an image that the applier is to install.
type seedWork struct {
	image raft.Snapshot
	done  chan error
}

// plantSeed has an image installed.
func (n *Node) plantSeed(ctx context.Context, image raft.Snapshot) error {
	w := &seedWork{image: image, done: make(chan error, 1)}
	n.work.put(applierWork{seed: w})
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// plant installs the image that waits for it, when this node has come to its entry:
// the log must not end before the database. The error is the node's. The applier's
// goroutine calls it.
func (n *Node) plant(ctx context.Context) error {
	w, q := n.seed, n.quarantine.Load()
	if w == nil || q == nil || n.position() < w.image.Index {
		return nil
	}
	n.seed = nil
	if applied, _ := n.fsm.Applied(); q.seeded.Load() && raft.Index(applied) >= w.image.Index {
		w.done <- nil // the core has had it installed
		return nil
	}
	path, ok := n.snapshots.Path(w.image.Index)
	if !ok {
		w.done <- fmt.Errorf("node: the image at index %d is gone", w.image.Index)
		return nil
	}
	err := n.fsm.Install(path, uint64(w.image.Index), uint64(w.image.Term))
	if errors.Is(err, sqlfsm.ErrUnfit) {
		w.done <- err
		return n.snapshots.Forget(w.image.Index)
	}
	if err != nil {
		return fmt.Errorf("node: the state machine cannot go on: %w", err)
	}
	n.snapshots.Retire()
	through := raft.Index(n.discarded.Load())
	err = n.replay(ctx, through)
	if errors.Is(err, wal.ErrCut) {
		w.done <- err
		return nil
	}
	if err != nil {
		return err
	}
	q.seeded.Store(true)
	n.progress.advance(n.position())
	w.done <- nil
	return nil
}

// replay applies entries of the log that this node has passed, up to through.
func (n *Node) replay(ctx context.Context, through raft.Index) error {
	for {
		applied, _ := n.fsm.Applied()
		from := raft.Index(applied) + 1
		if from > through {
			return nil
		}
		list, err := n.log.Entries(from, through+1, maxApplyBytes)
		if err != nil {
			return fmt.Errorf("node: the log cannot be read: %w", err)
		}
		entries := make([]sqlfsm.Entry, len(list))
		for i, e := range list {
			entries[i] = n.command(e)
			entries[i].Collect = false // recallPassed tells its session
		}
		if done, err := n.applyAll(ctx, entries); err != nil || !done {
			return err
		}
	}
}

// agreed waits until it is known whether a majority of the voters has this node's
// digest.
func (n *Node) agreed(ctx context.Context) bool {
	for ; ctx.Err() == nil; pause(ctx, seedPause) {
		switch n.verdict().Kind {
		case divergence.Agrees:
			return true
		case divergence.Differs:
			return false
		}
	}
	return false
}

// offer takes note of an image that has come.
func (n *Node) offer(h snapshot.Header) {
	if q := n.discarding(); q != nil && !q.final {
		n.offered.put(h.Snapshot)
	}
}

// passImage lets go of an image that the core wants installed, on a node that stays
// quarantined.
func (n *Node) passImage(q *quarantine, s *raft.Snapshot) error {
	n.passed(q, driver.Applied{Index: s.Index, Term: s.Term})
	return n.forgetImages()
}
