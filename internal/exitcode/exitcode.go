// Package exitcode holds the exit codes of the quorate command and the error
// that carries one, with the hint that tells a person what to do. The numbers
// follow etcdctl and cockroach where they have one (docs/reference/cli.md).
package exitcode

// The exit codes. 2 is left to the Go runtime's panic; 128+n is signal n.
const (
	OK       = 0
	Failed   = 1
	Usage    = 4 // wrong command line or configuration
	NoQuorum = 5 // the cluster has no quorum
	DataDir  = 6 // the data directory is unusable, foreign, in use, damaged, or of a removed member
	// Incomplete: verify could not compare all members; those that it could are equal.
	Incomplete = 7
	DiskFull   = 10 // no space left
)

// Error is an error that ends the command.
type Error struct {
	Code int
	Err  error
	Hint string // what to do about it, a full sentence; "" for none
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
