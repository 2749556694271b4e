// Package driver is a node's judgement: what it does with the core's answers,
// how commands get into the log once, how reads find their index. It is a
// function of what happened, like the core: no goroutine, clock, file or
// socket, so that the simulator drives what the server drives.
//
// What comes in: Events, what happened since the last Turn, and from the
// sessions' goroutines Commands and ReadQueue, which have locks. What goes out:
// calls of Effects, which return at once; what takes time comes back as an event.
//
//	   Commands, ReadQueue          Events
//	            |                     |
//	            v                     v
//	+---------------------------------------------+
//	| Driver.Turn   registrar  proposer           |---> Effects
//	|               acceptor   reader             |
//	|                  raft.Raft                  |
//	+---------------------------------------------+
//
// It imports raft, transport, sqlfsm and sqlfsm/origins for their types; node and sim import it.
package driver
