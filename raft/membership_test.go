package raft

import (
	"errors"
	"strings"
	"testing"
)

// configurationEntry makes an entry with these voters.
func configurationEntry(i Index, t Term, voters int) Entry {
	return Entry{Term: t, Index: i, Type: EntryConfiguration, Data: AppendConfiguration(nil, Configuration{Members: membersUpTo(voters)})}
}

// TestSeveralConfigurationsRollBack: a follower may hold several configurations
// that it does not know to be committed. Each truncation takes back exactly those
// whose entries it removes, and after a restart the same ones are there.
func TestSeveralConfigurationsRollBack(t *testing.T) {
	for keep, want := range []int{0: 3, 1: 4, 2: 5, 3: 5, 4: 6} {
		c := follower(t, 1)
		c.answers(t, Message{Type: AppendEntries, From: 2, To: 1, Term: 1, Entries: []Entry{
			configurationEntry(1, 1, 4), configurationEntry(2, 1, 5), {Term: 1, Index: 3}, configurationEntry(4, 1, 6),
		}})
		if n := c.core(1).voters; n != 6 {
			t.Fatalf("after the newest of three configurations there are %d voters", n)
		}
		prev := Index(keep)
		m := Message{Type: AppendEntries, From: 3, To: 1, Term: 2, Index: prev, Entries: []Entry{{Term: 2, Index: prev + 1}}}
		if keep > 0 {
			m.LogTerm = 1
		}
		c.answers(t, m)
		if n := c.core(1).voters; n != want {
			t.Errorf("when the first %d entries stay, there are %d voters, want %d", keep, n, want)
		}
		c.crash(1, 0)
		c.start(1)
		if n := c.core(1).voters; n != want {
			t.Errorf("after a restart with the first %d entries there are %d voters, want %d", keep, n, want)
		}
	}
}

// TestConfigurationsOfACutLog: what was in force at the place where the log is cut
// stays known, older ones go.
func TestConfigurationsOfACutLog(t *testing.T) {
	for base, want := range map[Index]int{1: 2, 2: 1, 3: 1, 4: 0} {
		c := startedCluster(1)
		c.elect(1)
		for _, address := range []string{"a", "b"} { // at 2 and 4
			if _, _, err := c.core(1).ProposeConfChange(ConfChange{Op: UpdateMember, Member: Member{ID: 1, Address: address}}); err != nil {
				t.Fatal(err)
			}
			c.settle(1)
			c.stabilize()
			if err := c.propose(1, address); err != nil {
				t.Fatal(err)
			}
			c.stabilize()
		}
		core := c.core(1)
		before := core.ConfigurationAt(base)
		c.compact(1, base)
		after := core.ConfigurationAt(base)
		if describeConfiguration(before) != describeConfiguration(after) {
			t.Errorf("cut after %d: the configuration there was %s and is %s", base, describeConfiguration(before), describeConfiguration(after))
		}
		if n := len(core.configurations) - 1; n != want {
			t.Errorf("cut after %d: %d configurations follow, want %d", base, n, want)
		}
	}
}

// TestLimitsOfMembership: there are at most 16 members and 7 voters, and what an
// operator may not do is said in a sentence.
func TestLimitsOfMembership(t *testing.T) {
	c := startedCluster(7)
	c.elect(1)
	add := func(m Member) error {
		_, _, err := c.core(1).ProposeConfChange(ConfChange{Op: AddMember, Member: m})
		c.settle(1)
		c.stabilize()
		return err
	}
	for _, test := range []struct {
		member Member
		want   string
	}{
		{Member{ID: 8, Suffrage: Staging}, "7 voters already"},
		{Member{ID: 8, Suffrage: Voter}, "cannot come in as voter"},
		{Member{ID: 0, Name: "x", Suffrage: Learner}, "means no node"},
	} {
		var e *ConfChangeError
		if err := add(test.member); !errors.As(err, &e) || e.Retry || e.Done || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v is added: %v, want an error with %q", test.member, err, test.want)
		}
	}
	for id := NodeID(8); id <= maxMembers; id++ {
		if err := add(Member{ID: c.join(testConfig).id, Suffrage: Learner}); err != nil {
			t.Fatal(err)
		}
		c.start(id)
	}
	c.join(testConfig)
	if err := add(Member{ID: 17, Suffrage: Learner}); err == nil || !strings.Contains(err.Error(), "16 members already") {
		t.Errorf("one more than the most: %v", err)
	}
	for range 3 {
		c.tick(1)
	}
	c.stabilize()
	if _, _, err := c.core(1).ProposeConfChange(ConfChange{Op: PromoteMember, Member: Member{ID: 8}}); err == nil || !strings.Contains(err.Error(), "7 voters already") {
		t.Errorf("an eighth voter: %v", err)
	}
	if _, _, err := c.core(1).ProposeConfChange(ConfChange{Op: 9, Member: Member{ID: 8}}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("an unknown change: %v", err)
	}
}

// TestConfigurationsOnTheWire: a message with a configuration that makes no sense
// is refused and changes nothing.
func TestConfigurationsOnTheWire(t *testing.T) {
	learnersOnly := Configuration{Members: []Member{{ID: 1, Suffrage: Learner}}}
	for name, data := range map[string][]byte{
		"damaged":    {9},
		"empty":      AppendConfiguration(nil, Configuration{}),
		"no voter":   AppendConfiguration(nil, learnersOnly),
		"too many":   AppendConfiguration(nil, Configuration{Members: membersUpTo(8)}),
		"not sorted": AppendConfiguration(nil, Configuration{Members: []Member{{ID: 2}, {ID: 1}}}),
	} {
		c := follower(t, 1)
		m := Message{Type: AppendEntries, From: 2, To: 1, Term: 1, Entries: []Entry{{Term: 1, Index: 1, Type: EntryConfiguration, Data: data}}}
		var e *MessageError
		if err := c.core(1).Step(m); !errors.As(err, &e) || c.core(1).Last() != 0 {
			t.Errorf("%s: %v, the log ends at %d", name, err, c.core(1).Last())
		}
	}
}
