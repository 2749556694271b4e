package chaos

import (
	"fmt"
	"time"

	"quorate/chaos/cluster"
	"quorate/chaos/proxy"
)

// heal lets everything pass again. Half of the time what was held back arrives
// late, else the connections break, and it never does.
func (r *run) heal() func() error {
	breaks := r.random.IntN(2) == 0
	return func() error {
		if breaks {
			r.network.Break()
		}
		r.network.Heal()
		return nil
	}
}

// cut stalls what from sends to to.
func (r *run) cut(from, to *cluster.Node) {
	r.network.Set(from.Name, to.Name, proxy.Rule{Stall: true})
}

// eachPair calls f for each ordered pair of members.
func (r *run) eachPair(f func(from, to *cluster.Node)) {
	for _, from := range r.cluster.Nodes {
		for _, to := range r.cluster.Nodes {
			if from != to {
				f(from, to)
			}
		}
	}
}

// separate stalls everything between some members and the others.
func (r *run) separate(nodes []*cluster.Node) {
	inside := map[*cluster.Node]bool{}
	for _, n := range nodes {
		inside[n] = true
	}
	r.eachPair(func(from, to *cluster.Node) {
		if inside[from] != inside[to] {
			r.cut(from, to)
		}
	})
}

// partition separates a minority from the majority.
func (r *run) partition() (*hurt, error) {
	nodes := r.victims((r.config.Nodes - 1) / 2)
	r.separate(nodes)
	return &hurt{what: "partition: " + r.names(nodes) + " from the others", heal: r.heal(), serving: r.others(nodes...)}, nil
}

// isolate separates one member from all others, or each from each.
func (r *run) isolate() (*hurt, error) {
	const everybody = 5 // one in so many
	if r.random.IntN(everybody) == 0 {
		r.eachPair(r.cut)
		return &hurt{what: "partition: each from each", heal: r.heal()}, nil
	}
	nodes := r.victims(1)
	r.separate(nodes)
	return &hurt{what: "partition: " + r.names(nodes) + " alone", heal: r.heal(), serving: r.others(nodes...)}, nil
}

// oneWay makes one member deaf or dumb: to all others, or to one.
func (r *run) oneWay() (*hurt, error) {
	victim := r.victims(1)[0]
	deaf := r.random.IntN(2) == 0
	only := r.cluster.Nodes[r.random.IntN(len(r.cluster.Nodes))] // itself: all
	for _, other := range r.cluster.Nodes {
		if other == victim || only != victim && other != only {
			continue
		}
		if deaf {
			r.cut(other, victim)
		} else {
			r.cut(victim, other)
		}
	}
	whom := only.Name
	if only == victim {
		whom = "anybody"
	}
	does := "is not heard by"
	if deaf {
		does = "does not hear"
	}
	return &hurt{what: fmt.Sprintf("one way: %s %s %s", r.names([]*cluster.Node{victim}), does, whom), heal: r.heal(), serving: r.others(victim, only)}, nil
}

// ring lets each member reach its two neighbours alone; of three, the first
// and the last do not reach each other.
func (r *run) ring() (*hurt, error) {
	n := len(r.cluster.Nodes)
	order := r.random.Perm(n)
	place := map[*cluster.Node]int{}
	text := "ring:"
	var bridge []*cluster.Node // of three: the one that reaches both others
	for i, at := range order {
		place[r.cluster.Nodes[at]] = i
		text += " " + r.cluster.Nodes[at].Name
		if n == 3 && i == 1 {
			bridge = append(bridge, r.cluster.Nodes[at])
		}
	}
	r.eachPair(func(from, to *cluster.Node) {
		distance := (place[from] - place[to] + n) % n
		neighbours := distance == 1 || distance == n-1
		if n == 3 { // a ring of three would be whole
			neighbours = place[from] == 1 || place[to] == 1
		}
		if !neighbours {
			r.cut(from, to)
		}
	})
	return &hurt{what: text, heal: r.heal(), serving: bridge}, nil
}

// everywhere gives all links one rule.
func (r *run) everywhere(rule proxy.Rule) {
	r.eachPair(func(from, to *cluster.Node) { r.network.Set(from.Name, to.Name, rule) })
}

// delay makes all messages late.
func (r *run) delay() (*hurt, error) {
	delay := time.Duration(5+r.random.IntN(95)) * time.Millisecond
	jitter := time.Duration(1+r.random.IntN(100)) * time.Millisecond
	r.everywhere(proxy.Rule{Delay: delay, Jitter: jitter})
	return &hurt{what: fmt.Sprintf("delay of %v to %v everywhere", delay, delay+jitter), heal: r.heal()}, nil
}

// loss loses messages, which arrive late then.
func (r *run) loss() (*hurt, error) {
	percent := 1 + r.random.IntN(30)
	r.everywhere(proxy.Rule{Loss: float64(percent) / 100})
	return &hurt{what: fmt.Sprintf("loss of %d %% everywhere", percent), heal: r.heal()}, nil
}

// breakConnections breaks connections again and again.
func (r *run) breakConnections() (*hurt, error) {
	r.network.Break()
	r.everywhere(proxy.Rule{Break: 0.01})
	return &hurt{what: "connections break", heal: r.heal()}, nil
}
