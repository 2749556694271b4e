package proxy

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Network is all fronts and links of one cluster.
type Network struct {
	ctx    context.Context
	cancel context.CancelFunc
	seed   uint64
	wait   sync.WaitGroup // everything that runs

	mu     sync.Mutex // guards the fields below
	fronts map[string]net.Listener
	links  map[pair]*link
}

type pair struct{ from, to string }

// New makes a network without members. The seed draws jitter and loss.
func New(seed uint64) *Network {
	ctx, cancel := context.WithCancel(context.Background())
	return &Network{ctx: ctx, cancel: cancel, seed: seed, fronts: map[string]net.Listener{}, links: map[pair]*link{}}
}

// Add opens the front of a member that listens at target, and returns its
// address. The member need not run.
func (n *Network) Add(name, front, target string) (err error) {
	listener, err := net.Listen("tcp", front)
	if err != nil {
		return fmt.Errorf("proxy: front of %s: %w", name, err)
	}
	n.mu.Lock()
	n.fronts[name] = listener
	n.mu.Unlock()
	n.wait.Go(func() { n.accept(listener, name, target) })
	return nil
}

func (n *Network) accept(listener net.Listener, name, target string) {
	for {
		dialled, err := listener.Accept()
		if err != nil {
			return // closed
		}
		n.wait.Go(func() { n.serve(dialled, name, target) })
	}
}

// link returns the link between two members, which needs no making.
func (n *Network) link(from, to string) *link {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.links[pair{from, to}]
	if l == nil {
		n.seed++
		l = newLink(n.seed)
		n.links[pair{from, to}] = l
	}
	return l
}

// Set gives a link its rule.
func (n *Network) Set(from, to string, r Rule) { n.link(from, to).set(r) }

// Heal lets everything pass again.
func (n *Network) Heal() {
	for _, l := range n.all() {
		l.set(Rule{})
	}
}

// Break closes all connections between all members; with them goes what was
// held back.
func (n *Network) Break() {
	for _, l := range n.all() {
		l.breakAll()
	}
}

func (n *Network) all() []*link {
	n.mu.Lock()
	defer n.mu.Unlock()
	links := make([]*link, 0, len(n.links))
	for _, l := range n.links {
		links = append(links, l)
	}
	return links
}

// Close ends everything.
func (n *Network) Close() {
	n.cancel()
	n.mu.Lock()
	for _, listener := range n.fronts {
		listener.Close() // only its Accept can tell, which ends
	}
	n.mu.Unlock()
	n.wait.Wait()
}
