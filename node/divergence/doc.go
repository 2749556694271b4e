// Package divergence judges whether a node's database is the same as the others'.
//
// Every applied entry folds what it did into a running digest (sqlfsm), so nodes
// with equal databases have equal digests at equal indexes, and nodes whose
// digests once differed never agree again. In come what the members say of their
// digests (Heard), and this node's own; out goes a verdict (Judge):
//
//	Agrees     a strict majority of the voters has this node's digest
//	Differs    a strict majority of the voters has another one: this node is wrong
//	Split      voters differ, and no digest has a strict majority
//	Unknown    nobody differs, and too few have been heard
//
// A strict majority is more than half of all voters, of those that are down too:
// so two of them overlap, and no two nodes are told that the other one is right.
//
// It is a function of what it is told, like the core: no goroutine, clock or file.
// It imports raft for its types; node and sim use it.
package divergence
