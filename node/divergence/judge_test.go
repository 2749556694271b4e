package divergence

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"quorate/raft"
)

// TestJudge tells stories of members that say their digests, and what node 1 makes
// of them.
//
//	own              this node's digests, "index=letter …", and its part: voter
//	                 (default) or learner
//	hear from=N      what member N says; with "quarantined" that it is
//	judge voters=N   the verdict, in a cluster whose voters are 1 … N (learner: 2 … N)
//
// go test ./node/divergence -rewrite
func TestJudge(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		judge, digests := New(), map[raft.Index]Sum{}
		own := func(i raft.Index) (Sum, bool) { sum, ok := digests[i]; return sum, ok }
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "own":
				for _, x := range parse(t, d.Input) {
					digests[x.Index] = x.Sum
				}
				return ""
			case "forget": // as after an image was installed
				clear(digests)
				return ""
			case "hear":
				var from uint64
				d.ScanArgs(t, "from", &from)
				judge.Heard(raft.NodeID(from), d.HasArg("quarantined"), parse(t, d.Input))
				return ""
			case "judge":
				var n uint64
				d.ScanArgs(t, "voters", &n)
				first := uint64(1)
				if d.HasArg("learner") {
					first = 2
				}
				var voters []raft.NodeID
				for id := first; id <= n; id++ {
					voters = append(voters, raft.NodeID(id))
				}
				return describe(judge.Judge(1, voters, own))
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

// parse reads digests, each "index=letter".
func parse(t *testing.T, input string) (digests []Digest) {
	for word := range strings.FieldsSeq(input) {
		var d Digest
		var letter byte
		if _, err := fmt.Sscanf(word, "%d=%c", &d.Index, &letter); err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		d.Sum[0] = letter
		digests = append(digests, d)
	}
	return digests
}

func describe(v Verdict) string {
	s := fmt.Sprintf("%s at %d: with %v, others %v", v.Kind, v.At, v.With, v.Others)
	if v.Kind == Differs {
		s += fmt.Sprintf("; %c is what %v have", v.Sum[0], v.Majority)
	}
	return s + "\n"
}

// TestTell shows which digests a member tells.
func TestTell(t *testing.T) {
	sum := func(i raft.Index) (Sum, bool) { return Sum{byte(i)}, i > 7000 }
	for _, test := range []struct {
		applied raft.Index
		rests   bool
		want    []raft.Index
	}{
		{0, true, nil},
		{7100, false, []raft.Index{7040}}, // the ring does not reach back to 6144
		{7100, true, []raft.Index{7040, 7100}},
		{8192, true, []raft.Index{8192}},
		{20000, false, []raft.Index{19968, 19456, 16384}},
	} {
		var got []raft.Index
		for _, d := range Tell(test.applied, test.rests, sum) {
			got = append(got, d.Index)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("at %d, resting %t: tells %v, want %v", test.applied, test.rests, got, test.want)
		}
	}
}

// TestMajorityIsNeverQuarantined: whatever the digests are, and whatever was heard
// of them, nodes that are told that they differ are a minority of the voters, and
// each of them really differs from a majority; a node that is told that it agrees
// is in a majority, and never two of them with different digests.
func TestMajorityIsNeverQuarantined(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "voters")
		var voters []raft.NodeID
		states := map[raft.NodeID]Sum{}
		for id := raft.NodeID(1); id <= raft.NodeID(n); id++ {
			voters = append(voters, id)
			states[id] = Sum{rapid.SampledFrom([]byte("abc")).Draw(t, "state")}
		}
		camps := map[Sum]int{}
		for _, s := range states {
			camps[s]++
		}
		differ := 0
		agrees := map[Sum]bool{}
		for _, self := range voters {
			j := New()
			for _, other := range voters {
				if other != self && rapid.Bool().Draw(t, "heard") {
					j.Heard(other, rapid.IntRange(0, 4).Draw(t, "quarantined") == 0, []Digest{{128, states[other]}})
				}
			}
			v := j.Judge(self, voters, func(raft.Index) (Sum, bool) { return states[self], true })
			switch v.Kind {
			case Differs:
				differ++
				if v.Sum == states[self] || 2*camps[v.Sum] <= n {
					t.Fatalf("node %d of %v: %+v", self, states, v)
				}
			case Agrees:
				agrees[states[self]] = true
				if 2*camps[states[self]] <= n {
					t.Fatalf("node %d of %v: %+v", self, states, v)
				}
			}
		}
		if 2*differ >= n || len(agrees) > 1 {
			t.Fatalf("%v: %d are told that they differ, %d digests that they agree", states, differ, len(agrees))
		}
	})
}

// TestFirstDifference: bisection finds the entry in few questions, and an error
// leaves what is known so far.
func TestFirstDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := raft.Index(rapid.IntRange(0, 1000).Draw(t, "low"))
		high := low + raft.Index(rapid.IntRange(1, 20000).Draw(t, "length"))
		first := low + raft.Index(rapid.IntRange(1, int(high-low)).Draw(t, "first"))
		asked := 0
		got, err := FirstDifference(low, high, func(i raft.Index) (bool, error) { asked++; return i >= first, nil })
		if err != nil || got != first || asked > 15 {
			t.Fatalf("found %d after %d questions, want %d: %v", got, asked, first, err)
		}
	})
	lost := errors.New("lost")
	if got, err := FirstDifference(1, 9, func(raft.Index) (bool, error) { return false, lost }); got != 9 || !errors.Is(err, lost) {
		t.Errorf("after an error: %d, %v", got, err)
	}
}
