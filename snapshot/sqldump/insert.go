package sqldump

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"quorate/internal/value"
)

// Insert is an INSERT of literals: INSERT INTO t (a, b) VALUES (1, 'x'), …
//
// Columns that are for sqlite3 only (computedMark) are left out, with their values.
type Insert struct {
	Table   string
	Columns []string // nil: all, in their order
	Width   int      // values in a row
	Lines   []int    // of each row, from 0 in the statement's first
	// Values are the rows' values, one row after another. They may alias the text
	// of the statement.
	Values []value.Value
}

// Rows returns how many rows there are.
func (i *Insert) Rows() int { return len(i.Values) / i.Width }

// ParseInsert reads an INSERT whose values are all literals. ok is false for any
// other statement; nothing is said then about whether it is valid.
func ParseInsert(text string) (insert *Insert, ok bool) {
	p := insertParser{scanner: scanner{sql: text}}
	if !p.word("INSERT") || !p.word("INTO") {
		return nil, false
	}
	insert = &Insert{Table: p.name()}
	token := p.next()
	if token == "." { // main.t
		insert.Table = p.name()
		token = p.next()
	}
	if token == "(" {
		if insert.Columns = p.names(); len(insert.Columns) == 0 {
			return nil, false
		}
		token = p.next()
	}
	if insert.Table == "" || !strings.EqualFold(token, "VALUES") {
		return nil, false
	}
	return insert, p.rows(insert)
}

// computedMark is behind the name of a column that is computed here and an ordinary
// one in sqlite3. Such columns are the last.
const computedMark = " /* computed */"

type insertParser struct {
	scanner
	marked int // columns at the end that are left out
}

func (p *insertParser) word(word string) bool { return strings.EqualFold(p.next(), word) }

func (p *insertParser) name() string { return nameOf(p.next()) }

// names reads a, b) and returns nil when it is something else.
func (p *insertParser) names() []string {
	var names []string
	for {
		name := p.name()
		if name == "" {
			return nil
		}
		if strings.HasPrefix(p.sql[p.at:], computedMark) {
			p.marked++
		} else if names = append(names, name); p.marked > 0 {
			return nil
		}
		switch p.next() {
		case ",":
		case ")":
			return names
		default:
			return nil
		}
	}
}

// rows reads (…), (…) to the end of the statement.
func (p *insertParser) rows(insert *Insert) bool {
	line, counted := 0, 0
	for {
		if p.next() != "(" {
			return false
		}
		line += strings.Count(p.sql[counted:p.at], "\n")
		counted = p.at
		insert.Lines = append(insert.Lines, line)
		width := 0
		for more := true; more; width++ {
			v, ok := p.literal()
			if !ok {
				return false
			}
			if insert.Columns == nil || width < len(insert.Columns) {
				insert.Values = append(insert.Values, v)
			}
			switch p.next() {
			case ",":
			case ")":
				more = false
			default:
				return false
			}
		}
		width -= p.marked
		if insert.Width == 0 {
			insert.Width = width
		}
		if width != insert.Width || insert.Columns != nil && width != len(insert.Columns) {
			return false
		}
		switch p.next() {
		case ",":
		case "":
			return true
		default:
			return false
		}
	}
}

// literal reads one value.
func (p *insertParser) literal() (v value.Value, ok bool) {
	token := p.next()
	if token == "" {
		return v, false
	}
	switch c := token[0]; {
	case c == '\'':
		return textLiteral(token)
	case c == '-' || c == '+':
		return numberLiteral(strings.TrimPrefix(token, "+") + p.next())
	case c >= '0' && c <= '9' || c == '.':
		return numberLiteral(token)
	case strings.EqualFold(token, "NULL"):
		return v, true
	case strings.EqualFold(token, "CAST"):
		return p.cast()
	}
	b, ok := blobLiteral(token)
	return value.BlobBytes(b), ok
}

func textLiteral(token string) (v value.Value, ok bool) {
	if len(token) < 2 || token[len(token)-1] != '\'' {
		return v, false
	}
	text := token[1 : len(token)-1]
	if strings.IndexByte(text, '\'') >= 0 {
		text = strings.ReplaceAll(text, "''", "'")
	}
	return value.String(text), true
}

// blobLiteral reads X'…'.
func blobLiteral(token string) (b []byte, ok bool) {
	if len(token) < 3 || token[0]|0x20 != 'x' || token[1] != '\'' || token[len(token)-1] != '\'' {
		return nil, false
	}
	digits := token[2 : len(token)-1]
	b = make([]byte, len(digits)/2)
	_, err := hex.Decode(b, []byte(digits))
	return b, err == nil
}

// cast reads what follows CAST in CAST(X'…' AS TEXT).
func (p *insertParser) cast() (v value.Value, ok bool) {
	if p.next() != "(" {
		return v, false
	}
	b, ok := blobLiteral(p.next())
	if !ok || !p.word("AS") || !p.word("TEXT") || p.next() != ")" {
		return v, false
	}
	return value.TextBytes(b), true
}

// numberLiteral reads a number as SQLite does: an integer that is too large is a
// double.
func numberLiteral(text string) (v value.Value, ok bool) {
	if digits := strings.TrimPrefix(text, "-"); digits == "" || strings.Trim(digits, "0123456789.eE+-") != "" {
		return v, false // a name, hexadecimal, or with underscores: left to SQLite
	}
	if !strings.ContainsAny(text, ".eE") {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return value.Int(i), true
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 0) {
		return v, false
	}
	return value.Float(f), true
}
