package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"quorate/chaos/cluster"
)

// fault is one kind of hurting.
type fault struct {
	name string
	// on is what it hurts. Two faults at once hurt different things.
	on string
	// lasts are its shortest and longest time.
	lasts [2]time.Duration
	begin func(r *run) (*hurt, error)
	// possible says why it cannot be done here; nil: always.
	possible func(r *run) error
}

// hurt is a fault that has begun.
type hurt struct {
	what string // was done, and to whom
	heal func() error
	// serving are the members that must serve all the same: they reach a
	// majority, and so each other's leader.
	serving []*cluster.Node
	// reading are members of which one at least must answer reads: the leader. A
	// full follower takes no entries, also none that were committed before, and
	// then cannot answer a linearizable read.
	reading []*cluster.Node
}

// What faults hurt. Of two at once, the one that comes first here begins first
// and is healed first.
const (
	onNetwork = "1 network"
	onDisk    = "2 disk"
	onProcess = "3 process"
)

// faults are all there are, in the order of the manual.
var faults = []fault{
	{name: "kill", on: onProcess, lasts: [2]time.Duration{0, 4 * time.Second}, begin: (*run).kill},
	{name: "killall", on: onProcess, lasts: [2]time.Duration{0, time.Second}, begin: (*run).killAll},
	{name: "stop", on: onProcess, lasts: [2]time.Duration{0, 3 * time.Second}, begin: (*run).stopOne},
	{name: "pause", on: onProcess, lasts: [2]time.Duration{100 * time.Millisecond, 6 * time.Second}, begin: (*run).pause},
	{name: "member", on: onProcess, lasts: [2]time.Duration{0, 4 * time.Second}, begin: (*run).replaceMember},
	{name: "transfer", on: onProcess, lasts: [2]time.Duration{0, time.Second}, begin: (*run).transfer},
	{name: "partition", on: onNetwork, lasts: [2]time.Duration{time.Second, 8 * time.Second}, begin: (*run).partition},
	{name: "isolate", on: onNetwork, lasts: [2]time.Duration{time.Second, 8 * time.Second}, begin: (*run).isolate},
	{name: "oneway", on: onNetwork, lasts: [2]time.Duration{time.Second, 8 * time.Second}, begin: (*run).oneWay},
	{name: "ring", on: onNetwork, lasts: [2]time.Duration{time.Second, 8 * time.Second}, begin: (*run).ring},
	{name: "delay", on: onNetwork, lasts: [2]time.Duration{time.Second, 6 * time.Second}, begin: (*run).delay},
	{name: "loss", on: onNetwork, lasts: [2]time.Duration{time.Second, 6 * time.Second}, begin: (*run).loss},
	{name: "break", on: onNetwork, lasts: [2]time.Duration{time.Second, 4 * time.Second}, begin: (*run).breakConnections},
	{name: "full", on: onDisk, lasts: [2]time.Duration{2 * time.Second, 6 * time.Second}, begin: (*run).fillDisks, possible: (*run).disksPossible},
}

// FaultNames are the names of all faults.
func FaultNames() []string {
	var names []string
	for _, f := range faults {
		names = append(names, f.name)
	}
	return names
}

const (
	// quietMin and quietMax bound the time between two faults.
	quietMin, quietMax = 500 * time.Millisecond, 2 * time.Second
	// together is one in how many faults that comes with a second one.
	together = 4
)

// deck deals faults: each once before any comes again.
type deck struct {
	random *rand.Rand
	all    []*fault
	left   []*fault
}

// newDeck takes the faults that were asked for and are possible; for the
// others the report says why they are not.
func newDeck(r *run) *deck {
	d := &deck{random: r.random}
	for i := range faults {
		f := &faults[i]
		if !slices.Contains(r.config.Faults, f.name) {
			continue
		}
		if f.possible != nil {
			if err := f.possible(r); err != nil {
				r.report.skip(f.name, err)
				continue
			}
		}
		d.all = append(d.all, f)
	}
	return d
}

// draw deals one fault, or two that hurt different things.
func (d *deck) draw() []*fault {
	first := d.deal("")
	if first == nil {
		return nil
	}
	if d.random.IntN(together) == 0 {
		if second := d.deal(first.on); second != nil {
			return []*fault{first, second}
		}
	}
	return []*fault{first}
}

// deal takes a fault from the deck that does not hurt what not says.
func (d *deck) deal(not string) *fault {
	if len(d.left) == 0 {
		d.left = slices.Clone(d.all)
		d.random.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	for i, f := range d.left {
		if f.on != not {
			d.left = slices.Delete(d.left, i, i+1)
			return f
		}
	}
	return nil
}

// inject lets faults begin, last, be healed, and waits until all serve again.
// Of a fault that comes alone it is known who must serve meanwhile.
func (r *run) inject(ctx context.Context, faults []*fault) {
	slices.SortFunc(faults, func(a, b *fault) int { return strings.Compare(a.on, b.on) })
	began := r.recorder.now()
	var whats []string
	var hurts []*hurt
	var lasts time.Duration
	for _, f := range faults {
		h, err := f.begin(r)
		if err != nil {
			r.violation(fmt.Errorf("fault %s: %w", f.name, err))
			break
		}
		r.report.Faults[f.name]++
		whats = append(whats, h.what)
		hurts = append(hurts, h)
		lasts = max(lasts, f.lasts[0]+time.Duration(r.random.Int64N(int64(f.lasts[1]-f.lasts[0]))))
	}
	what := strings.Join(whats, " and ")
	pause(ctx, lasts)
	if len(hurts) == 1 {
		if err := hurts[0].serves(); err != nil {
			r.violation(fmt.Errorf("during %s: %w", what, err))
		}
	}
	for _, h := range hurts {
		if err := h.heal(); err != nil {
			r.violation(fmt.Errorf("heal %s: %w", what, err))
		}
	}
	took, err := r.awaitService(context.Background())
	r.report.fault(began, what, lasts, r.recorder.silence(began), took)
	if err != nil {
		r.violation(fmt.Errorf("after %s: %w", what, err))
	}
}

// serves waits until the members serve that must while the fault lasts.
func (h *hurt) serves() error {
	_, err := cluster.AwaitService(context.Background(), RecoveryMax, h.serving)
	var silent []error
	for _, n := range h.reading {
		if refused := n.Reads(context.Background()); refused != nil {
			silent = append(silent, refused)
		}
	}
	if len(silent) > 0 && len(silent) == len(h.reading) {
		err = errors.Join(err, errors.Join(silent...))
	}
	return err
}

// awaitService waits until all members that run serve.
func (r *run) awaitService(ctx context.Context) (time.Duration, error) {
	return cluster.AwaitService(ctx, RecoveryMax, r.cluster.Running())
}

// others are the running members without some.
func (r *run) others(nodes ...*cluster.Node) []*cluster.Node {
	return slices.DeleteFunc(r.cluster.Running(), func(n *cluster.Node) bool { return slices.Contains(nodes, n) })
}

// victims chooses n running members. Half of the time the leader is one.
func (r *run) victims(n int) []*cluster.Node {
	nodes := r.cluster.Running()
	r.random.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	withLeader := r.random.IntN(2) == 0
	leader := r.cluster.Leader(context.Background())
	if at := slices.Index(nodes, leader); at >= 0 && withLeader {
		nodes[0], nodes[at] = nodes[at], nodes[0]
	}
	return nodes[:min(n, len(nodes))]
}

// minority draws how many members a fault hurts: one, or as many as a
// majority can spare.
func (r *run) minority() int { return 1 + r.random.IntN((r.config.Nodes-1)/2) }

// names tells who is hurt, and who of them leads.
func (r *run) names(nodes []*cluster.Node) string {
	leader := r.cluster.Leader(context.Background())
	var names []string
	for _, n := range nodes {
		if n == leader {
			names = append(names, n.Name+" (leader)")
			continue
		}
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
