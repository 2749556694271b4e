package sqlfsm

import "quorate/internal/errcode"

// The budget of a statement is part of what commands mean (see limits): one that
// is over it fails with 54001 at the same place on all nodes, so that no statement
// can stop them for ever or fill their disks.
const (
	// statementSteps is how many instructions of the virtual machine a statement may
	// run: about 5 s of computing, less than what others wait for a quorum.
	statementSteps = 200_000_000
	// definitionFactor is how many times as many DDL may run: it has no loops but
	// over rows that are there, and without it a large table could have no index.
	definitionFactor = 20
	// statementBytes is how large its rows may be together: those that it writes, or
	// has in temporary tables and in what it sorts, and four times those that it
	// returns. Temporary ones are on disk.
	statementBytes = 1 << 30
	// stepsGrain is how often the budget is looked at, in instructions. What lies
	// between two looks, some 20 rows, comes on top.
	stepsGrain = 250
)

// budget counts the virtual machine's instructions of a statement, and the bytes
// that it has. SQLite also calls while it compiles, which a cached statement does
// not do: those calls do not count. Nor do those from statements that the running
// one begins by itself, whose counts go on from entry to entry.
type budget struct {
	running *prepared // nil: what runs is not counted
	weight  int       // how much an instruction counts
	steps   int
	limit   int   // of steps, for statements that are not DDL
	bytes   int64 // the limit of bytes
	bound   int   // of steps, for the running one
	// Which limit the statement has reached.
	tooLong, tooLarge bool
}

func (b *budget) reset() { b.steps, b.tooLong, b.tooLarge = 0, false, false }

// start begins counting for a statement.
func (b *budget) start(p *prepared, s *statement) {
	b.weight, b.bound = 1, b.limit
	if s.schema {
		b.bound *= definitionFactor
	}
	if p.fullText {
		b.weight = fullTextWeight
	}
	p.ResetSteps()
	b.running = p
}

func (b *budget) end() { b.running = nil }

// stop counts stepsGrain instructions and reports whether the statement must end.
func (b *budget) stop(e *effects) bool {
	if b.running == nil {
		return false
	}
	b.steps += stepsGrain * b.weight
	b.tooLong = b.steps >= b.bound
	b.tooLarge = b.running.TemporaryBytes()+e.volume > b.bytes
	return b.exhausted()
}

func (b *budget) exhausted() bool { return b.tooLong || b.tooLarge }

// verdict says what was too much.
func (b *budget) verdict() *errcode.Error {
	if b.tooLong {
		return errcode.Newf(errcode.StatementTooComplex, "the statement takes more than %d steps", b.bound/b.weight).
			WithHint("Split it into smaller statements, or add an index.")
	}
	return errcode.Newf(errcode.StatementTooComplex, "the rows that the statement writes, sorts or returns are more than %d MiB", b.bytes>>20).
		WithHint("Split it into smaller statements.")
}
