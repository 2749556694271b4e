package raft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Suffrage says what a member's voice counts. The numbers are on disk.
type Suffrage uint8

// The suffrages.
const (
	// Voter counts in every majority.
	Voter Suffrage = iota
	// Learner gets the log and counts in no majority (thesis §4.2.1). It still
	// votes when asked: who asks knows a newer configuration.
	Learner
	// Staging is a learner that the leader makes a voter by itself when it has
	// caught up.
	Staging
)

func (s Suffrage) String() string {
	switch s {
	case Voter:
		return "voter"
	case Learner:
		return "learner"
	case Staging:
		return "staging"
	}
	return "unknown suffrage"
}

// Member is one server of the cluster.
type Member struct {
	ID       NodeID
	Name     string
	Address  string // host:port where other members reach it
	Suffrage Suffrage
}

// Configuration is the set of members. It is an entry of the log and is in
// force from the moment that it is appended (thesis §4.1).
type Configuration struct {
	Members []Member // sorted by ID
	// Removed are the members removed last, newest last, at most removedMax. An
	// id is never used again, so a member that comes back after it was removed
	// can be told so.
	Removed []NodeID
}

// removedMax bounds Configuration.Removed.
const removedMax = 64

// ConfigurationAt is a configuration and the index of the entry that carries
// it; 0: the one that the log was made with.
type ConfigurationAt struct {
	Index         Index
	Configuration Configuration
}

// Snapshot names an image of the state machine: it contains every entry up to
// Index, whose term is Term. Configuration is the one in force there.
type Snapshot struct {
	Index         Index
	Term          Term
	Configuration ConfigurationAt
}

// Member returns the member with the id.
func (c *Configuration) Member(id NodeID) (Member, bool) {
	for i := range c.Members {
		if c.Members[i].ID == id {
			return c.Members[i], true
		}
	}
	return Member{}, false
}

// Named returns the member with the name.
func (c *Configuration) Named(name string) (Member, bool) {
	for i := range c.Members {
		if c.Members[i].Name == name {
			return c.Members[i], true
		}
	}
	return Member{}, false
}

// addressed returns the member with the address.
func (c *Configuration) addressed(address string) (Member, bool) {
	for i := range c.Members {
		if c.Members[i].Address == address && address != "" {
			return c.Members[i], true
		}
	}
	return Member{}, false
}

// votersToBe counts the voters and those that become voters by themselves.
func (c *Configuration) votersToBe() int {
	n := 0
	for i := range c.Members {
		if c.Members[i].Suffrage != Learner {
			n++
		}
	}
	return n
}

// label is what people call a member: by its name.
func (m *Member) label() string {
	if m.Name == "" {
		return m.ID.String()
	}
	return m.Name
}

// validate says in a sentence what is wrong with a configuration. One without
// members is that of a member that has not joined yet.
func (c *Configuration) validate() error {
	if n := len(c.Members); n > maxMembers {
		return fmt.Errorf("raft: the configuration has %d members; a cluster has at most %d", n, maxMembers)
	}
	voters := 0
	for i, m := range c.Members {
		if m.ID == 0 {
			return fmt.Errorf("raft: member %q has the id 0, which means no node", m.Name)
		}
		if i > 0 && m.ID <= c.Members[i-1].ID {
			return fmt.Errorf("raft: the members are not sorted by id, or %s is there twice", m.ID)
		}
		if slices.Contains(c.Removed, m.ID) {
			return fmt.Errorf("raft: member %s is there and removed at once", m.ID)
		}
		switch m.Suffrage {
		case Voter:
			voters++
		case Learner, Staging:
		default:
			return fmt.Errorf("raft: member %s has the unknown suffrage %d", m.ID, m.Suffrage)
		}
	}
	if len(c.Members) > 0 && (voters < 1 || voters > maxVoters) {
		return fmt.Errorf("raft: the configuration has %d voters; a cluster has 1 to %d", voters, maxVoters)
	}
	if n := len(c.Removed); n > removedMax {
		return fmt.Errorf("raft: the configuration names %d removed members; it names at most %d", n, removedMax)
	}
	return nil
}

// AppendConfiguration appends the form that a configuration has in entries, in
// the log's headers and in snapshots: the number of members, then each one's
// id, name, address and suffrage; the number of removed ones, then their ids.
// Numbers are uvarints, texts have their length before them.
func AppendConfiguration(b []byte, c Configuration) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.Members)))
	for _, m := range c.Members {
		b = binary.AppendUvarint(b, uint64(m.ID))
		b = appendText(b, m.Name)
		b = appendText(b, m.Address)
		b = binary.AppendUvarint(b, uint64(m.Suffrage))
	}
	b = binary.AppendUvarint(b, uint64(len(c.Removed)))
	for _, id := range c.Removed {
		b = binary.AppendUvarint(b, uint64(id))
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errConfiguration = errors.New("raft: configuration damaged")

// DecodeConfiguration reads what AppendConfiguration has written.
func DecodeConfiguration(b []byte) (Configuration, error) {
	d := configurationDecoder{rest: b}
	var c Configuration
	for n := d.number(); n > 0 && !d.failed; n-- {
		m := Member{ID: NodeID(d.number()), Name: d.text(), Address: d.text()}
		suffrage := d.number()
		d.failed = d.failed || suffrage > uint64(Staging)
		m.Suffrage = Suffrage(suffrage)
		c.Members = append(c.Members, m)
	}
	for n := d.number(); n > 0 && !d.failed; n-- {
		c.Removed = append(c.Removed, NodeID(d.number()))
	}
	if d.failed || len(d.rest) > 0 {
		return Configuration{}, errConfiguration
	}
	return c, nil
}

// configurationDecoder takes parts off rest until one is not there.
type configurationDecoder struct {
	rest   []byte
	failed bool
}

func (d *configurationDecoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.failed = true
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *configurationDecoder) text() string {
	n := d.number()
	if d.failed || n > uint64(len(d.rest)) {
		d.failed = true
		return ""
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}
