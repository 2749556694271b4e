package transport

import (
	"errors"
	"fmt"
)

// Why a connection was closed. Disconnected and Refused wrap them in a
// sentence; PeerState.LastError keeps the latest.
var (
	// ErrMalformed: a frame does not decode. It says which kind and why.
	ErrMalformed = errors.New("transport: malformed frame")
	// ErrFrameTooLarge: a frame is longer than Config.MaxFrameBytes.
	ErrFrameTooLarge = errors.New("transport: frame over the size limit")
	// ErrNotPeerProtocol: the first bytes are not a member's: a browser, a
	// port scan, a client that took the wrong port.
	ErrNotPeerProtocol = errors.New("transport: the other side does not speak the peer protocol")
	// ErrIdle: nothing arrived for Config.IdleTimeout, not even a Ping.
	ErrIdle = errors.New("transport: nothing heard from the peer")
	// ErrReplaced: the peer opened a newer connection.
	ErrReplaced = errors.New("transport: replaced by a newer connection")
	// ErrNotMember: the peer is no member any more, or a guest that was
	// forgotten.
	ErrNotMember = errors.New("transport: the peer is not a member any more")
	// ErrMoved: the peer has another address now and is dialled there.
	ErrMoved = errors.New("transport: the peer has another address now")
	// ErrDamaged: a part of an image does not fit its checksum.
	ErrDamaged = errors.New("transport: a part of the image was damaged on the way")
)

// RefusalCode says why one member does not talk to another. The numbers are
// on the wire.
type RefusalCode uint8

// The refusals.
const (
	// RefusedProtocol: the other side speaks another protocol version.
	RefusedProtocol RefusalCode = iota + 1
	// RefusedToken: the cluster tokens differ.
	RefusedToken
	// RefusedCluster: the cluster ids differ, though the tokens are equal.
	RefusedCluster
	// RefusedSelf: the other side has this member's own id: two nodes were
	// started with one name, or an address leads back to this node.
	RefusedSelf
	// RefusedUnknown: the other side has a member's id and another name, or is
	// one guest too many.
	RefusedUnknown
	// RefusedWrongMember: an address leads to another member than expected.
	RefusedWrongMember
	// RefusedStorage: a known member came back with another storage id.
	RefusedStorage
	// RefusedUnable: the member could not decide, for a reason of its own.
	RefusedUnable
	// RefusedRemoved: the other side was a member and was removed.
	RefusedRemoved
	// RefusedTwin: another process with the same id and data is connected. It
	// may have died a moment ago, so trying again is right.
	RefusedTwin
)

func (c RefusalCode) String() string {
	switch c {
	case RefusedProtocol:
		return "other protocol version"
	case RefusedToken:
		return "wrong cluster token"
	case RefusedCluster:
		return "wrong cluster"
	case RefusedSelf:
		return "own id"
	case RefusedUnknown:
		return "unknown member"
	case RefusedWrongMember:
		return "wrong member"
	case RefusedStorage:
		return "other storage id"
	case RefusedUnable:
		return "unable to decide"
	case RefusedRemoved:
		return "removed member"
	case RefusedTwin:
		return "second process"
	}
	return fmt.Sprintf("refusal %d", uint8(c))
}

// Refusal is a handshake that did not succeed, in words for a person. Both
// sides learn it: the one that refuses, and, ByPeer, the one that is refused.
type Refusal struct {
	Code    RefusalCode
	Message string // a sentence without a full stop
	Hint    string // what to do, a full sentence; "" for none
	// ByPeer: the other side refused us, in its words. A node may want to
	// stop then; a peer that was refused is only worth a log line.
	ByPeer bool
}

func (r *Refusal) Error() string {
	if r.ByPeer {
		return "transport: refused by peer: " + r.Message
	}
	return "transport: refused: " + r.Message
}
