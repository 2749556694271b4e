package config

import (
	"errors"
	"math"
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

// Addresses are one or more addresses, separated by commas.
type Addresses []Address

// UnmarshalText parses the list.
func (a *Addresses) UnmarshalText(text []byte) error {
	var addresses Addresses
	for part := range strings.SplitSeq(string(text), ",") {
		var address Address
		if err := address.UnmarshalText([]byte(strings.TrimSpace(part))); err != nil {
			return err
		}
		addresses = append(addresses, address)
	}
	*a = addresses
	return nil
}

// String writes the list as it is read.
func (a Addresses) String() string {
	parts := make([]string, len(a))
	for i, address := range a {
		parts[i] = string(address)
	}
	return strings.Join(parts, ",")
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

// Preset names values for settings that belong together.
type Preset string

// UnmarshalText accepts the two presets.
func (p *Preset) UnmarshalText(text []byte) error {
	switch Preset(text) {
	case "lan", "wan":
		*p = Preset(text)
		return nil
	}
	return errors.New("expected lan or wan")
}

// Count is a number of things, at least one.
type Count int

// UnmarshalText parses the number.
func (c *Count) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 1 {
		return errors.New("expected a whole number, at least 1")
	}
	*c = Count(n)
	return nil
}

// Delay is a duration that may be zero.
type Delay time.Duration

// UnmarshalText parses the duration.
func (d *Delay) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 {
		return errors.New("expected a duration with a unit, such as 2ms, or 0s")
	}
	*d = Delay(parsed)
	return nil
}

// String writes the delay as it is read.
func (d Delay) String() string { return time.Duration(d).String() }

// Size is a number of bytes.
type Size int64

// sizeUnits are the units of sizes, the largest first. There is no MB, which
// some take for a million and some for 2^20.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// UnmarshalText parses a whole number of a unit.
func (s *Size) UnmarshalText(text []byte) error {
	for _, unit := range sizeUnits {
		number, ok := strings.CutSuffix(string(text), unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 1 || n > math.MaxInt64/unit.bytes {
			break
		}
		*s = Size(n * unit.bytes)
		return nil
	}
	return errors.New("expected a size with a unit, B, KiB, MiB, GiB or TiB, such as 64MiB")
}

// String writes the size in the largest unit of which it is a whole number.
func (s Size) String() string {
	for _, unit := range sizeUnits {
		if n := int64(s); n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return "" // every number is a whole number of bytes
}
