// Package measure measures what the design claims, on real processes of this
// machine, and in one case on the core alone.
//
// What comes in: a Setup with the quorate binary and a directory. What goes
// out: a table for each measure, in words that say what was compared.
//
//	Failover    kill -9 of the leader, until a survivor acknowledges a new write
//	Tolerance   1 of 3, 2 of 5, 3 of 7 members killed: writes go on; one more: not
//	Reads       linearizable SELECT against the same row read through the log
//	Batching    many statements in a batch against one at a time
//	Once        every write once, and no error, while the leader is killed
//	Disruption  one late heartbeat, with pre-vote and without
//
// Members, log and clients share the machine, so numbers differ between runs
// and machines; what is compared is measured in one run, in turns, and told as
// a ratio.
package measure
