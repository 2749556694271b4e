// Package transport carries messages between members: Raft's, and the node's
// own proposals and their replies. It also carries images of the state machine,
// and calls: one question, one answer.
//
// In come values of raft.Message, Proposal and ProposalReply, through Send,
// SendProposals and SendReplies, which never block. Out they come at the other
// member's Handler, in batches, in the order in which they were sent within
// each of the three kinds. A Standing comes after those that were sent before it,
// or takes their place. What cannot be carried is dropped and counted: Raft
// sends again what matters, and the node proposes again. SendImage and Call
// block their caller; at the other member Config.Images and Config.Answer take
// what comes. Of our packages this one imports raft, for its types, and
// internal/vfs. It logs nothing: events go to the Handler, counts are in
// PeerState.
//
// Transport does this over TCP. TLS goes in from outside, by Config.Listener
// and Config.Dial. (The simulator has a network of its own: package sim.)
//
// # Members and guests
//
// SetPeers and SetRemoved say who the members are, now and whenever it changes.
// A node of our cluster that is not among them is a guest: it is heard, and
// dialled at the address in its Hello. Without guests a member whose
// configuration is behind would refuse the very leader that could bring it up
// to date; a node that joins knows nobody, so for it all members are guests.
// There are at most 8 (16 for who knows no member); one that has been away for
// a minute is forgotten. What guests say is judged by the core, which takes
// requests from strangers and ignores their responses.
//
// A second process with a member's id and data (a copied machine) is refused
// as long as the first is connected and was heard within half an idle timeout.
// So a member that was restarted gets in at once when its old connections are
// closed, and soon when nobody closed them.
//
// # Connections
//
// Each member dials each other member, and sends on the connection that it
// dialled. So a pair has two connections, each with one direction for data;
// against it flow only the answers to the handshake and to Pings. Images and
// calls have connections of their own, one each, so that no message waits behind
// them.
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
//	   6  Standing   [quarantined, [[index, digest], …]]
//	  16  Hello      {"node_id": …, …}
//	  17  Welcome    {"node_id": …, …}
//	  18  Refusal    {"code": …, "message": …, "hint": …}
//	  32  Image      [term, index, log term, configuration's index, configuration,
//	                  bytes, SHA-256]
//	  33  Have       how many bytes of the image are here
//	  34  Chunk      [offset, CRC32C of the data, data]
//	  35  Done       the image's bytes
//	  36  Call       the question, a byte string
//	  37  Answer     the answer, a byte string
//	  38  Failure    why not, a byte string
//
// Kinds 16 to 18 are rare and go through the msgpack library, as maps to which
// later versions may add keys. All others are encoded and decoded by hand: msgpack's unsigned integers,
// booleans, byte strings and arrays, each in its shortest form and no other, so
// that a value has one encoding. From and To of a message are not sent: the
// connection knows them, and nobody can claim to be another. Announced lengths
// and counts are believed only as far as bytes are there to fill them. Received
// data is not copied out of its frame: the frame's memory belongs to the
// entries then.
//
// # Handshake
//
//	dialling side                            accepting side
//	  "quorate\n" Hello ────────────────────▶
//	                  ◀──────────── "quorate\n" Welcome, or Refusal and close
//	  Ping, Image, Call ────────────────────▶
//	    or Refusal and close
//	                  ◀──────────── Pong; Have; Answer or Failure
//
// The eight bytes in front never change; Hello's protocol number stands for
// everything else. Hello also says what the connection is for: messages, an
// image or a call. Each side checks the other in this order: protocol number,
// cluster token, cluster id, that the id is not of a removed member nor its
// own; then, for a member, its name, Config.Admit, where Registry keeps out one
// that came back with another storage id, and that it is no second process. A
// refusal is told in words to the other side and to both Handlers. The token's
// digest keeps clusters apart that meet by mistake; against an enemy only TLS
// helps. A call may come from a node that has the token and no cluster id: it
// is about to join.
//
// A stranger gets HandshakeTimeout, one frame of 16 KiB, and one of
// MaxHandshakes places, of which the longest waiting is given away first. Only
// who knows the token may send more: a call of 1 MiB.
//
// # Images
//
//	sender                                   receiver
//	  Image ────────────────────────────────▶ ImageSink.Receive
//	                  ◀──────────── Have: it has a part already, or nothing
//	  Chunk ────────────────────────────────▶ ImageWriter.Write
//	                  ◀──────────── Have
//	  …
//	                                          ImageWriter.Commit
//	                  ◀──────────── Done
//
// A chunk is at most 1 MiB. Either side sends Pings while it is busy or bound
// by the rate; silence for ImageIdleTimeout ends the connection. Whatever the
// receiver cannot do it says in a Failure. A broken transfer is no loss: the
// next one of the same image begins where the receiver is. A member receives
// one image at a time; that of a later term, or a higher index in one term, or
// the same again, takes the place of the present one.
package transport
