package sim

import (
	"fmt"
	"strings"
)

// Faults is a set of kinds of faults.
type Faults uint32

// The kinds of faults.
const (
	// Loss: the network loses messages.
	Loss Faults = 1 << iota
	// Duplicates: the network delivers messages twice, the second time perhaps
	// much later.
	Duplicates
	// Delays: some messages take up to seconds, and overtake each other.
	Delays
	// Partitions: links are cut, in one direction or in both.
	Partitions
	// Clogs: what a node is sent is held back for a while and comes all at once.
	Clogs
	// Disconnects: a node is told that a connection broke.
	Disconnects
	// Crashes: a node loses power, or its process dies, or all do.
	Crashes
	// TornWrites: each block that was not synced is kept, lost or torn by a
	// crash. Without it a crash keeps all or nothing.
	TornWrites
	// Pauses: a process stands still.
	Pauses
	// Skew: clocks run too fast or too slowly.
	Skew
	// Deposed: a leader is kept from noticing that there is another one.
	Deposed
	// Churn: leaders do not last: soon after its election a leader crashes, or
	// only some of the others can hear it.
	Churn
	// Stalls: a disk hangs.
	Stalls
	// SyncErrors: an fsync fails, and what it was to write is lost.
	SyncErrors
	// BitFlips: a bit of what was synced changes while its node is down.
	BitFlips
	// NoSpace: a disk is full for a while.
	NoSpace
	// Membership: members are added, removed, promoted and moved.
	Membership
	// Transfers: leaders are asked to hand over.
	Transfers
	// GiveUps: clients give up waiting.
	GiveUps
	// Minorities: in the moment after it was elected, appended or committed
	// something, a leader is cut off together with too few others, or dies.
	Minorities
	// Echoes: whoever campaigns or leads gets once more what it was sent in
	// earlier terms.
	Echoes
	// Repeats: a command or a registration that was applied before gets into the
	// log again, wherever it came from and however old it is.
	Repeats

	faultsEnd
	// AllFaults are all of them.
	AllFaults = faultsEnd - 1

	// restlessFaults come with a restless plan only.
	restlessFaults = Minorities | Echoes
	// laterFaults are drawn after the rest, so that this is as it was without them.
	laterFaults = Repeats
)

var faultNames = []string{
	"loss", "duplicates", "delays", "partitions", "clogs", "disconnects", "crashes", "torn-writes", "pauses", "skew",
	"deposed", "churn", "stalls", "sync-errors", "bit-flips", "no-space", "membership", "transfers", "give-ups", "minorities", "echoes", "repeats",
}

// each calls f for every kind, in the order of their declaration.
func (f Faults) each(do func(kind Faults)) {
	for kind := Faults(1); kind < faultsEnd; kind <<= 1 {
		if f&kind != 0 {
			do(kind)
		}
	}
}

func (f Faults) number() int {
	for i := range faultNames {
		if f>>i == 1 {
			return i
		}
	}
	panic("sim: not one kind of fault")
}

func (f Faults) String() string {
	if f == 0 {
		return "none"
	}
	var names []string
	f.each(func(kind Faults) { names = append(names, faultNames[kind.number()]) })
	return strings.Join(names, ",")
}

// ParseFaults reads a list of names separated by commas, "all" or "none".
func ParseFaults(list string) (Faults, error) {
	switch list {
	case "all":
		return AllFaults, nil
	case "none", "":
		return 0, nil
	}
	var f Faults
	for _, name := range strings.Split(list, ",") {
		kind := Faults(0)
		for i := range faultNames {
			if faultNames[i] == name {
				kind = 1 << i
			}
		}
		if kind == 0 {
			return 0, fmt.Errorf("no fault is called %q; there are: %s", name, AllFaults)
		}
		f |= kind
	}
	return f, nil
}

// FaultCounts says how often each kind happened.
type FaultCounts [32]int

// Add adds other's numbers.
func (c *FaultCounts) Add(other *FaultCounts) {
	for i := range c {
		c[i] += other[i]
	}
}

func (c *FaultCounts) String() string {
	var parts []string
	for i, name := range faultNames {
		if c[i] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", name, c[i]))
		}
	}
	return strings.Join(parts, ", ")
}
