// Package limit lets tests make the limits of statements small.
//
// In comes nothing; out goes the type of sqlfsm.Options.Limits. It imports nothing.
// The limits are part of what commands mean, and so the same on all nodes: only
// packages below sqlfsm, which may import this one, can choose others. They do so
// because a statement that reaches the real ones takes seconds.
package limit

// Statement is how much a statement of a command may use (sqlfsm/budget.go says
// what each means), and how large a value or a row may be.
type Statement struct {
	Steps       int
	Bytes       int64
	HeldBytes   int64
	LengthBytes int
}
