package sim

import (
	"cmp"
	"slices"

	"quorate/node/driver"
	"quorate/raft"
)

// image is a state machine's state, at rest or on its way.
type image struct {
	snapshot raft.Snapshot
	state    machineState
	from     raft.NodeID
	term     raft.Term // in which from led
}

// Flush is a checkpoint of the state machine.
func (n *node) Flush() {
	n.later(n.diskTime(), func() {
		n.machine.checkpoint()
		n.inbox.Durable = n.machine.index
		n.wake()
	})
}

// Cut removes old entries from the log.
func (n *node) Cut(through raft.Index) {
	n.later(n.diskTime(), func() {
		if through > n.machine.durable.index {
			n.world.fail("%v cuts its log at %d, and its state machine has only %d durably", n, through, n.machine.durable.index)
		}
		base, err := n.log.Cut(through)
		switch {
		case isNoSpace(err):
			n.later(diskPoll, func() { n.Cut(through) })
			return
		case err != nil:
			n.stop(err)
			return
		}
		n.world.oracle.cut(n, base)
		n.inbox.Base = base
		n.inbox.LogBytes, _ = n.log.Size()
		n.wake()
	})
}

// SendImage makes an image, or takes the last one if the log still begins before
// its end, and sends it. It breaks when its link is cut, or an end of it dies.
func (n *node) SendImage(to raft.NodeID) {
	w := n.world
	term := n.core.Term()
	n.later(n.diskTime(), func() {
		base, _ := n.log.Base()
		if n.outgoing == nil || n.outgoing.snapshot.Index < base || w.rand.IntN(2) == 0 {
			n.outgoing = n.makeImage(base)
		}
		sent := driver.ImageSent{To: to}
		if n.outgoing == nil || n.outgoing.snapshot.Term > term { // or who asked has been deposed since
			n.imageSent(sent)
			return
		}
		img := *n.outgoing
		img.from, img.term = n.id, term
		n.later(n.imageTime(), func() {
			target := w.node(to)
			if target.up && !target.paused && target.takesImage() && !w.network.cut(n.id, to) && !w.network.cut(to, n.id) && !w.chance(Loss, w.plan.lossPercent) {
				w.tracef("%v has sent n%d an image up to %d", n, uint64(to), img.snapshot.Index)
				target.receiveImage(img)
				sent.Index = img.snapshot.Index
			}
			n.imageSent(sent)
		})
	})
}

// imageTime is how long an image is on its way: now and then so long that the
// log is cut meanwhile.
func (n *node) imageTime() Time {
	return 2*Millisecond + exponential(n.world.rand, n.world.plan.imageTime)
}

func (n *node) imageSent(s driver.ImageSent) {
	n.inbox.ImagesSent = append(n.inbox.ImagesSent, s)
	n.wake()
}

// makeImage returns nil when the log was cut beyond what is applied.
func (n *node) makeImage(base raft.Index) *image {
	s := &n.machine.machineState
	if s.index < base || s.index < n.core.Status().Base || s.index == 0 {
		return nil
	}
	n.world.oracle.state(n, "makes an image of")
	return &image{
		snapshot: raft.Snapshot{Index: s.index, Term: s.term, Configuration: n.core.ConfigurationAt(s.index)},
		state:    s.copy(),
	}
}

// takesImage: the node has room for another image, as snapshot.Store judges.
func (n *node) takesImage() bool {
	n.forgetImages()
	return len(n.images)+n.receiving < 2
}

// receiveImage makes an image durable and tells the driver.
func (n *node) receiveImage(img image) {
	n.receiving++
	n.later(n.diskTime(), func() {
		n.receiving--
		n.images = append(n.images, img)
		n.inbox.Images = append(n.inbox.Images, driver.Image{Snapshot: img.snapshot, From: img.from, Term: img.term})
		n.wake()
	})
}

// Install puts an image in the applier's queue.
func (n *node) Install(s raft.Snapshot) {
	n.committed = append(n.committed, work{install: &s})
	n.startApplying()
}

// install replaces the state machine's state, durably.
func (n *node) install(index raft.Index) {
	for i := range n.images {
		if n.images[i].snapshot.Index == index {
			n.machine.machineState = n.images[i].state.copy()
			n.machine.checkpoint()
			n.world.oracle.installed(n, index)
			n.world.tracef("%v installs an image up to %d", n, index)
			n.recall()
			n.forgetImages()
			return
		}
	}
	n.world.fail("%v is to install an image up to %d, and has none", n, index)
}

// recall settles commands that are in an image that was just installed.
func (n *node) recall() {
	if !n.up {
		return
	}
	pending := n.commands.Proposed()
	slices.SortFunc(pending, func(a, b *driver.Pending) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, p := range pending {
		if a, applied := n.machine.recall(p.Data()); applied {
			n.world.recalled++
			n.answer(p, &a)
		}
	}
}

// forgetImages removes those that the state machine has reached.
func (n *node) forgetImages() {
	keep := n.images[:0]
	for _, img := range n.images {
		if img.snapshot.Index > n.machine.index {
			keep = append(keep, img)
		}
	}
	n.images = keep
}
