// Package transport carries messages between members: Raft's, and the node's
// own proposals and their replies.
//
// In come values of raft.Message, Proposal and ProposalReply, through Send,
// SendProposals and SendReplies, which never block. Out they come at the other
// member's Handler, in batches, in the order in which they were sent within
// each of the three kinds. What cannot be carried is dropped and counted: Raft
// sends again what matters, and the node proposes again. Of our packages this
// one imports raft, for its types, and internal/vfs. It logs nothing: events go
// to the Handler, counts are in PeerState.
//
// Transport does this over TCP, Endpoint within one process (see Network). TLS
// goes in from outside, by Config.Listener and Config.Dial.
//
// # Connections
//
// Each member dials each other member, and sends on the connection that it
// dialled. So a pair has two connections, each with one direction for data;
// against it flow only the answers to the handshake and to Pings.
//
//	n1 ──── dialled by n1: n1's messages ───▶ n2
//	   ◀─── Welcome, Pongs ────────────────
//	n1 ◀─── dialled by n2: n2's messages ──── n2
//	   ──── Welcome, Pongs ───────────────▶
//
// One goroutine a connection sends: it takes all that waits for the peer and
// writes it with one write. One goroutine receives, and answers Pings. A
// connection on which nothing arrives for an idle timeout is closed. A broken
// one is dialled again after a pause that doubles, and at once when the peer
// connects to us. Nothing is kept from one connection to the next.
//
// # Frames
//
// A frame is a length, big-endian, and a msgpack array of two: the kind and
// what it carries. A frame that is longer than Config.MaxFrameBytes, or does
// not decode, ends its connection and no other.
//
//	+------------+------+------+------------------+
//	| length (4) | 0x92 | kind | one value        |
//	+------------+------+------+------------------+
//	              \______ length bytes __________/
//
//	kind  frame      value
//	   1  Messages   [[type, term, index, log term, commit, reject, hint index,
//	                   hint term, round, request, transfer, full,
//	                   [[term, index, type, data], …]], …]
//	   2  Proposals  [[origin, term, seq, low water, data], …]
//	   3  Replies    [[incarnation, seq, term, accepted, reason], …]
//	   4  Ping       the sender's clock
//	   5  Pong       the Ping's value
//	  16  Hello      {"node_id": …, …}
//	  17  Welcome    {"node_id": …, …}
//	  18  Refusal    {"code": …, "message": …, "hint": …}
//
// Kinds 1 to 5 are encoded and decoded by hand: msgpack's unsigned integers,
// booleans, byte strings and arrays, each in its shortest form and no other, so
// that a value has one encoding. From and To of a message are not sent: the
// connection knows them, and nobody can claim to be another. Announced lengths
// and counts are believed only as far as bytes are there to fill them. Received
// data is not copied out of its frame: the frame's memory belongs to the
// entries then. Kinds 16 to 18 are rare and go through the msgpack library, as
// maps to which later versions may add keys.
//
// # Handshake
//
//	dialling side                            accepting side
//	  "quorate\n" Hello ────────────────────▶
//	                  ◀──────────── "quorate\n" Welcome, or Refusal and close
//	  Ping, or Refusal and close ───────────▶
//	                  ◀──────────── Pong; the connection stands
//
// The eight bytes in front never change; Hello's protocol number stands for
// everything else. Each side checks the other in this order: protocol number,
// cluster token, cluster id, a member id that is not its own, membership under
// that id and name, and at last Config.Admit, where Registry keeps out a member
// that came back with another storage id. A refusal is told in words to the
// other side and to both Handlers. The token's digest keeps clusters apart that
// meet by mistake; against an enemy only TLS helps.
//
// A stranger gets HandshakeTimeout, one frame of 16 KiB, and one of
// MaxHandshakes places, of which the longest waiting is given away first.
package transport
