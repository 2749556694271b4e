// Package proxy is the network between the members of a cluster on this
// machine, made of TCP proxies that can be told to be bad.
//
// What comes in: for each member a name and the address where it listens. What
// goes out: for each member a front, the address that the others are given.
// Everything between two members passes a front, and each ordered pair of
// members has a rule: what leaves a for b may stall, be late or break, while
// what leaves b for a passes, whichever of the two had dialled.
//
//	a ──dials──▶ front of b ──▶ b      what a sends obeys the rule a→b,
//	  ◀─────────            ◀──        what b answers the rule b→a
//
// A front knows who dials by the first frame, the Hello, in which a member
// says its name (see package transport). Who does not say one is a stranger,
// named "".
//
// TCP loses nothing, so a partition is a stall: bytes wait, also those that say
// that a connection was closed, and nobody is told. When the rule is lifted
// they arrive, late, unless Break closes the connections first. Loss is what
// TCP makes of it: a chunk is late by a retransmission timeout.
//
// The package imports nothing of ours: it sees the members from outside.
package proxy
