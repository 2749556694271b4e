package sqlplan

import (
	"strconv"
	"strings"

	"quorate/internal/errcode"
)

// parser turns the text of one statement into a tree. The first error sticks:
// after it the parser sees only the end of the text, so that every loop ends,
// and whoever called parse gets the error and not the tree.
type parser struct {
	lexer
	tok    token // the current token
	ahead  token // the one after it, when peeked
	peeked bool
	last   int // end of the token before tok
	depth  int // of nesting; 0 ≤ depth ≤ maxDepth
	terms  int // operators and their like so far; 0 ≤ terms ≤ maxTerms
	err    *errcode.Error

	trigger bool // inside a trigger's body, where RAISE is known
}

// maxDepth bounds how deep expressions and queries nest. SQLite's own limit
// for expressions is 1000.
const maxDepth = 400

// maxTerms bounds the operators, calls, CASE branches and queries of a
// statement. SQLite's prepare, which nothing interrupts, takes quadratic time in
// them: a = 1 OR a = 2 … of 5,000 members takes 90 ms, of 40,000 ten seconds.
// Members of IN lists and of VALUES rows that are constants, casts of constants
// among them, cost linear time and do not count.
const maxTerms = 10_240

// term counts towards maxTerms.
func (p *parser) term() {
	if p.terms == maxTerms {
		p.stop(p.fail(p.tok.pos, errcode.StatementTooComplex, "statement is too complex").
			WithHint("At most %d operators, function calls, CASE branches and subqueries are allowed. Use IN (…) or = ANY (…) for many values, and several statements for many rows.", maxTerms))
		return
	}
	p.terms++
}

func newParser(src string) *parser {
	p := &parser{lexer: lexer{src: src}}
	p.advance()
	return p
}

func (p *parser) advance() {
	p.last = p.tok.end
	if p.peeked {
		p.tok, p.peeked = p.ahead, false
		return
	}
	p.tok = p.read()
}

func (p *parser) read() token {
	if p.err == nil {
		t, err := p.next()
		if err == nil {
			return t
		}
		p.err = err
	}
	return token{kind: tokEnd, pos: len(p.src), end: len(p.src)}
}

func (p *parser) peek() token {
	if !p.peeked {
		p.ahead, p.peeked = p.read(), true
	}
	return p.ahead
}

// stop records an error and ends the text. It returns the error, for a hint.
func (p *parser) stop(err *errcode.Error) *errcode.Error {
	if p.err == nil {
		p.err = err
	}
	p.tok, p.peeked = token{kind: tokEnd, pos: len(p.src), end: len(p.src)}, false
	return err
}

func (p *parser) unexpected() *errcode.Error {
	if p.tok.kind == tokEnd {
		return p.stop(p.fail(len(p.src), errcode.SyntaxError, "syntax error at end of input"))
	}
	return p.stop(p.fail(p.tok.pos, errcode.SyntaxError, `syntax error at or near "%s"`, clip(p.src[p.tok.pos:p.tok.end])))
}

func (p *parser) unsupported(pos int, format string, args ...any) *errcode.Error {
	return p.stop(p.fail(pos, errcode.FeatureNotSupported, format+" is not supported", args...))
}

// enter and leave bound recursion.
func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.stop(p.fail(p.tok.pos, errcode.StatementTooComplex, "the statement is nested too deeply").
			WithHint("At most %d levels are allowed.", maxDepth))
	}
}

func (p *parser) leave() { p.depth-- }

func (t token) is(word string) bool { return t.kind == tokWord && t.text == word }
func (t token) isOp(op string) bool { return t.kind == tokOp && t.text == op }

func (p *parser) is(word string) bool { return p.tok.is(word) }
func (p *parser) isOp(op string) bool { return p.tok.isOp(op) }

// accept takes the words if they are the next; either all or none.
func (p *parser) accept(word string) bool {
	if p.is(word) {
		p.advance()
		return true
	}
	return false
}

// accept2 takes two words or none.
func (p *parser) accept2(first, second string) bool {
	if p.is(first) && p.peek().is(second) {
		p.advance()
		p.advance()
		return true
	}
	return false
}

func (p *parser) acceptOp(op string) bool {
	if p.isOp(op) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) expect(words ...string) {
	for _, w := range words {
		if !p.accept(w) {
			p.unexpected()
			return
		}
	}
}

func (p *parser) expectOp(op string) {
	if !p.acceptOp(op) {
		p.unexpected()
	}
}

// isName reports whether the token can name a column or a table.
func (p *parser) isName() bool {
	return p.tok.kind == tokQuoted || p.tok.kind == tokWord && !reserved[p.tok.text] && !reservedOrFunction[p.tok.text]
}

func (p *parser) name() string {
	if !p.isName() {
		p.unexpected()
		return ""
	}
	name := p.tok.text
	p.advance()
	return name
}

// nameAt reads a name and remembers where it stands. (In one composite literal
// the order of p.tok.pos and p.name() would be the compiler's.)
func (p *parser) nameAt() nameAt {
	pos := p.tok.pos
	return nameAt{pos, p.name()}
}

// label reads a name after AS, where every key word is allowed.
func (p *parser) label() string {
	if p.tok.kind != tokQuoted && p.tok.kind != tokWord {
		p.unexpected()
		return ""
	}
	name := p.tok.text
	p.advance()
	return name
}

// names reads ( name, … ).
func (p *parser) names() []nameAt {
	p.expectOp("(")
	list := []nameAt{p.nameAt()}
	for p.acceptOp(",") {
		list = append(list, p.nameAt())
	}
	p.expectOp(")")
	return list
}

func plain(list []nameAt) []string {
	names := make([]string, len(list))
	for i, n := range list {
		names[i] = n.name
	}
	return names
}

// relationName reads [schema.]name. Only the schema public exists; reading,
// pg_catalog and information_schema are known by name and have nothing yet.
func (p *parser) relationName() (schema string, name nameAt) {
	name = p.nameAt()
	if p.acceptOp(".") {
		schema = name.name
		name = p.nameAt()
		if p.isOp(".") {
			p.stop(p.fail(name.pos, errcode.FeatureNotSupported, "cross-database references are not implemented"))
		}
	}
	return schema, name
}

// number reads an unsigned integer that fits.
func (p *parser) number(most int) int {
	n, err := strconv.Atoi(p.tok.text)
	if p.tok.kind != tokInt || err != nil || n > most {
		p.unexpected()
		return 0
	}
	p.advance()
	return n
}

// end asserts that the statement is over.
func (p *parser) end() {
	if p.err == nil && p.tok.kind != tokEnd {
		p.unexpected()
	}
}

// text is the source from a position to the last token taken.
func (p *parser) text(from int) string {
	return strings.TrimSpace(p.src[min(from, p.last):p.last])
}
