package sqldump

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Statement is one statement of a script.
type Statement struct {
	Text string // from its first word to before its semicolon
	Line int    // where it begins, from 1
	End  int64  // the offset in the script behind its semicolon
}

// LineError says where in a script something is wrong.
type LineError struct {
	Line    int
	Problem string
	Hint    string // what to do about it; "" for nothing
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Problem) }

// MaxStatementBytes is the longest statement that is read: a row as large as a
// command may be, in hexadecimal. The bound is what keeps a script without
// semicolons from filling the memory.
const MaxStatementBytes = 80 << 20

// readBytes is how much is read at once.
const readBytes = 256 << 10

// Reader reads a script statement by statement. It knows the quotes and comments
// of SQLite and of PostgreSQL, and where a trigger's body ends.
type Reader struct {
	in     io.Reader
	format Format
	max    int

	buffer []byte
	offset int64 // of buffer[0] in the script
	at     int   // scanned up to here
	line   int   // at buffer[at]
	ended  bool  // no more to read

	state     state
	depth     int    // of nested comments
	tag       string // that ends a dollar quoted string
	start     int    // of the statement in buffer, -1: none has begun
	startLine int
	comment   int // where the comment began
	body      body
	complete  bool
}

type state uint8

const (
	plain state = iota
	singleQuote
	escapeQuote // E'…': \' is no end
	doubleQuote
	backQuote
	bracket
	lineComment
	blockComment
	dollarQuote
)

// NewReader returns a reader for a script of a format. offset and line say where
// in the script in begins: 0 and 1 for its beginning.
func NewReader(in io.Reader, format Format, offset int64, line int) *Reader {
	return &Reader{in: in, format: format, max: MaxStatementBytes, offset: offset, line: line, start: -1}
}

// Complete reports, after the last statement, that the text ends as a dump of
// ours does.
func (r *Reader) Complete() bool { return r.complete }

// Next returns the next statement, and io.EOF after the last. An error of the
// script itself is a *LineError. Of a dump of ours it is the statement that Quorate
// keeps, where sqlite3 gets another.
func (r *Reader) Next() (Statement, error) {
	s, err := r.next()
	if err == nil && r.format == Quorate && isDefinition(s.Text) {
		return r.paired(s)
	}
	return s, err
}

// next returns the next statement as it stands.
func (r *Reader) next() (Statement, error) {
	for {
		for r.at < len(r.buffer) {
			if r.needsMore() && !r.ended {
				break
			}
			end, err := r.step()
			if err != nil {
				return Statement{}, err
			}
			if end {
				return r.checked(r.take(r.at))
			}
		}
		if r.ended {
			return r.last()
		}
		if err := r.fill(); err != nil {
			return Statement{}, err
		}
	}
}

// fill drops what is done with and reads on.
func (r *Reader) fill() error {
	keep := r.at
	if r.start >= 0 {
		keep = r.start
	} else if r.state != plain && r.comment < keep && len(r.buffer)-r.comment < 1024 {
		keep = r.comment // the last line, perhaps
	}
	if len(r.buffer)-keep > r.max {
		return &LineError{r.startLine, fmt.Sprintf("the statement that begins here has more than %d bytes", r.max), "Is a quote or a semicolon missing?"}
	}
	n := copy(r.buffer, r.buffer[keep:])
	r.buffer = r.buffer[:n]
	r.offset += int64(keep)
	r.at -= keep
	r.comment -= keep
	if r.start >= 0 {
		r.start = 0
	}
	if cap(r.buffer)-n < readBytes {
		r.buffer = append(make([]byte, 0, 2*cap(r.buffer)+readBytes), r.buffer...)
	}
	m, err := r.in.Read(r.buffer[n : n+readBytes])
	r.buffer = r.buffer[:n+m]
	if errors.Is(err, io.EOF) {
		r.ended = true
		return nil
	}
	return err
}

// needsMore reports that what begins at the end of the buffer may be a longer
// token, of which the rest has to be read first. In plain text the longest that
// matters is the tag of a dollar quote.
func (r *Reader) needsMore() bool {
	rest := r.buffer[r.at:]
	c := rest[0]
	switch r.state {
	case plain:
		switch {
		case c == '-' || c == '/':
			return len(rest) < 2
		case isWordByte(c):
			return len(rest) < 70 && wordLength(rest) == len(rest)
		case c == '\\' && r.start < 0: // a command of psql: its line
			return len(rest) < 70 && bytes.IndexByte(rest, '\n') < 0
		}
		return false
	case blockComment:
		return len(rest) < 2
	case escapeQuote:
		return c == '\\' && len(rest) < 2
	case dollarQuote:
		return c == '$' && len(rest) < len(r.tag)
	}
	return false
}

func wordLength(b []byte) int {
	n := 0
	for n < len(b) && isWordByte(b[n]) {
		n++
	}
	return n
}

// step scans one token, or a part of a quoted one, and reports the end of a
// statement.
func (r *Reader) step() (end bool, err error) {
	switch r.state {
	case plain:
		return r.plainStep()
	case lineComment:
		if r.skipTo("\n") {
			r.endLineComment()
		}
	case blockComment:
		r.commentStep()
	case singleQuote:
		if r.skipTo("'") {
			r.state = plain
		}
	case doubleQuote:
		if r.skipTo(`"`) {
			r.state = plain
		}
	case backQuote:
		if r.skipTo("`") {
			r.state = plain
		}
	case bracket:
		if r.skipTo("]") {
			r.state = plain
		}
	case escapeQuote:
		r.escapeStep()
	case dollarQuote:
		r.dollarStep()
	}
	return false, nil
}

// skipTo moves behind the next end, or to the end of the buffer, and reports
// which.
func (r *Reader) skipTo(end string) bool {
	rest := r.buffer[r.at:]
	n := bytes.IndexByte(rest, end[0])
	found := n >= 0
	if n++; !found {
		n = len(rest)
	}
	r.line += bytes.Count(rest[:n], []byte{'\n'})
	r.at += n
	return found
}

func (r *Reader) plainStep() (end bool, err error) {
	rest := r.buffer[r.at:]
	c := rest[0]
	switch {
	case c == '\n':
		r.line++
		r.at++
	case isBlank(c):
		r.at++
	case c == '-' && len(rest) > 1 && rest[1] == '-':
		r.state, r.comment = lineComment, r.at
		r.at += 2
	case c == '/' && len(rest) > 1 && rest[1] == '*':
		r.state, r.depth, r.comment = blockComment, 1, r.at
		r.at += 2
	case c == ';' && r.start < 0: // empty
		r.at++
	case c == ';' && r.body.open == 0:
		r.at++
		return true, nil
	case r.start < 0 && c == 0xEF && bytes.HasPrefix(rest, []byte("\xEF\xBB\xBF")) && r.offset+int64(r.at) == 0:
		r.at += 3 // a byte order mark
	default:
		if r.start < 0 && c == '\\' {
			return false, r.psqlCommand(rest)
		}
		if r.start < 0 {
			r.start, r.startLine, r.body = r.at, r.line, body{}
		}
		return false, r.token(rest)
	}
	return false, nil
}

// psqlCommand passes over the two commands with which pg_dump keeps psql from
// carrying out others, and refuses those others.
func (r *Reader) psqlCommand(rest []byte) error {
	command, _, _ := bytes.Cut(rest[:min(len(rest), 70)], []byte{'\n'})
	if name, _, _ := bytes.Cut(bytes.TrimSpace(command), []byte{' '}); string(name) == `\restrict` || string(name) == `\unrestrict` {
		r.state, r.comment = lineComment, r.at
		r.at++
		return nil
	}
	return &LineError{r.line, fmt.Sprintf("%.40s is a command of psql, not SQL", bytes.TrimSpace(command)), "Remove the line. pg_dump makes a file without such lines with --inserts."}
}

// token scans what is neither blank nor comment.
func (r *Reader) token(rest []byte) error {
	c := rest[0]
	switch {
	case c == '\'':
		r.state = singleQuote
	case c == '"':
		r.state = doubleQuote
	case c == '`' && r.format != PostgreSQL:
		r.state = backQuote
	case c == '[' && r.format != PostgreSQL:
		r.state = bracket
	case c == '$' && r.format == PostgreSQL:
		if tag := dollarTag(rest); tag != "" {
			r.state, r.tag = dollarQuote, tag
			r.at += len(tag)
			return nil
		}
	case c < ' ' || c == 0x7F:
		return &LineError{r.line, fmt.Sprintf("there is a byte 0x%02x outside of quotes: this is not a text of SQL statements", c), ""}
	case isWordByte(c):
		n := wordLength(rest)
		if n == 1 && (c == 'e' || c == 'E') && r.format == PostgreSQL && len(rest) > 1 && rest[1] == '\'' {
			r.state = escapeQuote
			n = 2
		}
		r.body.see(rest[:n])
		r.at += n
		return nil
	}
	r.at++
	return nil
}

// advance moves n bytes on and counts the lines.
func (r *Reader) advance(n int) {
	r.line += bytes.Count(r.buffer[r.at:r.at+n], []byte{'\n'})
	r.at += n
}

// advanceTo moves at least one byte on, to the next of some bytes.
func (r *Reader) advanceTo(bytesWanted string) {
	rest := r.buffer[r.at:]
	n := bytes.IndexAny(rest[1:], bytesWanted) + 1
	if n == 0 {
		n = len(rest)
	}
	r.advance(n)
}

func (r *Reader) commentStep() {
	rest := r.buffer[r.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("*/")):
		r.at += 2
		if r.depth--; r.depth == 0 {
			r.state = plain
		}
	case r.format == PostgreSQL && bytes.HasPrefix(rest, []byte("/*")):
		r.at += 2
		r.depth++
	default:
		r.advanceTo("*/")
	}
}

func (r *Reader) escapeStep() {
	switch rest := r.buffer[r.at:]; {
	case rest[0] == '\\' && len(rest) > 1:
		r.advance(2)
	case rest[0] == '\'':
		r.at++
		r.state = plain
	default:
		r.advanceTo(`'\`)
	}
}

func (r *Reader) dollarStep() {
	if bytes.HasPrefix(r.buffer[r.at:], []byte(r.tag)) {
		r.at += len(r.tag)
		r.state = plain
		return
	}
	r.advanceTo("$")
}

// endLineComment looks whether the comment is the end of a dump of ours.
func (r *Reader) endLineComment() {
	r.state = plain
	if r.start < 0 && r.comment >= 0 {
		r.complete = bytes.HasPrefix(r.buffer[r.comment:r.at], []byte(trailer))
	}
}

// dollarTag returns the tag that begins a dollar quoted string: $$ or $word$.
func dollarTag(rest []byte) string {
	n := 1
	for n < len(rest) && isWordByte(rest[n]) && rest[n] != '$' {
		n++
	}
	if n == len(rest) || rest[n] != '$' || n > 1 && rest[1] >= '0' && rest[1] <= '9' {
		return ""
	}
	return string(rest[:n+1])
}

// statementTail is what is not part of a statement at its end.
const statementTail = "; \t\r\n\f\v"

// take cuts the statement out that ends with the semicolon before end.
func (r *Reader) take(end int) Statement {
	text := bytes.TrimRight(r.buffer[r.start:end], statementTail)
	s := Statement{Text: string(text), Line: r.startLine, End: r.offset + int64(end)}
	r.start = -1
	return s
}

// checked refuses COPY … FROM stdin: what follows it are its rows, not statements.
func (r *Reader) checked(s Statement) (Statement, error) {
	if len(s.Text) < 4 || !strings.EqualFold(s.Text[:4], "COPY") {
		return s, nil
	}
	tokens := significantTokens(s.Text)
	for i := range tokens[1:] {
		if strings.EqualFold(tokens[i], "FROM") && strings.EqualFold(tokens[i+1], "STDIN") {
			return s, &LineError{s.Line, "rows of COPY … FROM stdin cannot be imported", "Make the file with pg_dump --data-only --inserts."}
		}
	}
	return s, nil
}

// last ends the script.
func (r *Reader) last() (Statement, error) {
	switch {
	case r.state == lineComment: // without a newline: it does not count as a dump's end
	case r.state == blockComment:
		return Statement{}, &LineError{r.line, "the file ends inside a comment", "Was it cut off?"}
	case r.state != plain:
		return Statement{}, &LineError{r.startLine, "the file ends inside the quotes of the statement that begins here", "Was it cut off?"}
	case r.body.open > 0:
		return Statement{}, &LineError{r.startLine, "the file ends inside the trigger that begins here", "Was it cut off?"}
	}
	if r.start < 0 {
		return Statement{}, io.EOF
	}
	return Statement{}, &LineError{r.startLine, "the file ends inside the statement that begins here: it has no semicolon", "Was it cut off?"}
}

// body follows CREATE … TRIGGER … BEGIN … END, word by word. CASE has an END of
// its own.
type body struct {
	words   int
	create  bool
	trigger bool
	open    int // BEGIN and CASE that are not ended
}

func (b *body) see(word []byte) {
	b.words++
	switch {
	case b.words == 1:
		b.create = isWord(word, "CREATE")
	case !b.create:
	case b.words <= 5 && isWord(word, "TRIGGER"):
		b.trigger = true
	case !b.trigger:
	case isWord(word, "BEGIN") && b.open == 0:
		b.open = 1
	case isWord(word, "CASE") && b.open > 0:
		b.open++
	case isWord(word, "END") && b.open > 0:
		b.open--
	}
}

func isWord(word []byte, upper string) bool {
	return len(word) == len(upper) && strings.EqualFold(string(word), upper)
}
