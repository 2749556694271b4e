package sqlplan

import "strings"

// Statement is one statement of a simple query.
type Statement struct {
	Text   string // without blanks and comments before it, and without its semicolon
	Offset int    // of Text in the query, in bytes
}

// Split cuts a simple query at the semicolons that are not inside quotes,
// comments, parentheses or a trigger's body. Empty statements are left out.
// An error's position is in the whole query.
func Split(sql string) ([]Statement, error) {
	if err := checkText(sql); err != nil {
		return nil, err
	}
	if one, ok := single(sql); ok {
		return one, nil
	}
	var statements []Statement
	var b body
	l := lexer{src: sql}
	start, end, depth := -1, 0, 0
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		if t.kind == tokEnd || t.kind == tokOp && t.text == ";" && depth <= 0 && !b.inside() {
			if start >= 0 {
				statements = append(statements, Statement{sql[start:end], start})
			}
			if t.kind == tokEnd {
				return statements, nil
			}
			start, depth, b = -1, 0, body{}
			continue
		}
		if start < 0 {
			start = t.pos
		}
		end = t.end
		if t.kind == tokOp {
			switch t.text {
			case "(":
				depth++
			case ")":
				depth--
			}
		}
		b.see(t)
	}
}

// single answers for the common query: one statement, no semicolon but
// perhaps the last, no comment before it.
func single(sql string) ([]Statement, bool) {
	i := 0
	for i < len(sql) && isBlank(sql[i]) {
		i++
	}
	text := strings.TrimRight(sql[i:], " \t\r\n\f\v;")
	if text == "" || strings.IndexByte(text, ';') >= 0 || strings.Contains(text, "--") || strings.Contains(text, "/*") {
		return nil, false
	}
	// A semicolon that was cut off may belong to a string or a body.
	if len(text) < len(sql)-i && strings.ContainsAny(sql[i+len(text):], ";") && strings.ContainsAny(text, `'"$(`) {
		return nil, false
	}
	l := lexer{src: sql, at: i}
	if t, err := l.next(); err != nil || t.kind != tokWord || t.text == "create" {
		return nil, false
	}
	return []Statement{{text, i}}, true
}

// body follows CREATE … TRIGGER … BEGIN … END, token by token. CASE has an
// END of its own.
type body struct {
	seen    int // tokens so far
	create  bool
	trigger bool
	open    int // BEGIN and CASE that are not ended
}

func (b *body) inside() bool { return b.open > 0 }

func (b *body) see(t token) {
	b.seen++
	if t.kind != tokWord {
		return
	}
	switch t.text {
	case "create":
		b.create = b.create || b.seen == 1
	case "trigger":
		// CREATE [OR REPLACE] [CONSTRAINT | TEMP] TRIGGER
		b.trigger = b.trigger || b.create && b.seen <= 5
	case "begin":
		if b.trigger && b.open == 0 {
			b.open = 1
		}
	case "case":
		if b.open > 0 {
			b.open++
		}
	case "end":
		if b.open > 0 {
			b.open--
		}
	}
}
