package transport

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"quorate/raft"
)

// Protocol is the version of everything after the preamble. It counts up when
// a frame changes; members of different versions refuse each other.
//
//	1  the first
//	2  messages tell of leadership transfers and full disks, entries carry
//	   configurations
//	3  members tell each other their effects digests
const Protocol = 3

// preamble opens every connection, so that whatever else knocks at the port is
// known by its first bytes.
const preamble = "quorate\n"

// purpose is what a connection is for. It stands in the Hello, because who is
// let in depends on it. The numbers are on the wire.
type purpose uint8

const (
	forMessages purpose = iota
	forImage
	forCall
)

// handshakeFrameBytes bounds a Hello, Welcome or Refusal: what a stranger can
// make us keep.
const handshakeFrameBytes = 16 << 10

// The longest strings in them.
const (
	wordBytes     = 256 // a name, an address, a version
	sentenceBytes = 2048
)

// Hello is what a member says of itself: first on each connection that it
// dials, and as its Welcome on each that it accepts.
type Hello struct {
	// ClusterID is equal on all members: the hash of token and initial members.
	ClusterID [16]byte
	// StorageID is drawn at random when a data directory is made.
	StorageID [16]byte
	// TokenDigest is a hash of the cluster token. It keeps clusters apart that
	// meet by mistake; it is no secret and keeps nobody out. It is zero in
	// every Hello that this package hands out.
	TokenDigest [32]byte
	NodeID      raft.NodeID
	// Process is drawn at random at each start. It tells a member that was
	// restarted from a second process with the same data.
	Process uint64
	Name    string
	// The addresses under which others reach this member.
	SQLAddr, PeerAddr, AdminAddr string
	Version                      string // of the binary
	Protocol                     int    // New fills it in
	// Engine identifies what decides the outcome of statements: SQLite's
	// version and options, the function set, the architecture.
	Engine string
}

// wireHello and wireRefusal are the msgpack maps: fields may be added, and
// readers skip what they do not know.
type wireHello struct {
	Protocol    int    `codec:"protocol"`
	Purpose     uint8  `codec:"purpose"` // of the connection; a Welcome repeats it
	ClusterID   []byte `codec:"cluster_id"`
	StorageID   []byte `codec:"storage_id"`
	TokenDigest []byte `codec:"token_digest"`
	NodeID      uint64 `codec:"node_id"`
	Process     uint64 `codec:"process"`
	Name        string `codec:"name"`
	SQLAddr     string `codec:"sql_addr"`
	PeerAddr    string `codec:"peer_addr"`
	AdminAddr   string `codec:"admin_addr"`
	Version     string `codec:"version"`
	Engine      string `codec:"engine"`
}

type wireRefusal struct {
	Code    uint8  `codec:"code"`
	Message string `codec:"message"`
	Hint    string `codec:"hint"`
}

// handle sets the codec to the present msgpack specification (str8, bin) and
// to one order of map keys.
func handle() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{WriteExt: true, PositiveIntUnsigned: true}
	h.Canonical = true
	h.MaxDepth = 8
	h.MaxInitLen = 64
	return h
}

func encodeHandshake(kind frameKind, v any) ([]byte, error) {
	b, start := beginFrame(nil, kind)
	var body []byte
	if err := codec.NewEncoderBytes(&body, handle()).Encode(v); err != nil {
		return nil, fmt.Errorf("transport: encode handshake: %w", err)
	}
	b = endFrame(append(b, body...), start)
	if len(b)-lengthBytes > handshakeFrameBytes {
		return nil, fmt.Errorf("%w: handshake of %d bytes, at most %d", ErrFrameTooLarge, len(b), handshakeFrameBytes)
	}
	return b, nil
}

func encodeHello(kind frameKind, h Hello, p purpose) ([]byte, error) {
	return encodeHandshake(kind, &wireHello{
		Protocol: h.Protocol, Purpose: uint8(p), ClusterID: h.ClusterID[:], StorageID: h.StorageID[:], TokenDigest: h.TokenDigest[:],
		NodeID: uint64(h.NodeID), Process: h.Process, Name: h.Name, SQLAddr: h.SQLAddr, PeerAddr: h.PeerAddr, AdminAddr: h.AdminAddr,
		Version: h.Version, Engine: h.Engine,
	})
}

func encodeRefusal(r *Refusal) ([]byte, error) {
	return encodeHandshake(kindRefusal, &wireRefusal{
		Code: uint8(r.Code), Message: cut(r.Message), Hint: cut(r.Hint),
	})
}

// cut makes a sentence fit: half a reason is better than none.
func cut(s string) string {
	return printable(s[:min(len(s), sentenceBytes)])
}

// printable replaces by a space, or drops, what could play with a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// splitFrame splits a frame's body into its kind and the value after it.
func splitFrame(body []byte) (frameKind, []byte, error) {
	r := reader{buf: body}
	r.tuple(2)
	kind := frameKind(r.uint8())
	if r.err != nil {
		return 0, nil, fmt.Errorf("%w: no kind: %w", ErrMalformed, r.err)
	}
	return kind, body[r.pos:], nil
}

func decodeValue(b []byte, v any) error {
	d := codec.NewDecoderBytes(b, handle())
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: handshake: %w", ErrMalformed, err)
	}
	if d.NumBytesRead() != len(b) {
		return fmt.Errorf("%w: handshake: %w", ErrMalformed, errTrailing)
	}
	return nil
}

func decodeHello(b []byte) (Hello, purpose, error) {
	var w wireHello
	if err := decodeValue(b, &w); err != nil {
		return Hello{}, 0, err
	}
	h := Hello{
		NodeID: raft.NodeID(w.NodeID), Process: w.Process, Name: w.Name, SQLAddr: w.SQLAddr, PeerAddr: w.PeerAddr, AdminAddr: w.AdminAddr,
		Version: w.Version, Protocol: w.Protocol, Engine: w.Engine,
	}
	for _, s := range []string{h.Name, h.SQLAddr, h.PeerAddr, h.AdminAddr, h.Version, h.Engine} {
		if err := checkText(s, wordBytes); err != nil {
			return Hello{}, 0, err
		}
	}
	// Another version may have other ids and purposes: its number is all that
	// counts.
	if h.Protocol != Protocol {
		return h, 0, nil
	}
	if copy(h.ClusterID[:], w.ClusterID) != len(w.ClusterID) || len(w.ClusterID) != len(h.ClusterID) ||
		copy(h.StorageID[:], w.StorageID) != len(w.StorageID) || len(w.StorageID) != len(h.StorageID) ||
		copy(h.TokenDigest[:], w.TokenDigest) != len(w.TokenDigest) || len(w.TokenDigest) != len(h.TokenDigest) {
		return Hello{}, 0, fmt.Errorf("%w: handshake: an id is not of its length", ErrMalformed)
	}
	if purpose(w.Purpose) > forCall {
		return Hello{}, 0, fmt.Errorf("%w: handshake: a connection for purpose %d", ErrMalformed, w.Purpose)
	}
	return h, purpose(w.Purpose), nil
}

func decodeRefusal(b []byte) (*Refusal, error) {
	var w wireRefusal
	if err := decodeValue(b, &w); err != nil {
		return nil, err
	}
	if err := errors.Join(checkText(w.Message, sentenceBytes), checkText(w.Hint, sentenceBytes)); err != nil {
		return nil, err
	}
	return &Refusal{Code: RefusalCode(w.Code), Message: w.Message, Hint: w.Hint, ByPeer: true}, nil
}

// checkText keeps what ends in logs and on terminals printable.
func checkText(s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%w: handshake: a string of %d bytes, at most %d", ErrMalformed, len(s), limit)
	}
	if s != printable(s) {
		return fmt.Errorf("%w: handshake: a string holds unprintable characters", ErrMalformed)
	}
	return nil
}

// readHandshake reads one frame under the small limit of strangers.
func readHandshake(r io.Reader) (frameKind, []byte, error) {
	return readFrame(r, nil, handshakeFrameBytes)
}

// readFrame reads one frame of at most limit bytes, without its length. Its
// value lies in buf if that is large enough; else in memory of its own.
func readFrame(r io.Reader, buf []byte, limit int) (frameKind, []byte, error) {
	var prefix [lengthBytes]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(prefix[:])
	if uint64(length) > uint64(limit) {
		return 0, nil, fmt.Errorf("%w: %d bytes where at most %d may come", ErrFrameTooLarge, length, limit)
	}
	n := int(length)
	if cap(buf) < n {
		body, err := readBody(r, n)
		if err != nil {
			return 0, nil, err
		}
		return splitFrame(body)
	}
	if _, err := io.ReadFull(r, buf[:n]); err != nil {
		return 0, nil, err
	}
	return splitFrame(buf[:n])
}

// readPreamble reads the fixed first bytes and says what came instead.
func readPreamble(r io.Reader) error {
	var b [len(preamble)]byte
	n, err := io.ReadFull(r, b[:])
	if n > 0 && !bytes.HasPrefix([]byte(preamble), b[:n]) {
		return fmt.Errorf("%w: it began with %q", ErrNotPeerProtocol, b[:n])
	}
	return err
}

// examine compares a peer's Hello with ours. What it finds is the refusal to
// send, in the order in which a person would want to know.
func examine(self, peer Hello, p purpose, removed []raft.NodeID) *Refusal {
	switch {
	case peer.Protocol != self.Protocol:
		return &Refusal{Code: RefusedProtocol,
			Message: fmt.Sprintf("%s speaks version %d of the peer protocol, %s (quorate %s) speaks %d",
				nameOf(self), self.Protocol, nameOf(peer), peer.Version, peer.Protocol),
			Hint: "Run the same version of quorate on all members."}
	case subtle.ConstantTimeCompare(peer.TokenDigest[:], self.TokenDigest[:]) != 1:
		return &Refusal{Code: RefusedToken,
			Message: fmt.Sprintf("the cluster tokens of %s and %s differ", nameOf(self), nameOf(peer)),
			Hint:    "Start all members with the same --cluster-token; if these are different clusters, correct the address."}
	case p == forCall && (peer.ClusterID == [16]byte{} || self.ClusterID == [16]byte{}):
		return nil // who is about to join does not know more
	case peer.ClusterID != self.ClusterID:
		return &Refusal{Code: RefusedCluster,
			Message: fmt.Sprintf("%s belongs to cluster %x, %s to cluster %x", nameOf(self), self.ClusterID, nameOf(peer), peer.ClusterID),
			Hint:    "Start all members with the same --initial-cluster and --cluster-token; if these are different clusters, correct the address."}
	case slices.Contains(removed, peer.NodeID):
		return &Refusal{Code: RefusedRemoved,
			Message: fmt.Sprintf("%s was removed from the cluster", nameOf(peer)),
			Hint:    "Stop it. To let the machine in again, start it with an empty data directory and --join."}
	case peer.NodeID == self.NodeID && peer.StorageID == self.StorageID && (peer.Process == self.Process || p == forCall):
		return &Refusal{Code: RefusedSelf,
			Message: fmt.Sprintf("an address given for another member leads back to %s itself", nameOf(self)),
			Hint:    "Correct the addresses of the members."}
	case peer.NodeID == self.NodeID && peer.StorageID == self.StorageID:
		return twinRefusal(self, peer)
	case peer.NodeID == self.NodeID:
		return &Refusal{Code: RefusedSelf,
			Message: fmt.Sprintf("two nodes say that they are %s: one at %s, one at %s", nameOf(self), self.PeerAddr, peer.PeerAddr),
			Hint:    "Give every node a --name of its own."}
	}
	return nil
}

// twinRefusal refuses a process with the identity of one that runs.
func twinRefusal(running, second Hello) *Refusal {
	return &Refusal{Code: RefusedTwin,
		Message: fmt.Sprintf("another process with the data of %s is running already, at %s", nameOf(running), running.PeerAddr),
		Hint:    "Stop one of them. If " + nameOf(second) + " was only restarted, it is let in within seconds."}
}

// misnamed refuses a member that gives another name than the configuration.
func misnamed(self, peer Hello, name string) *Refusal {
	return &Refusal{Code: RefusedUnknown,
		Message: fmt.Sprintf("%s has the id of %s in the cluster of %s", nameOf(peer), name, nameOf(self)),
		Hint:    "Start it with the --name that it had; names are case sensitive."}
}

func nameOf(h Hello) string {
	if h.Name == "" {
		return "member " + h.NodeID.String()
	}
	return h.Name
}
