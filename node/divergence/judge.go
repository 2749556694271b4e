package divergence

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"

	"quorate/raft"
)

// Sum is an effects digest.
type Sum [16]byte

// String writes it in hexadecimal.
func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// MarshalText writes it in hexadecimal.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText has written.
func (s *Sum) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(s)) {
		return fmt.Errorf("divergence: %q is not a digest", text)
	}
	_, err := hex.Decode(s[:], text)
	return err
}

// Digest is the effects digest as of an entry.
type Digest struct {
	Index raft.Index
	Sum   Sum
}

// Own looks up this node's digest after an entry; false: it is not applied yet, or
// too long ago.
type Own func(raft.Index) (Sum, bool)

// The intervals at whose multiples digests are told. Nodes that apply entries
// quickly tell few of them; so that they tell the same ones, there are coarse
// intervals beside the fine one.
var intervals = [...]raft.Index{128, 1024, 8192}

// Tell returns what a node that has applied entries up to an index says: its
// digest at the newest multiple of each interval, and at the index itself when it
// rests there, for then the others will too.
func Tell(applied raft.Index, rests bool, own Own) []Digest {
	var out []Digest
	add := func(i raft.Index) {
		if sum, ok := own(i); ok && i > 0 && !slices.Contains(out, Digest{i, sum}) {
			out = append(out, Digest{i, sum})
		}
	}
	for _, interval := range intervals {
		add(applied - applied%interval)
	}
	if rests {
		add(applied)
	}
	return out
}

// heardMax is how many digests of a member are kept: of half a minute at least.
const heardMax = 256

// Judge compares what was heard.
type Judge struct {
	heard map[raft.NodeID][]Digest // the newest, sorted by index
}

// New makes a judge that has heard nobody.
func New() *Judge {
	return &Judge{heard: map[raft.NodeID][]Digest{}}
}

// Heard takes what a member says. One that is quarantined has no digests that
// count, not even its former ones: it will have another database.
func (j *Judge) Heard(from raft.NodeID, quarantined bool, digests []Digest) {
	if quarantined {
		delete(j.heard, from)
		return
	}
	list := j.heard[from]
	for _, d := range digests {
		at, known := slices.BinarySearchFunc(list, d.Index, func(d Digest, i raft.Index) int { return cmp.Compare(d.Index, i) })
		if known {
			list[at] = d
		} else {
			list = slices.Insert(list, at, d)
		}
	}
	j.heard[from] = list[max(0, len(list)-heardMax):]
}

// Kind of a verdict.
type Kind uint8

// The kinds of verdict.
const (
	Unknown Kind = iota
	Agrees
	Differs
	Split
)

func (k Kind) String() string {
	return [...]string{"unknown", "agrees", "differs", "split"}[k]
}

// Verdict is what a judge finds.
type Verdict struct {
	Kind Kind
	// At is the entry after which the digests are compared that decide. With
	// Differs, the first entry that made a difference is at or before it; Sum is
	// the majority's digest.
	At  raft.Index
	Sum Sum
	// With are the voters that have this node's digest; Others those that have
	// another one. With Differs, Majority are those of them that agree among
	// themselves.
	With, Others, Majority []raft.NodeID
}

// Judge compares this node, which may be a voter itself, with the voters. Members
// that are not voters, or not members any more, are forgotten.
func (j *Judge) Judge(self raft.NodeID, voters []raft.NodeID, own Own) Verdict {
	j.forget(voters)
	majority := len(voters)/2 + 1
	v, against := j.against(majority, own)
	sides := j.sides(voters, own)
	v.With, v.Others = sides.with, sides.others
	if against {
		return v
	}
	v.At = sides.at
	agreeing := len(sides.with)
	if slices.Contains(voters, self) {
		agreeing++
	}
	switch {
	case agreeing >= majority && len(sides.with) > 0:
		v.Kind = Agrees
	case len(sides.others) > 0:
		v.Kind = Split
	}
	return v
}

// forget drops what was heard from others than the voters.
func (j *Judge) forget(voters []raft.NodeID) {
	for id := range j.heard {
		if !slices.Contains(voters, id) {
			delete(j.heard, id)
		}
	}
}

// against looks for an entry after which a majority of the voters has one digest
// and this node another, and returns the first of those that it knows of.
func (j *Judge) against(majority int, own Own) (v Verdict, found bool) {
	camps := map[Digest][]raft.NodeID{}
	for id, list := range j.heard {
		for _, d := range list {
			camps[d] = append(camps[d], id)
		}
	}
	for d, camp := range camps {
		if len(camp) < majority || found && d.Index >= v.At {
			continue
		}
		if sum, ok := own(d.Index); ok && sum != d.Sum {
			slices.Sort(camp)
			v, found = Verdict{Kind: Differs, At: d.Index, Sum: d.Sum, Majority: camp}, true
		}
	}
	return v, found
}

// sides are the voters that have this node's digest, and those that have another.
type sides struct {
	with, others []raft.NodeID
	at           raft.Index // the newest entry after which any of them was compared
}

// sides compares each voter with this node, after the newest entry that both have
// a digest of. One that agreed only before others began to differ, as a member does
// that has been down since, is on neither side: nobody knows on which it would be.
func (j *Judge) sides(voters []raft.NodeID, own Own) (s sides) {
	agreed := map[raft.NodeID]raft.Index{}
	var decisive raft.Index // after it, all of those that differ are known to
	for _, id := range voters {
		newest, differs, first := compare(j.heard[id], own)
		if newest == 0 {
			continue
		}
		s.at = max(s.at, newest)
		if differs {
			s.others = append(s.others, id)
			decisive = max(decisive, first)
		} else {
			agreed[id] = newest
		}
	}
	for _, id := range voters {
		if at, ok := agreed[id]; ok && at >= decisive {
			s.with = append(s.with, id)
		}
	}
	return s
}

// compare finds the newest digest that can be compared, whether it differs, and the
// first known to differ from there back. newest 0: none can be.
func compare(list []Digest, own Own) (newest raft.Index, differs bool, first raft.Index) {
	for _, d := range slices.Backward(list) {
		sum, ok := own(d.Index)
		switch {
		case !ok:
		case newest == 0:
			newest, differs, first = d.Index, sum != d.Sum, d.Index
		case differs && sum != d.Sum:
			first = d.Index
		default:
			return newest, differs, first
		}
	}
	return newest, differs, first
}

// FirstDifference returns the first entry in (low, high] after which the digests
// differ, where they agree after low and differ after high. differ says whether
// they do after an entry; an error of its ends the search. Digests that have once
// differed stay different, so bisection finds it.
func FirstDifference(low, high raft.Index, differ func(raft.Index) (bool, error)) (raft.Index, error) {
	for low+1 < high {
		middle := low + (high-low)/2
		d, err := differ(middle)
		if err != nil {
			return high, err
		}
		if d {
			high = middle
		} else {
			low = middle
		}
	}
	return high, nil
}
