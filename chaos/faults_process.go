package chaos

import (
	"errors"

	"quorate/chaos/cluster"
)

// kill kills a minority, as kill -9 does.
func (r *run) kill() (string, func() error, error) {
	nodes := r.victims(r.minority())
	what := "kill -9 of " + r.names(nodes)
	for _, n := range nodes {
		n.Kill()
	}
	return what, func() error { return startAll(nodes) }, nil
}

// killAll kills every member at once.
func (r *run) killAll() (string, func() error, error) {
	nodes := r.cluster.Running()
	for _, n := range nodes {
		n.Kill()
	}
	return "kill -9 of all", func() error { return startAll(nodes) }, nil
}

// stopOne stops a member as an operator does.
func (r *run) stopOne() (string, func() error, error) {
	nodes := r.victims(1)
	what := "SIGTERM to " + r.names(nodes)
	if err := nodes[0].Stop(stopTimeout); err != nil {
		return "", nil, err
	}
	return what, func() error { return startAll(nodes) }, nil
}

func startAll(nodes []*cluster.Node) error {
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.Start())
	}
	return errors.Join(errs...)
}

// pause stops a minority from running, or sometimes all.
func (r *run) pause() (string, func() error, error) {
	nodes := r.victims(r.minority())
	const all = 5 // one in so many
	if r.random.IntN(all) == 0 {
		nodes = r.cluster.Running()
	}
	what := "SIGSTOP of " + r.names(nodes)
	for _, n := range nodes {
		n.Pause()
	}
	return what, func() error {
		for _, n := range nodes {
			n.Resume()
		}
		return nil
	}, nil
}

func (r *run) disksPossible() error { return r.cluster.DisksError() }

// fillDisks leaves little or no room on the disk of one member, or of all.
func (r *run) fillDisks() (string, func() error, error) {
	nodes := r.victims(1)
	if r.random.IntN(3) == 0 {
		nodes = r.cluster.Running()
	}
	what := "disk full on " + r.names(nodes)
	leave := []int64{0, 64 << 10, 4 << 20}[r.random.IntN(3)]
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.FillDisk(leave))
	}
	return what, func() error {
		var errs []error
		for _, n := range nodes {
			errs = append(errs, n.EmptyDisk())
		}
		return errors.Join(errs...)
	}, errors.Join(errs...)
}
