package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"

	"quorate/internal/vfs"
)

// startFaults lets every kind of fault that the plan has happen again and
// again until faults end. Loss, duplicates, delays and torn writes happen where
// messages are sent and nodes crash.
func (w *World) startFaults() {
	for _, f := range []struct {
		kind Faults
		do   func(*rand.Rand)
	}{
		{Partitions, w.partition},
		{Clogs, w.clog},
		{Disconnects, w.disconnect},
		{Crashes, w.crashSome},
		{Pauses, w.pauseOne},
		{Skew, w.skewClocks},
		{Deposed, w.depose},
		{Stalls, w.stall},
		{SyncErrors, w.syncError},
		{BitFlips, w.flipBit},
		{NoSpace, w.fillDisk},
		{Membership, w.changeMembers},
		{Transfers, w.transferLeadership},
		{Repeats, w.repeat},
	} {
		if w.happens(f.kind) {
			w.again(f.kind, f.do)
		}
	}
	w.network.lossy = w.source(Partitions).IntN(2) == 0
}

func (w *World) again(kind Faults, do func(*rand.Rand)) {
	r := w.source(kind)
	w.after(exponential(r, w.plan.every[kind.number()]), func() {
		if w.healing {
			return
		}
		do(r)
		w.again(kind, do)
	})
}

// until schedules the end of a fault. When all faults have ended before, it must
// not undo what came after.
func (w *World) until(d Time, end func()) {
	w.after(d, func() {
		if !w.healing {
			end()
		}
	})
}

func (w *World) any(r *rand.Rand) *node { return w.nodes[r.IntN(len(w.nodes))] }

// partition cuts links for a while: around one node, between two groups, or
// here and there; in both directions or in one.
func (w *World) partition(r *rand.Rand) {
	if len(w.nodes) == 1 {
		return
	}
	w.count(Partitions)
	oneWay := r.IntN(3) == 0
	w.network.cuts = nil
	var cut func(a, b int) bool
	switch r.IntN(4) {
	case 0: // one node
		alone := r.IntN(len(w.nodes))
		cut = func(a, b int) bool { return a == alone && !(oneWay && b < a) }
	case 1: // the leader
		alone := -1
		if l := w.leader(); l != nil {
			alone = int(l.id) - 1
		}
		cut = func(a, _ int) bool { return a == alone }
	case 2: // two groups
		side := r.Perm(len(w.nodes))
		half := 1 + r.IntN(len(w.nodes)-1)
		cut = func(a, b int) bool { return side[a] < half && side[b] >= half }
	default: // here and there
		percent := 20 + r.IntN(50)
		cut = func(int, int) bool { return r.IntN(100) < percent }
	}
	for a := range w.nodes {
		for b := range w.nodes {
			if a != b && cut(a, b) {
				w.network.cuts = append(w.network.cuts, link{w.nodes[a].id, w.nodes[b].id})
				if !oneWay {
					w.network.cuts = append(w.network.cuts, link{w.nodes[b].id, w.nodes[a].id})
				}
			}
		}
	}
	w.tracef("partition: %s", w.network.describeCuts())
	w.until(exponential(r, w.plan.partitionTime), func() {
		w.tracef("partition ends")
		w.network.cuts = nil
	})
}

func (n *network) describeCuts() string {
	var b strings.Builder
	for _, c := range n.cuts {
		fmt.Fprintf(&b, " n%d>n%d", uint64(c.from), uint64(c.to))
	}
	return b.String()
}

// clog holds back what a node, mostly the leader, is sent.
func (w *World) clog(r *rand.Rand) {
	n := w.any(r)
	if l := w.leader(); l != nil && r.IntN(2) == 0 {
		n = l
	}
	w.count(Clogs)
	w.clogNode(n, exponential(r, w.plan.partitionTime))
}

func (w *World) clogNode(n *node, d Time) {
	w.tracef("what %v is sent is held back for %d ms", n, d/Millisecond)
	c := clog{n.id, w.now + d}
	w.network.clogged = append(w.network.clogged, c)
	w.after(d, func() {
		for i, x := range w.network.clogged {
			if x == c {
				w.network.clogged = append(w.network.clogged[:i:i], w.network.clogged[i+1:]...)
				return
			}
		}
	})
}

func (w *World) disconnect(r *rand.Rand) {
	n, other := w.any(r), w.any(r)
	if n != other && n.up {
		w.count(Disconnects)
		n.unreachable(other.id)
	}
}

// crashSome crashes a node, most likely one that is writing, or now and then
// all at once.
func (w *World) crashSome(r *rand.Rand) {
	mode := crashMode(r.IntN(2))
	if r.IntN(8) == 0 {
		w.tracef("all nodes crash")
		for _, n := range w.nodes {
			w.crashOne(n, mode, r)
		}
		return
	}
	n := w.any(r)
	for range 3 {
		if n.up && n.writing {
			break
		}
		n = w.any(r)
	}
	w.crashOne(n, mode, r)
}

func (w *World) crashOne(n *node, mode crashMode, r *rand.Rand) {
	if !n.up {
		return
	}
	w.count(Crashes)
	n.crash(mode, r)
	n.restartLater(r)
}

func (w *World) pauseOne(r *rand.Rand) {
	n := w.any(r)
	if l := w.leader(); l != nil && r.IntN(2) == 0 {
		n = l
	}
	w.count(Pauses)
	n.pause(exponential(r, w.plan.pauseTime))
}

// skewClocks sets how fast each clock runs: 80 to 120 per cent, and rarely half
// or double.
func (w *World) skewClocks(r *rand.Rand) {
	w.count(Skew)
	for _, n := range w.nodes {
		n.skew = 0.8 + 0.4*r.Float64()
		if r.IntN(20) == 0 {
			n.skew = []float64{0.5, 2}[r.IntN(2)]
		}
	}
}

// depose keeps a leader from noticing that another one is elected: it is cut
// off, or what it is sent is held back, and its clock stands nearly still. Then
// it is asked for reads.
func (w *World) depose(r *rand.Rand) {
	l := w.leader()
	if l == nil || len(w.nodes) < 3 {
		return
	}
	w.count(Deposed)
	d := 200*Millisecond + Time(r.Int64N(int64(2*Second)))
	l.skew = 0.02
	w.tracef("the clock of %v stands still for %d ms", l, d/Millisecond)
	if r.IntN(2) == 0 {
		w.clogNode(l, d)
	} else {
		w.network.cuts = nil
		for _, other := range w.nodes {
			if other != l {
				w.network.cuts = append(w.network.cuts, link{l.id, other.id}, link{other.id, l.id})
			}
		}
	}
	life := l.life
	for range 1 + r.IntN(4) {
		w.after(Time(r.Int64N(int64(d+d/4))), func() {
			if l.up && l.life == life && !w.healing {
				w.probe(l)
			}
		})
	}
	w.until(d, func() {
		l.skew = 1
		w.network.cuts = nil
	})
}

// elected: where there is churn, a new leader crashes or is cut off from some
// or all of the others, at a moment at which it may have done little or much.
func (w *World) elected(n *node) {
	if len(w.nodes) == 1 || !w.chance(Churn, 80) {
		return
	}
	r := w.source(Churn)
	life, term := n.life, n.core.Term()
	w.after(exponential(r, w.plan.churnTime), func() {
		if !n.up || n.life != life || n.core.Term() != term || w.healing {
			return
		}
		w.count(Churn)
		if r.IntN(3) > 0 {
			n.crash(crashMode(r.IntN(2)), r)
			w.after(exponential(r, min(w.plan.repair, 300*Millisecond)), n.restart)
			return
		}
		w.network.cuts = nil
		for _, i := range r.Perm(len(w.nodes))[:len(w.nodes)/2+1+r.IntN(len(w.nodes)/2)] {
			if other := w.nodes[i]; other != n {
				w.network.cuts = append(w.network.cuts, link{n.id, other.id}, link{other.id, n.id})
			}
		}
		w.tracef("churn: %s", w.network.describeCuts())
		w.until(exponential(r, 600*Millisecond), func() { w.network.cuts = nil })
	})
}

// repeat gives leaders a few commands that were applied before: of the last
// moments mostly, or of any time.
func (w *World) repeat(r *rand.Rand) {
	for range 1 + r.IntN(8) {
		l, n := w.leader(), len(w.repeatable)
		if l == nil || n == 0 {
			return
		}
		back := 1 + r.IntN(n)
		if r.IntN(2) == 0 {
			back = 1 + r.IntN(min(n, 20))
		}
		if index, term, err := l.core.Propose([][]byte{w.repeatable[n-back]}); err == nil {
			w.count(Repeats)
			w.oracle.repeats[entryName{index, term}] = true
			l.wake()
		}
	}
}

// stall lets a disk hang.
func (w *World) stall(r *rand.Rand) {
	n := w.any(r)
	d := Second + Time(r.Int64N(int64(4*Second)))
	w.count(Stalls)
	w.tracef("the disk of %v hangs for %d ms", n, d/Millisecond)
	n.stalledUntil = w.now + d
}

// syncError makes a node's next fsync fail, or all from now on. What it was to write the kernel
// calls clean all the same, so that it can still be read and is lost with the
// power.
func (w *World) syncError(r *rand.Rand) {
	n := w.any(r)
	if !n.up || n.fault != nil {
		return
	}
	w.count(SyncErrors)
	once := r.IntN(2) == 0 // the next fsync is fine, and would lie
	n.fault = func(op vfs.Op) vfs.Fault {
		if op.Kind == vfs.OpSync {
			if once {
				n.fault = nil
			}
			return vfs.Fault{Err: syscall.EIO, Forget: true}
		}
		return vfs.Fault{}
	}
}

// fillDisk leaves a node, or all, hardly any room for a while.
func (w *World) fillDisk(r *rand.Rand) {
	victims := w.nodes
	if r.IntN(4) > 0 {
		victims = []*node{w.any(r)}
		if l := w.leader(); l != nil && r.IntN(2) == 0 {
			victims[0] = l
		}
	}
	d := 200*Millisecond + Time(r.Int64N(int64(3*Second)))
	for _, n := range victims {
		w.count(NoSpace)
		w.tracef("the disk of %v is full for %d ms", n, d/Millisecond)
		free := int64(r.IntN(40)) * 4096 // the node sees it coming, or not
		n.disk.SetCapacity(used(n.disk) + free)
		w.after(d, func() { n.disk.SetCapacity(0) })
	}
}

// used returns how much of the disk is taken.
func used(disk *vfs.Mem) int64 {
	const plenty = 1 << 40
	disk.SetCapacity(plenty)
	free, err := disk.Free("/")
	if err != nil {
		panic(err) // the root is there
	}
	return plenty - free
}

// flipBit changes one bit of a sealed segment of a node that is down. Its log
// must refuse to open, or the bit did not matter. A majority is left unharmed.
func (w *World) flipBit(r *rand.Rand) {
	harmed := 0
	for _, n := range w.nodes {
		if w.oracle.of(n).damaged {
			harmed++
		}
	}
	n := w.any(r)
	if n.up || n.dead || w.oracle.of(n).damaged || harmed+1 > (len(w.nodes)-1)/2 {
		return
	}
	names, err := n.disk.List(logDir)
	if err != nil {
		panic(err) // a disk in memory that has the directory
	}
	var sealed []string
	for _, name := range names {
		if strings.HasSuffix(name, ".wal") {
			sealed = append(sealed, name)
		}
	}
	if len(sealed) < 2 {
		return
	}
	path := logDir + "/" + sealed[r.IntN(len(sealed)-1)]
	w.count(BitFlips)
	w.oracle.of(n).damaged = true
	w.tracef("a bit of %v's %s flips", n, path)
	flip(n.disk, path, r)
}

func flip(disk *vfs.Mem, path string, r *rand.Rand) {
	file, err := disk.Open(path)
	if err != nil {
		panic(err) // it was listed
	}
	size, _ := file.Size() // a file in memory that is open
	at := r.Int64N(size)
	var b [1]byte
	if _, err := file.ReadAt(b[:], at); err != nil {
		panic(err)
	}
	b[0] ^= 1 << r.IntN(8)
	if _, err := file.WriteAt(b[:], at); err != nil {
		panic(err)
	}
	if err := file.Sync(); err != nil {
		panic(err)
	}
	_ = file.Close() // nothing is left to be done
}
