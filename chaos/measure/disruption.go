package measure

import (
	"fmt"
	"math/rand/v2"

	"quorate/raft"
)

// Disruption lets all that the leader says to one of three members be late
// once, by a little more than the longest election timeout, and counts what
// comes of it: in how many of the trials the leader lost its place, and for
// how long there was none. It runs the core alone, in virtual time, on a network
// in which a message takes one tick of 10 ms.
//
// Without pre-vote means: the late member's question whether it could win is
// answered yes at once, for the others, so that it goes on to raise its term
// as a member without pre-vote does. Nothing else differs.
func Disruption(s Setup, trials int) error {
	s.printf("one late heartbeat, 3 members, %d trials, election 15-30 ticks, heartbeat 5 ticks\n", trials)
	s.printf("%18s %26s %18s %28s\n", "", "trials with a new leader", "terms raised", "ticks without a leader, mean")
	for _, preVote := range []bool{true, false} {
		var changes, terms, leaderless int
		for trial := range trials {
			d, err := newDisruption(uint64(trial), preVote)
			if err != nil {
				return err
			}
			outcome := d.run()
			if outcome.changed {
				changes++
			}
			terms += outcome.terms
			leaderless += outcome.leaderless
		}
		name := "with pre-vote"
		if !preVote {
			name = "without pre-vote"
		}
		s.printf("%18s %26d %18d %28.1f\n", name, changes, terms, float64(leaderless)/float64(trials))
	}
	return nil
}

// The settings of the core: the defaults at 10 ms a tick.
const (
	electionTicks    = 15
	electionTicksMax = 30
	heartbeatTicks   = 5
)

// disruption is one small cluster of cores.
type disruption struct {
	cores   []*raft.Raft // cores[i] has id i+1
	preVote bool
	wire    []raft.Message // arrive at the next tick
	late    []raft.Message // what the leader said to the victim
	leader  raft.NodeID
	victim  raft.NodeID // 0: nothing is late
}

type disrupted struct {
	changed    bool // another member leads, or the same one in a later term
	terms      int
	leaderless int // ticks
}

func newDisruption(seed uint64, preVote bool) (*disruption, error) {
	d := &disruption{preVote: preVote}
	random := rand.New(rand.NewPCG(seed, 0))
	const members = 3
	configuration := raft.Configuration{}
	for id := raft.NodeID(1); id <= members; id++ {
		configuration.Members = append(configuration.Members, raft.Member{ID: id, Name: fmt.Sprintf("n%d", id)})
	}
	for id := raft.NodeID(1); id <= members; id++ {
		core, err := raft.New(raft.Config{
			ID: id, ElectionTicks: electionTicks, ElectionTicksMax: electionTicksMax, HeartbeatTicks: heartbeatTicks, Rand: random.IntN,
		}, raft.State{Configurations: []raft.ConfigurationAt{{Configuration: configuration}}})
		if err != nil {
			return nil, err
		}
		d.cores = append(d.cores, core)
	}
	return d, nil
}

// run elects a leader, makes one member hear it late, and watches.
func (d *disruption) run() disrupted {
	for d.elected() == 0 {
		d.tick()
	}
	const quiet = 10 * electionTicksMax
	for range quiet {
		d.tick()
	}
	d.leader = d.elected()
	term := d.core(d.leader).Term()
	d.victim = 1 + d.leader%raft.NodeID(len(d.cores))
	for range electionTicksMax + heartbeatTicks {
		d.tick()
	}
	d.wire = append(d.wire, d.late...)
	d.victim = 0
	var out disrupted
	for range quiet {
		d.tick()
		if d.elected() == 0 {
			out.leaderless++
		}
	}
	last := d.elected()
	if last != 0 {
		out.terms = int(d.core(last).Term() - term)
	}
	out.changed = last != d.leader || out.terms > 0
	return out
}

func (d *disruption) core(id raft.NodeID) *raft.Raft { return d.cores[id-1] }

// elected returns the leader that a majority follows, 0: there is none.
func (d *disruption) elected() raft.NodeID {
	follow := map[raft.NodeID]int{}
	for _, core := range d.cores {
		if l := core.Leader(); l != 0 && d.core(l).Role() == raft.Leader && d.core(l).Term() == core.Term() {
			if follow[l]++; follow[l] > len(d.cores)/2 {
				return l
			}
		}
	}
	return 0
}

// tick lets time pass at all members and delivers what was sent before it.
func (d *disruption) tick() {
	arriving := d.wire
	d.wire = nil
	for _, m := range arriving {
		d.step(m)
	}
	for _, core := range d.cores {
		core.Tick()
		d.drain(core)
	}
}

func (d *disruption) step(m raft.Message) {
	core := d.core(m.To)
	if err := core.Step(m); err != nil {
		panic(fmt.Sprintf("measure: the core refuses a message of another core: %v", err))
	}
	d.drain(core)
}

// drain carries out what a core wants. Its disk is immediate.
func (d *disruption) drain(core *raft.Raft) {
	for {
		rd, ok := core.Ready()
		if !ok {
			return
		}
		if rd.Seq > 0 {
			core.Persisted(rd.Seq)
		}
		if n := len(rd.Committed); n > 0 {
			core.Applied(rd.Committed[n-1].Index)
		}
		for _, m := range rd.Messages {
			d.send(core, m)
		}
	}
}

func (d *disruption) send(from *raft.Raft, m raft.Message) {
	switch {
	case m.Type == raft.PreVote && !d.preVote:
		d.wire = append(d.wire, raft.Message{Type: raft.PreVoteResponse, From: m.To, To: m.From, Term: m.Term})
	case d.victim != 0 && m.From == d.leader && m.To == d.victim && from.Role() == raft.Leader:
		d.late = append(d.late, m)
	default:
		d.wire = append(d.wire, m)
	}
}
