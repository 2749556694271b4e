package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/vfs"
	"quorate/node/divergence"
	"quorate/node/driver"
	"quorate/raft"
	"quorate/sqlfsm"
)

// A node whose database is not a majority's is quarantined: it serves no SQL and
// applies nothing. It remains a member that votes and keeps the log: what is
// committed it takes note of and lets go, so that neither memory nor the log fills
// up, for the database that it will get contains it. A leader hands over first.
//
// The first time, it looks for the entry that made the difference, and gets
// another database (reseed.go). When it differs once more after that, something
// is wrong with it that a database does not mend: a disk, memory, the program. Then
// it stays quarantined, through restarts too, until an operator who has found the
// cause lifts that (lift.go), or replaces it.

// quarantine is one quarantine of this node.
type quarantine struct {
	verdict divergence.Verdict // zero when it was begun before the last start
	final   bool               // no other database will come
	// seeded: the database is another one, and what is committed is applied to it;
	// whether it is right remains to be seen.
	seeded atomic.Bool
	// floor is an entry that the awaited database contains: the log need not have
	// it. 0 until the quarantine is remembered on disk; then the database that is
	// there does not count.
	floor atomic.Uint64
	what  atomic.Pointer[finding]
}

// refusal is what clients are told.
func (q *quarantine) refusal() *errcode.Error {
	hint := "It gets another database by itself. Connect to another member meanwhile."
	if q.final {
		hint = "Connect to another member. This one needs an operator: see quorate status."
	}
	return errcode.Newf(errcode.CannotConnectNow, "this node is quarantined: its database differs from that of the majority").WithHint("%s", hint)
}

// alarm is what operators are told.
func (q *quarantine) alarm() error {
	where := ""
	if f := q.what.Load(); f != nil {
		where = " since " + f.where()
	}
	if q.final {
		return fmt.Errorf("quarantined for good: the database differs from the majority's%s, for the second time. "+
			"Look for the cause (disk, memory, another version); when it is mended, quorate member reseed gets it another database; or remove this member, empty its data directory and add it again", where)
	}
	return fmt.Errorf("quarantined: the database differs from the majority's%s; another one is on its way", where)
}

// where names the entry.
func (f *finding) where() string {
	if f.Exact {
		return fmt.Sprintf("entry %d", f.Index)
	}
	return fmt.Sprintf("entry %d, or before it", f.Index)
}

// openMemory reads what is remembered of divergences, and goes on with a
// quarantine.
func (n *Node) openMemory() (err error) {
	if n.memory, err = readMemory(n.fs, n.cfg.DataDir); err != nil {
		return n.dirError(err, "If the file is damaged, remove this member, empty its data directory and add it again.")
	}
	if !n.memory.Quarantined {
		return nil
	}
	q := &quarantine{final: n.memory.Final}
	if k := len(n.memory.Findings); k > 0 {
		q.what.Store(&n.memory.Findings[k-1])
	}
	n.beginQuarantine(q)
	return nil
}

// enterQuarantine is called when this node differs from the majority.
func (n *Node) enterQuarantine(v divergence.Verdict) {
	n.metrics.divergences.Inc()
	n.beginQuarantine(&quarantine{verdict: v, final: len(n.memory.Findings) > 0})
}

func (n *Node) beginQuarantine(q *quarantine) {
	n.service.bar(q.refusal())
	if q.final {
		n.service.interrupt()
	}
	n.progress.bar(q.refusal())
	n.quarantine.Store(q)
	n.mends.put(func(ctx context.Context) { n.mend(ctx, q) })
}

// endQuarantine serves again.
func (n *Node) endQuarantine() {
	n.quarantine.Store(nil)
	n.progress.unbar()
	n.service.resume()
	n.work.put(applierWork{recall: true})
	n.chores.put(n.flush, n.forgetImages)
}

// discarding returns the quarantine in which committed entries are not applied,
// nil when they are.
func (n *Node) discarding() *quarantine {
	if q := n.quarantine.Load(); q != nil && !q.seeded.Load() {
		return q
	}
	return nil
}

// position is how far this node is: what it has applied, or taken note of.
func (n *Node) position() raft.Index {
	applied, _ := n.fsm.Applied()
	return max(raft.Index(applied), raft.Index(n.discarded.Load()))
}

// discard takes note of committed entries. The sessions that wait for one of them
// go on waiting: the database to come remembers what each did (recallPassed).
func (n *Node) discard(q *quarantine, entries []sqlfsm.Entry) {
	last := entries[len(entries)-1]
	n.passed(q, driver.Applied{Index: raft.Index(last.Index), Term: raft.Term(last.Term)})
}

// passed notes that this node is at an entry that it has not applied.
func (n *Node) passed(q *quarantine, last driver.Applied) {
	n.passedSome = true
	n.discarded.Store(uint64(last.Index))
	if floor := q.floor.Load(); q.final && floor > 0 {
		q.floor.Store(uint64(last.Index))
	}
	n.tellApplied(last)
}

// recallPassed settles the commands whose entries this node has passed, from what the
// database remembers, and lets the driver propose those again that can not be there
// any more. The applier's goroutine calls it.
func (n *Node) recallPassed() error {
	if n.discarding() != nil {
		return nil // it differs once more: nothing that it remembers counts
	}
	if err := n.recall(); err != nil {
		return err
	}
	n.passedSome = false
	index, term := n.fsm.Applied()
	n.tellApplied(driver.Applied{Index: raft.Index(index), Term: raft.Term(term)})
	return nil
}

// runMend mends one quarantine after the other, and lifts those that operators say.
func (n *Node) runMend(ctx context.Context) error {
	var mends []func(context.Context)
	for {
		var ok bool
		if mends, ok = n.mends.take(ctx, mends); !ok {
			return nil
		}
		for _, mend := range mends {
			mend(ctx)
		}
	}
}

// mend does what there is to do in a quarantine, and ends it if it can.
func (n *Node) mend(ctx context.Context, q *quarantine) {
	log := n.cfg.Logger.With().Str("component", "divergence").Logger()
	if q.verdict.Kind == divergence.Differs {
		log.Error().Uint64("index", uint64(q.verdict.At)).Strs("majority", n.names(q.verdict.Majority)).
			Msg("this node's database differs from the majority's: it serves no more")
		n.remember(ctx, func(m *memory) {
			m.Quarantined, m.Final = true, q.final
			m.Findings = append(m.Findings, n.finding(q))
		})
	}
	q.floor.Store(uint64(n.position()))
	if err := n.handOver(ctx); err != nil {
		log.Warn().Err(err).Msg("the leadership could not be handed over yet; it is tried again")
	}
	if q.verdict.Kind == divergence.Differs {
		n.explain(ctx, q)
	}
	if q.final {
		log.Error().Err(q.alarm()).Msg("this node stays quarantined")
		return
	}
	n.reseed(ctx, q)
}

// remember changes the file, tries until it is on the disk, and reports whether it
// is; if not, the node ends.
func (n *Node) remember(ctx context.Context, change func(*memory)) bool {
	change(&n.memory)
	for {
		err := n.memory.write(n.fs, n.cfg.DataDir)
		if !vfs.IsNoSpace(err) {
			if err != nil {
				n.end(exitError(fmt.Errorf("node: %s cannot be written: %w", filepath.Join(n.cfg.DataDir, divergenceFile), err)))
			}
			return err == nil
		}
		if !awaitRoom(ctx) {
			return false
		}
	}
}

// finding describes the divergence as far as it is known at first.
func (n *Node) finding(q *quarantine) finding {
	own, _ := n.ownDigest(q.verdict.At)
	f := finding{Found: time.Now().UTC(), Index: q.verdict.At, Digest: own.String(), Majority: q.verdict.Sum.String(),
		Engine: n.engine, Version: n.cfg.Version}
	q.what.Store(&f)
	return f
}

// explainPatience bounds the search for the entry that made the difference.
const explainPatience = 10 * time.Second

// explain finds the first entry that was applied to another effect than on a
// member of the majority, and tells of it.
func (n *Node) explain(ctx context.Context, q *quarantine) {
	ctx, cancel := context.WithTimeout(ctx, explainPatience)
	defer cancel()
	f := *q.what.Load()
	var err error
	for _, id := range q.verdict.Majority {
		if f.Index, f.Exact, err = n.firstDifference(ctx, id, q.verdict.At); err == nil {
			break
		}
	}
	entries, readErr := n.log.Entries(f.Index, f.Index+1, 1)
	switch {
	case readErr != nil:
		f.Statement = "(not in the log any more)"
	case entries[0].Type != raft.EntryNormal:
		f.Statement = "(" + entries[0].Type.String() + ")"
	default:
		if f.Statement, readErr = sqlfsm.Describe(entries[0].Data); readErr != nil {
			f.Statement = "(" + readErr.Error() + ")"
		}
	}
	q.what.Store(&f)
	n.cfg.Logger.Error().Str("component", "divergence").Uint64("index", uint64(f.Index)).Bool("exact", f.Exact).Str("statement", f.Statement).
		Str("digest", f.Digest).Str("majority_digest", f.Majority).AnErr("search", err).
		Msg("the first entry that this node is known to have applied to another effect than the majority")
	n.remember(ctx, func(m *memory) { m.Findings[len(m.Findings)-1] = f })
}

// firstDifference asks a member for its digests until it is known after which
// entry they differ from this node's; exact: they agreed before it.
func (n *Node) firstDifference(ctx context.Context, id raft.NodeID, at raft.Index) (first raft.Index, exact bool, err error) {
	theirs, err := n.askDigest(ctx, id, at)
	if err != nil {
		return at, false, err
	}
	low := max(theirs.Oldest, n.oldestDigest(at))
	if differ, err := n.differs(ctx, id, low); err != nil || differ {
		return min(low, at), false, err
	}
	first, err = divergence.FirstDifference(low, at, func(i raft.Index) (bool, error) { return n.differs(ctx, id, i) })
	return first, err == nil, err
}

func (n *Node) differs(ctx context.Context, id raft.NodeID, i raft.Index) (bool, error) {
	own, ok := n.ownDigest(i)
	if !ok {
		return false, fmt.Errorf("node: the digest after entry %d is forgotten", i)
	}
	theirs, err := n.askDigest(ctx, id, i)
	return err == nil && theirs.Sum != own, err
}

// oldestDigest is the first entry whose digest this node remembers, of those that
// lead up to high without a gap.
func (n *Node) oldestDigest(high raft.Index) raft.Index {
	low, known := raft.Index(0), high // what is not remembered, and what is
	for low+1 < known {
		middle := low + (known-low)/2
		if _, ok := n.ownDigest(middle); ok {
			known = middle
		} else {
			low = middle
		}
	}
	return known
}

// errQuarantined says that this node's database is of no use to others.
var errQuarantined = errors.New("node: this node is quarantined: its database differs from the majority's")
