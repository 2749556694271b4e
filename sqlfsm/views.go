package sqlfsm

import (
	"strings"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// expandedWords is how long the views and WITH queries of a statement may be
// together, each written out where it is named. SQLite compiles a statement in
// that form, in time and memory that no budget of instructions bounds: each of a
// chain of views that names the one before twice doubles it, and thirty of them
// would stop every node for ever. This many take about half a second. It is
// part of what commands mean: see limits.
const expandedWords = 50_000

// mostWords is where counting stops, far from overflow.
const mostWords = 1 << 40

// views knows how long the views of a schema are when the views that they name
// are written out in their places.
type views struct {
	texts map[string]string // CREATE VIEW by folded name
	words map[string]int    // by folded name, once counted
}

// readViews reads the views and the names of the full text indexes, unless they
// are known already.
func (c *connection) readViews() error {
	if c.views != nil {
		return nil
	}
	v := &views{texts: make(map[string]string), words: make(map[string]int)}
	err := c.query(`SELECT name, sql FROM main.sqlite_schema WHERE type = 'view'`, func(row []value.Value) {
		v.texts[strings.ToLower(row[0].Text())] = row[1].Text()
	})
	if err != nil {
		return err
	}
	c.views = v
	return c.readFullText()
}

// checkStatement refuses a statement that is too long when it is written out. Its
// own text does not count: that it is compiled once is in proportion.
func (v *views) checkStatement(sql string) *errcode.Error {
	if _, expanded := v.count(sql); expanded > expandedWords {
		return errTooLong("the views and WITH queries of the statement")
	}
	return nil
}

// checkAll refuses views that are too long. A view can become so through a
// change of another.
func (v *views) checkAll() *errcode.Error {
	longest := "" // whose name comes first, so that all nodes say the same
	for name := range v.texts {
		if v.length(name) > expandedWords && (longest == "" || name < longest) {
			longest = name
		}
	}
	if longest == "" {
		return nil
	}
	return errTooLong(`the views in the view "` + longest + `"`)
}

func errTooLong(what string) *errcode.Error {
	return errcode.Newf(errcode.StatementTooComplex, "%s come to more than %d words when each is written out where it is named", what, expandedWords).
		WithHint("Name each view less often, or keep its rows in a table.")
}

// length is how many words a view is, written out; 0 for what is none.
func (v *views) length(name string) int {
	if n, ok := v.words[name]; ok {
		return n
	}
	text, ok := v.texts[name]
	if !ok {
		return 0
	}
	v.words[name] = 0 // a view that names itself; SQLite refuses it
	own, expanded := v.count(text)
	v.words[name] = own + expanded
	return own + expanded
}

// count counts a text's own words, and those that its views and WITH queries
// stand for. A name before a point is a qualifier and stands for nothing; any
// other name that a view or WITH query bears counts as it, which is too many
// when a column is called so.
func (v *views) count(sql string) (own, expanded int) {
	type parenthesis struct {
		before, defines string // the name before it, and the WITH query that it is
		at              int    // own + expanded at its beginning
	}
	var open []parenthesis
	with := make(map[string]int) // the WITH queries so far, by folded name
	var name, defines string     // the last name; the one before AS
	pending := 0                 // what name stands for, if no point follows
	w := words{sql: sql}
	for word := w.next(); word != ""; word = w.next() {
		own++
		if word != "." {
			expanded = min(expanded+pending, mostWords)
		}
		pending = 0
		switch {
		case word == "(":
			open = append(open, parenthesis{name, defines, own + expanded})
			name, defines = "", ""
		case word == ")" && len(open) > 0:
			p := open[len(open)-1]
			open = open[:len(open)-1]
			if p.defines != "" {
				with[p.defines] = own + expanded - p.at - 1
			}
			name = p.before
		case strings.EqualFold(word, "AS"):
			defines = name
		case isOneOf(word, "NOT", "MATERIALIZED"):
		default:
			name, defines = "", ""
			if n := w.name(word); n != "" {
				name = strings.ToLower(n)
				var ok bool
				if pending, ok = with[name]; !ok {
					pending = v.length(name)
				}
			}
		}
	}
	return own, min(expanded+pending, mostWords)
}
