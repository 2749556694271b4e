// Package check says whether what clients saw of a database can be true.
//
// What comes in: a history, which is every operation of every client with the
// times of its call and its return on one clock, and what was in the tables
// at the end. What goes out: violations, in sentences. The package does
// nothing: no database, no clock.
//
// Each workload has a checker of its own:
//
//	registers  reads, writes and compare-and-set; linearizable (porcupine)
//	set        unique inserts; nothing acknowledged lost, nothing doubled
//	bank       transfers between accounts; the sum is constant in every read
//	lists      appends; one order, each read a prefix of it, in real time
//
// # Outcomes
//
// An operation was carried out (Done), or certainly not (Failed), or its
// client does not know (Unknown): the connection broke, or the server said so.
// Unknown outcomes make checking slow and weak, so each table keeps what was done
// to it: a register's row has all its values in order, an account's row all its
// transfers. All values are unique, so the end tells of each unknown operation
// whether it took place. What remains unknown is only when: at any time after
// its call.
//
// It imports nothing of ours.
package check
