// Package sim runs a whole cluster in one process, one goroutine and one seed:
// the real core, the real driver and the real log on a disk in memory, with a
// network, clocks, clients and faults that a random number generator decides
// about. The same seed gives the same run, event for event.
//
// What comes in: Options, a seed and which faults may happen. What goes out: a
// Result, which says what was done and which property was broken, if any.
//
//	        clients ──── reads, writes ───┐            faults
//	                                      v              │
//	+---------------- node ------------------+           v
//	| driver.Driver ── raft.Raft             |<── network: loss, delay, cuts
//	|   │ Write        │ Apply               |<── clock: skew, pauses
//	|   v              v                     |
//	| wal.Log       machine (registers, set) |<── disk: crashes, stalls, errors
//	|   └── vfs.Mem                          |
//	+----------------------------------------+
//	        │ after every event
//	        v
//	     oracle: the properties that must hold
//
// A run has two parts. In the first everything goes wrong that the seed has
// drawn. Then a majority, drawn at random, is healed while the others stay
// away, and must elect a leader and serve clients within a bounded time; then
// all are healed and must agree. At the end the clients' history must be
// linearizable.
//
// It may import raft, raft/wal, node/driver, the types of transport and sqlfsm,
// and internal/vfs. It reads no clock, starts no goroutine in a run, and
// nothing depends on the order of a map.
package sim
