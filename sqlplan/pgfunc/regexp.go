package pgfunc

import (
	"io"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"unicode/utf8"

	"quorate/internal/errcode"
)

// Go's regular expressions take time in proportion to the text and to the
// program that they become, a search; all the matches of a text may need a
// search over the rest of it each ("a*b|a" in "aaa…"). They cannot be
// interrupted. So where a statement is limited, short texts are paid for
// beforehand, and longer ones are read through a reader that counts, and that
// ends when the budget does.

const (
	// expressionBytesMost and programMost bound an expression; a{1000} has a program
	// of 1000 instructions.
	expressionBytesMost = 32 << 10
	programMost         = 10_000
	// compileSteps is what an instruction of a program takes to be made.
	compileSteps = 40
	// prepaidSteps is up to which cost a search is paid for beforehand.
	prepaidSteps = 2000
	// searchSteps is what a search takes at least, if it reads no character.
	searchSteps = 20
)

// expression is a compiled regular expression.
type expression struct {
	*regexp.Regexp
	program int // the size of its program, about
	// further is the expression behind the character before the place where a
	// search goes on, which ^ and \b look at. Its first group is the match.
	further func() *regexp.Regexp
}

// Expressions remember the regular expression of the last call in a statement.
type Expressions struct {
	flags, pattern string
	last           *expression
}

// Reset forgets it; a statement begins so.
func (x *Expressions) Reset() { *x = Expressions{} }

// compiled keeps regular expressions that were used, up to a bound; then it
// starts anew. What a call spends does not depend on it.
var compiled struct {
	mu          sync.Mutex // guards expressions
	expressions map[string]*expression
}

const compiledMost = 200

// compile makes a regular expression. flags are those of PostgreSQL's regexp
// functions that Go has too.
func compile(ctx Context, pattern []byte, flags string) (*expression, error) {
	x := ctx.Expressions()
	if x.last != nil && x.flags == flags && x.pattern == string(pattern) {
		return x.last, nil
	}
	if len(pattern) > expressionBytesMost {
		return nil, errTooComplex()
	}
	e, err := lookUp(string(pattern), flags)
	if err != nil {
		return nil, err
	}
	*x = Expressions{flags, string(pattern), e}
	return e, ctx.Spend((len(pattern) + 2*e.program) * compileSteps)
}

func lookUp(pattern, flags string) (*expression, error) {
	key := flags + "/" + pattern
	compiled.mu.Lock()
	e := compiled.expressions[key]
	compiled.mu.Unlock()
	if e != nil {
		return e, nil
	}
	e, err := newExpression(pattern, flags)
	if err != nil {
		return nil, err
	}
	compiled.mu.Lock()
	defer compiled.mu.Unlock()
	if compiled.expressions == nil || len(compiled.expressions) >= compiledMost {
		compiled.expressions = map[string]*expression{}
	}
	compiled.expressions[key] = e
	return e, nil
}

func newExpression(pattern, flags string) (*expression, error) {
	prefix := "s" // in PostgreSQL a dot matches a newline
	for _, flag := range flags {
		switch flag {
		case 'i':
			prefix += "i"
		case 'n', 'm':
			prefix = strings.ReplaceAll(prefix, "s", "m")
		case 'c', 'g', 's':
		default:
			return nil, errcode.Newf(errcode.InvalidParameterValue, "invalid regular expression option: %q", flag)
		}
	}
	pattern = "(?" + prefix + ")" + pattern
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		reason := err.Error()
		if e, ok := err.(*syntax.Error); ok {
			reason = string(e.Code)
		}
		return nil, errcode.Newf(errcode.InvalidRegularExpression, "invalid regular expression: %s", reason).
			WithHint("Regular expressions are RE2's: there are no back references and no lookaround.")
	}
	program := programSize(tree)
	if program > programMost {
		return nil, errTooComplex()
	}
	return &expression{
		Regexp:  regexp.MustCompile(pattern), // for it was parsed
		program: program,
		// From the tree's text, for \Q needs no end.
		further: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?s:\A.(?:.*?))(` + tree.String() + `)`) }),
	}, nil
}

func errTooComplex() error {
	return errcode.Newf(errcode.InvalidRegularExpression, "invalid regular expression: it is too complex").
		WithHint("An expression may have %d bytes and become %d instructions: x{1000} counts a thousand times.", expressionBytesMost, programMost)
}

// programSize is about how many instructions an expression becomes; above
// programMost it need not be exact.
func programSize(re *syntax.Regexp) (n int) {
	for _, sub := range re.Sub {
		n = min(n+programSize(sub), 2*programMost)
	}
	switch re.Op {
	case syntax.OpLiteral:
		n += len(re.Rune)
	case syntax.OpRepeat:
		n *= max(re.Min+1, re.Max)
	case syntax.OpAlternate:
		n += len(re.Sub)
	case syntax.OpCapture:
		n += 2
	case syntax.OpConcat:
	default:
		n++
	}
	return min(n, 2*programMost)
}

// steps is what a search takes that reads n characters: at worst it is in every
// place of the program at once, in each for about a step; most are in a few.
func (e *expression) steps(n int) int { return n * (4 + e.program) / 4 }

// matches are the matches of an expression in a text, from the left.
type matches struct {
	ctx Context
	e   *expression
	s   []byte
	at  []int // of the last one: begin and end of the whole and of each group
	err error
	// Where the next search begins, and where the last match ended.
	from, end int
	prepaid   int     // up to which cost the first search is paid for beforehand
	found     [][]int // where nothing is limited: those that come next
}

// matches begins to look for the matches of a text, all or one.
func (e *expression) matches(ctx Context, s []byte, all bool) *matches {
	m := &matches{ctx: ctx, e: e, s: s, end: -1, prepaid: prepaidSteps}
	if all && !ctx.Limited() {
		m.found = e.FindAllSubmatchIndex(s, -1)
		m.from = len(s) + 1
	}
	return m
}

// next goes to the next match. It goes on as Regexp.FindAll does: an empty match
// right behind another one does not count.
func (m *matches) next() bool {
	if len(m.found) > 0 {
		m.at, m.found = m.found[0], m.found[1:]
		return true
	}
	for m.err == nil && m.from <= len(m.s) {
		m.at = m.search()
		if m.at == nil || m.err != nil {
			break
		}
		accept := true
		if m.at[1] == m.from {
			accept = m.at[0] != m.end
			_, width := utf8.DecodeRune(m.s[m.from:])
			m.from += max(width, 1)
		} else {
			m.from = m.at[1]
		}
		m.end = m.at[1]
		if accept {
			return true
		}
	}
	m.from = len(m.s) + 1
	return false
}

// search finds the first match at or behind from.
func (m *matches) search() []int {
	if m.from == 0 {
		cost := searchSteps + m.e.steps(len(m.s))
		if cost <= m.prepaid || !m.ctx.Limited() {
			if m.err = m.ctx.Spend(cost); m.err != nil {
				return nil
			}
			return m.e.FindSubmatchIndex(m.s)
		}
		return m.read(m.e.Regexp, 0)
	}
	_, width := utf8.DecodeLastRune(m.s[:m.from])
	at := m.read(m.e.further(), m.from-width)
	if at == nil {
		return nil
	}
	for i := range at {
		if at[i] >= 0 {
			at[i] += m.from - width
		}
	}
	return at[2:]
}

// read searches from a place on.
func (m *matches) read(re *regexp.Regexp, from int) []int {
	r := &countedReader{m: m, rest: m.s[from:]}
	at := re.FindReaderSubmatchIndex(r)
	if m.err == nil {
		m.err = m.ctx.Spend(searchSteps + m.e.steps(r.read))
	}
	return at
}

// countedReader reads text, and says that there is no more when the budget is
// over.
type countedReader struct {
	m    *matches
	rest []byte
	read int // characters, not yet spent
}

func (r *countedReader) ReadRune() (rune, int, error) {
	if len(r.rest) == 0 || r.m.err != nil {
		return 0, 0, io.EOF
	}
	if r.read++; r.read == 256 {
		r.m.err = r.m.ctx.Spend(r.m.e.steps(r.read))
		r.read = 0
	}
	c, size := utf8.DecodeRune(r.rest)
	r.rest = r.rest[size:]
	return c, size, nil
}
