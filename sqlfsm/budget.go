package sqlfsm

import (
	"quorate/internal/errcode"
	"quorate/internal/value"
)

// The budget of a statement is part of what commands mean (see limits): one that
// is over it fails with 54001 at the same place on all nodes, so that no statement
// can stop them for ever or fill their disks.
const (
	// statementSteps is how many instructions of the virtual machine a statement may
	// run: about 5 s of computing, less than what others wait for a quorum; but 20 s
	// when most of them are parts of writing rows.
	statementSteps = 200_000_000
	// definitionFactor is how many times as many DDL may run: it has no loops but
	// over rows that are there, and without it a large table could have no index.
	definitionFactor = 20
	// statementBytes is how large its rows may be together: those that it writes, or
	// has in temporary tables and in what it sorts, and four times those that it
	// returns. Temporary ones are on disk.
	statementBytes = 1 << 30
	// statementHeldBytes is how large the values may be together that it has in
	// memory at one time, also as groups of group_concat() and JSON's aggregates.
	statementHeldBytes = 512 << 20
	// An instruction may work on a value of 64 MiB, and take as long as a million
	// others. So stepBytes bytes of a function's arguments and result are a step more,
	// and freshBytes bytes of a large value that a look finds and the look before did
	// not: a loop that makes one anew in each turn makes some twenty between looks.
	stepBytes, freshBytes = 32, 2
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
	held    int64 // the limit of bytes in memory at one time
	called  int64 // bytes that our functions were given and have made
	// Which limit the statement has reached.
	tooLong, tooLarge, tooMuchHeld bool
}

func (b *budget) reset() {
	b.steps, b.called = 0, 0
	b.tooLong, b.tooLarge, b.tooMuchHeld = false, false, false
}

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
	fresh, held := b.running.RegisterBytes()
	b.steps += stepsGrain*b.weight + int(fresh/freshBytes)
	b.tooLong = b.steps+int(b.called/stepBytes) >= b.bound
	b.tooMuchHeld = held > b.held
	b.tooLarge = b.running.TemporaryBytes()+e.volume > b.bytes
	return b.exhausted()
}

func (b *budget) exhausted() bool { return b.tooLong || b.tooLarge || b.tooMuchHeld }

// call counts a call of one of our functions.
func (b *budget) call(args []value.Value, result value.Value) {
	for i := range args {
		b.called += int64(len(args[i].Bytes()))
	}
	b.called += int64(len(result.Bytes()))
}

// verdict says what was too much.
func (b *budget) verdict() *errcode.Error {
	if b.tooLong {
		return errcode.Newf(errcode.StatementTooComplex, "the statement takes more than %d steps", b.bound/b.weight).
			WithHint("Split it into smaller statements, or add an index.")
	}
	if b.tooMuchHeld {
		return errcode.Newf(errcode.StatementTooComplex, "the values that the statement has in memory at one time are more than %d MiB", b.held>>20).
			WithHint("Split it into smaller statements.")
	}
	return errcode.Newf(errcode.StatementTooComplex, "the rows that the statement writes, sorts or returns are more than %d MiB", b.bytes>>20).
		WithHint("Split it into smaller statements.")
}
