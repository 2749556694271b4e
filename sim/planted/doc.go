// Package planted holds bugs: rules that other implementations of Raft broke,
// each broken on purpose by a small change of the source. quorate-sim --planted
// builds the simulator with one of them and runs seeds until it is caught. A
// bug that is not caught is a hole in the simulator. quorate-sqlgen has bugs of
// its own, of the same kind.
//
// What comes in is the source, what goes out is a binary that has the bug in it
// (Build), and what came of running it (Hunt). The product never contains one: go build takes the changed
// file in place of the real one (-overlay) for a binary that is thrown away.
//
// It imports nothing of ours.
package planted
