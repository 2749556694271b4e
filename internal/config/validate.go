package config

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// membersMax is the largest cluster: more members make every write wait for
// more disks and survive no failure that matters.
const membersMax = 7

// derive fills the settings whose default depends on others.
func (c *Loaded) derive(hostname func() (string, error)) error {
	if c.Name == "" {
		name, err := hostname()
		if err != nil {
			return usage(fmt.Errorf("name: the host name is not known: %w", err), "Give the member a name with --name.")
		}
		c.Name = name
	}
	if c.WALDir == "" {
		c.WALDir = filepath.Join(c.DataDir, "wal")
	}
	if c.PeerAdvertise == "" {
		c.PeerAdvertise = c.PeerListen
		if i := c.self(); i >= 0 {
			c.PeerAdvertise = c.InitialCluster[i].Address
		}
	}
	if c.Preset == "wan" {
		c.preset("raft.heartbeat", func() { c.Heartbeat = 250 * time.Millisecond })
		c.preset("raft.election", func() { c.Election = Range{time.Second, 2 * time.Second} })
	}
	if c.SQLAdvertise == "" {
		c.SQLAdvertise = c.reachable(c.SQLListen)
	}
	return nil
}

// preset sets a setting that was not given.
func (c *Loaded) preset(key string, set func()) {
	for i := range c.Values {
		if v := &c.Values[i]; v.Key == key && v.Source == "default" {
			set()
			v.Source = "raft.preset " + string(c.Preset)
		}
	}
}

// AdminAdvertise is the address of the admin endpoints that others are told.
func (c *Config) AdminAdvertise() Address { return c.reachable(c.AdminListen) }

// reachable returns the address under which others reach a listener: when it
// listens everywhere, the host by which members know this node.
func (c *Config) reachable(listen Address) Address {
	if !listen.everywhere() {
		return listen
	}
	return Address(net.JoinHostPort(c.PeerAdvertise.Host(), listen.Port()))
}

// self returns this node's place in InitialCluster, or -1.
func (c *Config) self() int {
	return slices.IndexFunc(c.InitialCluster, func(m Member) bool { return m.Name == c.Name })
}

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// CheckName says what is wrong with a member's name.
func CheckName(name string) error {
	if !validName.MatchString(name) {
		return errors.New("expected letters, digits, dots, dashes or underscores, at most 63, starting with a letter or digit")
	}
	return nil
}

// CheckPeerAddress says what is wrong with the address at which other members
// are to reach one.
func CheckPeerAddress(text string) error {
	var address Address
	if err := address.UnmarshalText([]byte(text)); err != nil {
		return err
	}
	if address.everywhere() {
		return errors.New("no other machine can connect to this host")
	}
	return nil
}

// validate checks what concerns more than one setting.
func (c *Loaded) validate() error {
	if err := CheckName(c.Name); err != nil {
		return c.bad("name", c.Name, err.Error(), "Give the member a name with --name.")
	}
	if err := c.validateAddresses(); err != nil {
		return err
	}
	if err := c.validateMembers(); err != nil {
		return err
	}
	if err := c.validateJoin(); err != nil {
		return err
	}
	if c.SegmentBytes < segmentBytesMin || c.SegmentBytes > segmentBytesMax {
		return c.bad("wal.segment-bytes", c.SegmentBytes, "expected 12KiB to 1GiB", "16MiB suits most disks.")
	}
	if delay := time.Duration(c.BatchDelay); delay >= c.QuorumTimeout {
		return c.bad("raft.max-batch-delay", c.BatchDelay, fmt.Sprintf("it must be shorter than quorum-timeout, %v, after which statements fail", c.QuorumTimeout),
			"0s suits almost every disk; otherwise try a quarter of the time that a flush takes.")
	}
	if c.Heartbeat < heartbeatMin {
		return c.bad("raft.heartbeat", c.Heartbeat, fmt.Sprintf("it must be at least %v", heartbeatMin), "50ms suits members in one place.")
	}
	if c.Heartbeat >= c.Election.Min {
		return c.bad("raft.heartbeat", c.Heartbeat, fmt.Sprintf("it must be shorter than the shortest election timeout, %v", c.Election.Min),
			"A third of raft.election's start is a good value: followers then miss two heartbeats before they call an election.")
	}
	return nil
}

// Loopback reports whether only this machine can connect to an address.
func Loopback(text string) bool { return Address(text).loopback() }

func (c *Loaded) validateAddresses() error {
	listeners := []struct {
		key     string
		address Address
	}{{"sql.listen", c.SQLListen}, {"peer.listen", c.PeerListen}, {"admin.listen", c.AdminListen}}
	for i, one := range listeners {
		for _, other := range listeners[:i] {
			if one.address == other.address {
				return c.bad(one.key, one.address, "it is also "+other.key, "Each listener needs a port of its own.")
			}
		}
	}
	for _, open := range listeners {
		if !open.address.loopback() && !c.Insecure {
			return c.bad(open.key, open.address, "there is no TLS and no password yet, so it must be on loopback",
				"If everyone who can reach this address is trusted, say so with --insecure.")
		}
	}
	advertised := []struct {
		key     string
		address Address
	}{{"peer.advertise", c.PeerAdvertise}, {"sql.advertise", c.SQLAdvertise}}
	for _, a := range advertised {
		if a.address.everywhere() {
			return c.bad(a.key, a.address, "no other machine can connect to this host", "Give --peer-advertise the host name or address by which others reach this node.")
		}
	}
	return nil
}

// heartbeatMin is the finest step of a node's clock.
const heartbeatMin = time.Millisecond

// What the log takes (raft/wal's Options).
const segmentBytesMin, segmentBytesMax = 12 << 10, 1 << 30

// validateJoin checks that a node that is to join says so in one way only, and
// that the others will be able to reach it.
func (c *Loaded) validateJoin() error {
	if len(c.Join) == 0 {
		if c.Learner {
			return c.bad("cluster.learner", true, "only a node that joins begins as a learner", "Name members to join with --join HOST:PORT.")
		}
		return nil
	}
	if len(c.InitialCluster) > 0 {
		return c.bad("cluster.join", c.Join, "cluster.initial is given too",
			"A node either is one of those that a new cluster starts with, or joins a running one: leave one of the two out.")
	}
	for _, member := range c.Join {
		switch {
		case member == c.PeerAdvertise:
			return c.bad("cluster.join", c.Join, "this node itself is at "+string(member), "Name members of the running cluster, or give this node another --peer-listen.")
		case !member.loopback() && c.PeerAdvertise.loopback():
			return c.bad("peer.advertise", c.PeerAdvertise, "the member at "+string(member)+" is on another machine and cannot connect to this address",
				"Give --peer-listen, and where it differs --peer-advertise, the address by which others reach this node.")
		}
	}
	return nil
}

func (c *Loaded) validateMembers() error {
	if len(c.InitialCluster) == 0 {
		return nil
	}
	written := c.InitialCluster.String()
	names, addresses := map[string]bool{}, map[Address]bool{}
	for _, m := range c.InitialCluster {
		switch {
		case !validName.MatchString(m.Name):
			return c.bad("cluster.initial", written, fmt.Sprintf("%q is not a member's name", m.Name), "Names are letters, digits, dots, dashes and underscores.")
		case names[m.Name]:
			return c.bad("cluster.initial", written, "it has two members called "+m.Name, "Every member has a name of its own.")
		case addresses[m.Address]:
			return c.bad("cluster.initial", written, "it has two members at "+string(m.Address), "Every member has a peer address of its own.")
		case m.Address.everywhere():
			return c.bad("cluster.initial", written, "no other machine can connect to "+string(m.Address), "Give the host name or address by which others reach "+m.Name+".")
		}
		names[m.Name], addresses[m.Address] = true, true
	}
	if n := len(c.InitialCluster); n > membersMax {
		return c.bad("cluster.initial", written, fmt.Sprintf("it has %d members; at most %d may vote", n, membersMax), "Three members survive the loss of one, five of two, seven of three.")
	} else if n%2 == 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("a cluster of %d survives no more losses than one of %d", n, n-1))
	}
	i := c.self()
	if i < 0 {
		return c.bad("cluster.initial", written, "this node, "+c.Name+", is not in it", "Add it, or give this node one of the names with --name.")
	}
	if own := c.InitialCluster[i].Address; own != c.PeerAdvertise {
		return c.bad("peer.advertise", c.PeerAdvertise, "cluster.initial says "+string(own), "Leave peer.advertise out, or make the two equal.")
	}
	return nil
}

// bad makes the error for a value that is well formed and yet wrong.
func (c *Loaded) bad(key string, value any, reason, hint string) error {
	source := "default"
	for _, v := range c.Values {
		if v.Key == key {
			source = v.Source
		}
	}
	return usage(fmt.Errorf("%s = %q (%s): %w", key, fmt.Sprint(value), source, errors.New(reason)), hint)
}
