package sqlfsm

import (
	"quorate/internal/errcode"
	"quorate/internal/sqlite"
	"quorate/internal/value"
)

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
	// statementHeldBytes is how much it may have in memory at one time: values, what
	// group_concat() and other aggregates have gathered, what is being sorted. On top
	// come what one function has at work, and registers' values that are not large
	// and made between two looks.
	statementHeldBytes = 512 << 20
	// largeBytes is from how many bytes on an allocation is large. It is more than what
	// SQLite allocates for its own keeping, which depends on what the connection did
	// before: the first twenty pages of a cache, 90 KiB, and chunks of journals.
	largeBytes = 128 << 10
	// fullTextLargeBytes is that for statements that use a full text index. The module
	// keeps what it has made larger until it is closed: the table of new words, of up
	// to 512 KiB, and the buffer for a word. When a statement got more than that, the
	// module is made anew at the entry's end (fullTextGrew).
	fullTextLargeBytes = 512 << 10
	// An instruction may work on a value of 64 MiB, and take as long as a million
	// others. So stepBytes bytes of a function's arguments and result are a step more,
	// as many of a large allocation, and freshBytes bytes of a value that a look finds
	// and the look before did not: a loop that makes one anew in each turn makes some
	// twenty between looks.
	stepBytes, freshBytes = 32, 2
	// Writing a row is one instruction of the fourteen that an UPDATE runs for each, but
	// takes as long as rowSteps others; each entry of an index that is made or removed,
	// somewhere in the file, as long as indexSteps; and rowStepBytes bytes of the row
	// before and after as long as one. indexSteps is for indexes that the cache does not
	// hold; those that it holds take a third. BenchmarkStatementCost compares.
	rowSteps, indexSteps, rowStepBytes = 30, 160, 16
	// Putting a row into a sort or a temporary table, one instruction of its thirty, takes
	// as long as a hundred others. It is seen when a look finds more bytes there than
	// the look before: each is two steps, together up to sortSteps because few rows lie
	// between two looks, however long they are, and rowStepBytes of them are one more.
	sortSteps = 8000
	// stepsGrain is how often the budget is looked at, in instructions; but SQLite
	// calls only where a program jumps: a row whose hundred columns are hundred calls
	// of hex() is made between two looks. So large allocations are watched too, each
	// when it is made.
	stepsGrain = 250
)

// budget counts the virtual machine's instructions of a statement, and the bytes
// that it has. SQLite also calls while it compiles, which a cached statement does
// not do: those calls do not count. Nor do those from statements that the running
// one begins by itself, whose counts go on from entry to entry.
type budget struct {
	effects *effects // what the running statement has written
	db      *sqlite.Conn
	watch   func(n int, held int64) bool // allocate
	running *prepared                    // nil: what runs is not counted
	weight  int                          // how much an instruction counts
	steps   int
	limit   int   // of steps, for statements that are not DDL
	bytes   int64 // the limit of bytes
	bound   int   // of steps, for the running one
	held    int64 // the limit of bytes in memory at one time
	called  int64 // bytes that our functions were given and have made, and of large allocations
	// temporary is how large sorts and temporary tables were at the last look.
	temporary int64
	// fullTextGrew: a full text index may have made more than fullTextLargeBytes that
	// it keeps, and for which it will not ask again. A restart forgets them.
	fullTextGrew bool
	compiled     int // steps that functions have taken while a statement was compiled
	// Which limit the statement has reached.
	tooLong, tooLarge, tooMuchHeld bool
}

func (b *budget) reset() {
	b.steps, b.called, b.compiled = 0, 0, 0
	b.temporary = 0
	b.tooLong, b.tooLarge, b.tooMuchHeld = false, false, false
}

// start begins counting for a statement.
func (b *budget) start(p *prepared, s *statement) {
	b.weight, b.bound = 1, b.limit
	if s.schema {
		b.bound *= definitionFactor
	}
	larger := largeBytes
	if p.fullText {
		b.weight, larger = fullTextWeight, fullTextLargeBytes
	}
	p.ResetSteps()
	b.running = p
	b.db.WatchAllocations(larger, b.watch)
}

func (b *budget) end() {
	b.running = nil
	b.db.UnwatchAllocations()
}

// stop counts stepsGrain instructions and reports whether the statement must end.
func (b *budget) stop() bool {
	if b.running == nil {
		return false
	}
	fresh, held := b.running.RegisterBytes()
	b.steps += stepsGrain*b.weight + int(fresh/freshBytes)
	temporary := b.running.TemporaryBytes()
	if more := temporary - b.temporary; more > 0 {
		b.steps += int(min(2*more, sortSteps) + more/rowStepBytes)
	}
	b.temporary = temporary
	b.tooLong = b.tooLong || b.taken() >= b.bound
	b.tooMuchHeld = b.tooMuchHeld || held+b.db.WatchedBytes() > b.held
	b.tooLarge = b.tooLarge || temporary+b.effects.volume > b.bytes
	return b.exhausted()
}

// taken is how many steps the statement has taken, as far as they are counted.
func (b *budget) taken() int { return b.steps + int(b.called/stepBytes) + b.effects.steps }

// allocate counts a large allocation of n bytes, with which held are allocated,
// and reports whether the statement may have it.
func (b *budget) allocate(n int, held int64) bool {
	b.fullTextGrew = b.fullTextGrew || b.weight == fullTextWeight
	b.called += int64(n)
	b.tooLong = b.tooLong || b.taken() >= b.bound
	b.tooMuchHeld = b.tooMuchHeld || held > b.held
	return !b.exhausted()
}

func (b *budget) exhausted() bool { return b.tooLong || b.tooLarge || b.tooMuchHeld }

// call counts a call of one of our functions by a program.
func (b *budget) call(args []value.Value, result value.Value) {
	for i := range args {
		b.called += int64(len(args[i].Bytes()))
	}
	b.called += int64(len(result.Bytes()))
}

// spend counts the steps that a function is about to take, and refuses them when
// they are more than what is left.
func (b *budget) spend(steps int) error {
	b.called += int64(steps) * stepBytes
	b.tooLong = b.tooLong || b.taken() >= b.bound
	if b.tooLong {
		return b.verdict()
	}
	return nil
}

// spendCompiling is spend for calls by the compiler, which a statement that is
// compiled already does without: they have a limit of their own.
func (b *budget) spendCompiling(steps int) error {
	if b.compiled += steps; b.compiled >= b.limit {
		return errcode.Newf(errcode.StatementTooComplex, "compiling the statement takes more than %d steps", b.limit).
			WithHint("Give the values of functions as parameters.")
	}
	return nil
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
