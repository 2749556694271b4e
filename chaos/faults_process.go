package chaos

import (
	"errors"

	"quorate/chaos/cluster"
)

// kill kills a minority, as kill -9 does.
func (r *run) kill() (*hurt, error) {
	nodes := r.victims(r.minority())
	what := "kill -9 of " + r.names(nodes)
	for _, n := range nodes {
		n.Kill()
	}
	return &hurt{what: what, heal: func() error { return startAll(nodes) }, serving: r.others(nodes...)}, nil
}

// killAll kills every member at once.
func (r *run) killAll() (*hurt, error) {
	nodes := r.cluster.Running()
	for _, n := range nodes {
		n.Kill()
	}
	return &hurt{what: "kill -9 of all", heal: func() error { return startAll(nodes) }}, nil
}

// stopOne stops a member as an operator does.
func (r *run) stopOne() (*hurt, error) {
	nodes := r.victims(1)
	what := "SIGTERM to " + r.names(nodes)
	if err := nodes[0].Stop(stopTimeout); err != nil {
		return nil, err
	}
	return &hurt{what: what, heal: func() error { return startAll(nodes) }, serving: r.others(nodes...)}, nil
}

func startAll(nodes []*cluster.Node) error {
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.Start())
	}
	return errors.Join(errs...)
}

// pause stops a minority from running, or sometimes all.
func (r *run) pause() (*hurt, error) {
	nodes := r.victims(r.minority())
	const all = 5 // one in so many
	if r.random.IntN(all) == 0 {
		nodes = r.cluster.Running()
	}
	what := "SIGSTOP of " + r.names(nodes)
	for _, n := range nodes {
		n.Pause()
	}
	heal := func() error {
		for _, n := range nodes {
			n.Resume()
		}
		return nil
	}
	return &hurt{what: what, heal: heal, serving: r.others(nodes...)}, nil
}

func (r *run) disksPossible() error { return r.cluster.DisksError() }

// reserve is less than members keep in reserve, and enough for what is under
// way.
const reserve = 16 << 20

// fillDisks leaves little or no room on the disk of one member, or of all. With
// all in their reserve, no writes come any more, the leader can apply what was
// committed, and must answer reads.
func (r *run) fillDisks() (*hurt, error) {
	nodes := r.victims(1)
	if r.random.IntN(3) == 0 {
		nodes = r.cluster.Running()
	}
	what := "disk full on " + r.names(nodes)
	leave := []int64{0, 64 << 10, reserve}[r.random.IntN(3)]
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.FillDisk(leave))
	}
	heal := func() error {
		var errs []error
		for _, n := range nodes {
			errs = append(errs, n.EmptyDisk())
		}
		return errors.Join(errs...)
	}
	h := &hurt{what: what, heal: heal, serving: r.others(nodes...)}
	if leave == reserve && len(h.serving) == 0 {
		h.reading = nodes
	}
	return h, errors.Join(errs...)
}
