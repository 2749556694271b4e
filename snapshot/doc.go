// Package snapshot keeps images of the state machine on their way from one
// member to another, in a directory of its own.
//
// In come images that the leader sends (Receive, whose Writer has the methods
// that the transport asks of one) and wishes for an image to send (Outgoing). Out
// go a received image, whole, verified and durable, for the state machine to
// install, and open files to send from. Place puts an image there for a node that
// is restored from a file. The package does not know what is in an
// image: Options.Make makes one. It reaches files through internal/vfs and may
// import raft, for its types; it knows neither sqlfsm nor transport.
//
// # The directory
//
//	incoming          the image that is being received
//	received-N.image  an image that was received, for installing; N is its index
//	received-N.meta   what it is; it is written last, so an image that has one is whole
//	outgoing-K        an image that is being sent; K counts
//
// N has 16 hexadecimal digits. Only a received image outlives the process;
// everything else is removed at the next start.
//
// # An image's meta file
//
// Numbers are big endian.
//
//	+------------+---------+-------+------+-------+---------+
//	| "quorsnap" | version | index | term | bytes | SHA-256 |
//	|     8      |    1    |   8   |  8   |   8   |   32    |
//	+------------+---------+-------+------+-------+---------+
//	| index of the configuration 8 | configuration, as     |
//	|   raft.AppendConfiguration writes it | CRC32C of it all 4 |
//	+------------------------------------------------------+
//
// # Installing
//
// A crash at any point of this leaves a member that can go on:
//
//  1. Writer.Commit: the image and its meta file are durable; Options.Received
//     is told.
//  2. The core accepts it, and the log begins after its index, durably.
//  3. The state machine takes the image (Path), by renaming it.
//  4. Forget removes what is left.
//
// A member that starts and finds that its log begins after what the state machine
// has applied was stopped between 2 and 4: the image at the log's base is here,
// and is installed after Verify. In any other case no received image is needed.
package snapshot
