package config

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The kinds of values. Each parses its text and says what it expects; each
// prints as it is written.

// Address is a host and a port.
type Address string

// UnmarshalText checks the form; whether the host exists is for the network to say.
func (a *Address) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err != nil || strings.ContainsAny(host, " /@") {
		return errors.New("expected HOST:PORT, such as localhost:4432 or [::1]:4432")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return errors.New("expected a port from 1 to 65535 after the colon")
	}
	*a = Address(text)
	return nil
}

// Host returns the part before the port, without brackets.
func (a Address) Host() string {
	host, _, _ := net.SplitHostPort(string(a))
	return host
}

// Port returns the part after the host.
func (a Address) Port() string {
	_, port, _ := net.SplitHostPort(string(a))
	return port
}

// everywhere reports whether a socket on this address listens on all
// interfaces, so that the address tells nobody where to connect.
func (a Address) everywhere() bool {
	host := a.Host()
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// loopback reports whether only this machine can connect.
func (a Address) loopback() bool {
	host := a.Host()
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Member is one member of a new cluster.
type Member struct {
	Name    string
	Address Address
}

// Members are the members of a new cluster, as n1=host:7432,n2=host:7432.
type Members []Member

// UnmarshalText parses the list.
func (m *Members) UnmarshalText(text []byte) error {
	var members Members
	for part := range strings.SplitSeq(string(text), ",") {
		name, address, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return errors.New("expected NAME=HOST:PORT,NAME=HOST:PORT,… such as n1=10.0.0.1:7432,n2=10.0.0.2:7432,n3=10.0.0.3:7432")
		}
		member := Member{Name: name}
		if err := member.Address.UnmarshalText([]byte(address)); err != nil {
			return errors.New("member " + name + ": " + err.Error())
		}
		members = append(members, member)
	}
	*m = members
	return nil
}

// String writes the list as it is read.
func (m Members) String() string {
	parts := make([]string, len(m))
	for i, member := range m {
		parts[i] = member.Name + "=" + string(member.Address)
	}
	return strings.Join(parts, ",")
}

// Range is a range of durations from which one is drawn at random.
type Range struct{ Min, Max time.Duration }

// UnmarshalText parses MIN-MAX.
func (r *Range) UnmarshalText(text []byte) error {
	low, high, ok := strings.Cut(string(text), "-")
	min, errMin := time.ParseDuration(strings.TrimSpace(low))
	max, errMax := time.ParseDuration(strings.TrimSpace(high))
	if !ok || errMin != nil || errMax != nil || min <= 0 {
		return errors.New("expected MIN-MAX with units, such as 150ms-300ms")
	}
	if max <= min {
		return errors.New("the end must be later than the start, such as 150ms-300ms: with equal timeouts, candidates meet and split the vote")
	}
	*r = Range{min, max}
	return nil
}

// String writes the range as it is read.
func (r Range) String() string { return r.Min.String() + "-" + r.Max.String() }

// Level is the least important level that is logged.
type Level string

// UnmarshalText accepts the four levels.
func (l *Level) UnmarshalText(text []byte) error {
	switch Level(text) {
	case "debug", "info", "warn", "error":
		*l = Level(text)
		return nil
	}
	return errors.New("expected debug, info, warn or error")
}

// Format is the form of log lines.
type Format string

// UnmarshalText accepts the three forms.
func (f *Format) UnmarshalText(text []byte) error {
	switch Format(text) {
	case "auto", "json", "console":
		*f = Format(text)
		return nil
	}
	return errors.New("expected auto, json or console")
}
