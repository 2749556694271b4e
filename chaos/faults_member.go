package chaos

import (
	"context"
	"fmt"

	"quorate/chaos/cluster"
)

// replaceMember removes a member, dead or alive, and lets a new one join, in
// either order, while other faults go on. It is healed when the new one is a
// voter.
func (r *run) replaceMember() (*hurt, error) {
	victim := r.victims(1)[0]
	what := "replacement of " + r.names([]*cluster.Node{victim})
	dead, addFirst := r.random.IntN(2) == 0, r.random.IntN(2) == 0
	if dead {
		what += ", killed before"
		victim.Kill()
	}
	ctx, cancel := context.WithTimeout(context.Background(), replaceTimeout)
	done := make(chan error, 1)
	go func() {
		defer cancel()
		remove := func() error { return r.cluster.Remove(ctx, victim) }
		steps := []func() error{remove, func() error { return r.join(ctx) }}
		if addFirst {
			steps[0], steps[1] = steps[1], steps[0]
		}
		err := steps[0]()
		if err == nil {
			err = steps[1]()
		}
		done <- err
	}()
	return &hurt{what: what, heal: func() error { return <-done }}, nil
}

// join starts a new member, waits until it votes, and lets clients use it.
func (r *run) join(ctx context.Context) error {
	node, err := r.cluster.Join()
	if err != nil {
		return err
	}
	if err := node.Start(); err != nil {
		return err
	}
	r.startClients(node)
	return r.cluster.AwaitVoter(ctx, node)
}

// transfer hands leadership over. It may be refused while other faults go on,
// but not after they are healed.
func (r *run) transfer() (*hurt, error) {
	ctx, cancel := context.WithTimeout(context.Background(), replaceTimeout)
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- r.cluster.Transfer(ctx)
	}()
	heal := func() error {
		if err := <-done; err != nil {
			return fmt.Errorf("leadership was not handed over: %w", err)
		}
		return nil
	}
	return &hurt{what: "transfer of leadership", heal: heal}, nil
}
