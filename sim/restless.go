package sim

import (
	"math/rand/v2"

	"quorate/raft"
)

// A restless run aims. Random faults seldom meet the moments that the subtler
// rules of Raft are for: those of the paper's Figure 8 need five nodes, three
// leaders, and cuts within a message's way of what they did. So here faults wait
// for a leader to do something.

// moment: a leader has just been elected, or has appended or committed something.
// With this probability it is cut off with too few others to go on, or dies, at
// once or a message's way later.
func (w *World) moment(n *node, percent int) {
	if len(w.nodes) < 3 || !w.chance(Minorities, percent) {
		return
	}
	r := w.source(Minorities)
	delay := exponential(r, (w.plan.latency+w.plan.fsync)*Time(r.IntN(4)))
	life, term := n.life, n.core.Term()
	w.after(delay, func() {
		if n.up && n.life == life && n.core.Term() == term && !w.healing {
			w.count(Minorities)
			w.strand(n, r)
		}
	})
}

// strand cuts a node off with a minority, or crashes it.
func (w *World) strand(n *node, r *rand.Rand) {
	if r.IntN(5) == 0 {
		n.crash(crashMode(r.IntN(2)), r)
		w.after(exponential(r, 2*w.electionTime()), n.restart)
		return
	}
	with := map[raft.NodeID]bool{n.id: true}
	others := r.IntN(len(w.nodes) / 2)
	for _, i := range r.Perm(len(w.nodes)) {
		if other := w.nodes[i]; other != n && others > 0 {
			with[other.id] = true
			others--
		}
	}
	w.network.lossy = r.IntN(4) > 0
	w.network.cuts = nil
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if with[a.id] != with[b.id] {
				w.network.cuts = append(w.network.cuts, link{a.id, b.id})
			}
		}
	}
	w.network.strandings++
	this := w.network.strandings
	if w.happens(Stalls) && r.IntN(3) == 0 {
		w.stallOneOf(with, r)
	}
	w.tracef("stranded: %s", w.network.describeCuts())
	w.until(exponential(r, 3*w.electionTime()), func() {
		if w.network.strandings == this {
			w.tracef("no longer stranded")
			w.network.cuts = nil
		}
	})
}

// stallOneOf lets the disk of one of the nodes hang until the others may have
// another leader, whose entries replace what it was writing.
func (w *World) stallOneOf(stranded map[raft.NodeID]bool, r *rand.Rand) {
	for _, i := range r.Perm(len(w.nodes)) {
		if n := w.nodes[i]; stranded[n.id] {
			d := Time(1+r.IntN(8)) * w.electionTime()
			w.count(Stalls)
			w.tracef("the disk of %v hangs for %d ms", n, d/Millisecond)
			n.stalledUntil = w.now + d
			return
		}
	}
}

// electionTime is the shortest election timeout.
func (w *World) electionTime() Time {
	return Time(w.plan.raft.ElectionTicks) * w.plan.interval
}

// echoes are some of what a node was sent, by type: the rare ones would not be
// among the last.
type echoes [16][4]raft.Message

// remember keeps a message now and then, also when the network loses it.
func (w *World) remember(m *raft.Message) {
	to := w.node(m.To)
	if to == nil || !w.happens(Echoes) {
		return
	}
	kept := &to.echoes[m.Type]
	if r := w.source(Echoes); kept[0].Type == 0 || r.IntN(4) == 0 {
		kept[r.IntN(len(kept))] = *m
	}
}

// unneededImage: a node that starts gets an image, which was asked for earlier
// and resumed; its own log may have all that is in it.
func (w *World) unneededImage(n *node) {
	l := w.leader()
	if l == nil || l == n || !w.chance(Echoes, 30) {
		return
	}
	c := l.core.Status().Configuration.Configuration
	if _, member := c.Member(n.id); !member {
		return
	}
	base, _ := l.log.Base()
	if img := l.makeImage(base); img != nil {
		w.count(Echoes)
		img.from, img.term = l.id, l.core.Term()
		n.receiveImage(*img)
	}
}

// echo: a node that begins to campaign or to lead gets something once more.
func (w *World) echo(n *node) {
	if !w.chance(Echoes, 50) {
		return
	}
	r := w.source(Echoes)
	w.count(Echoes)
	for range 1 + r.IntN(6) {
		kept := &n.echoes[1+r.IntN(len(n.echoes)-1)]
		switch r.IntN(4) { // what could be counted by mistake
		case 0:
			kept = &n.echoes[raft.RequestVoteResponse]
		case 1:
			kept = &n.echoes[raft.AppendEntriesResponse]
		}
		m := kept[r.IntN(len(kept))]
		if m.Type == 0 {
			continue
		}
		n.later(20*Microsecond+exponential(r, 2*w.plan.latency), func() {
			n.inbox.Messages = append(n.inbox.Messages, m)
			n.wake()
		})
	}
}
