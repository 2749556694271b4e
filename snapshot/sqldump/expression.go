package sqldump

import (
	"fmt"
	"slices"
	"strings"
)

// fidelity is how much an expression for sqlite3 means what ours means.
type fidelity uint8

const (
	// near: the same in simple cases. Letters beyond ASCII, decimal digits, or
	// values of which ours makes an error may differ.
	near fidelity = iota
	// exact: the same value, bit for bit, whenever ours has one.
	exact
)

// placed is a token and where it is.
type placed struct {
	text       string
	start, end int
}

func placedTokens(sql string) []placed {
	var tokens []placed
	s := scanner{sql: sql}
	for t := s.next(); t != ""; t = s.next() {
		tokens = append(tokens, placed{t, s.at - len(t), s.at})
	}
	return tokens
}

// closing returns the index of the parenthesis that closes the one at open, or
// that of the last token.
func closing(tokens []placed, open int) int {
	depth := 0
	for i := open; i < len(tokens); i++ {
		switch tokens[i].text {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(tokens) - 1
}

// commaSeparated cuts tokens at the commas that are in no parentheses.
func commaSeparated(tokens []placed) [][]placed {
	var parts [][]placed
	start, depth := 0, 0
	for i, t := range tokens {
		switch t.text {
		case "(":
			depth++
		case ")":
			depth--
		case ",":
			if depth == 0 {
				parts = append(parts, tokens[start:i])
				start = i + 1
			}
		}
	}
	if len(tokens) > 0 {
		parts = append(parts, tokens[start:])
	}
	return parts
}

// isFunction knows the source's functions, in small letters: what else stands
// before a parenthesis is a table or a keyword.
type isFunction func(name string) bool

// translation is one text on its way to sqlite3's words.
type translation struct {
	sql       string
	functions isFunction

	fidelity fidelity
	missing  []string // functions for which sqlite3 has nothing
	syntax   []string // what its parser does not know
	asksTime bool     // the result depends on when it is asked for
}

func newTranslation(sql string, functions isFunction) *translation {
	return &translation{sql: sql, functions: functions, fidelity: exact}
}

func (x *translation) ok() bool { return len(x.missing) == 0 && len(x.syntax) == 0 }

// why names what has no equivalent.
func (x *translation) why() string {
	return strings.Join(append(slices.Clone(x.missing), x.syntax...), ", ")
}

func (x *translation) lose(list *[]string, what string) {
	x.fidelity = near
	if !slices.Contains(*list, what) {
		*list = append(*list, what)
	}
}

// expression translates all tokens of an expression, or of a program.
func (x *translation) expression(tokens []placed) string {
	text := x.text(tokens)
	if parserStack(text) > parserStackMax {
		x.lose(&x.syntax, "nested too deeply")
	}
	return text
}

// text translates tokens that follow one another. What is between them, blanks and
// comments, stays.
func (x *translation) text(tokens []placed) string {
	var b strings.Builder
	for i := 0; i < len(tokens); {
		if i > 0 {
			b.WriteString(x.sql[tokens[i-1].end:tokens[i].start])
		}
		if text, n := x.call(tokens[i:]); n > 0 {
			b.WriteString(text)
			i += n
			continue
		}
		b.WriteString(x.token(tokens[i:]))
		i++
	}
	return b.String()
}

// token translates one that begins no call that has to be rewritten.
func (x *translation) token(tokens []placed) string {
	t := tokens[0].text
	switch c := t[0]; {
	case c == '.' || c >= '0' && c <= '9':
		return withoutUnderscores(t)
	case c == '-' && len(tokens) > 1 && tokens[1].text == ">" && tokens[1].start == tokens[0].end:
		x.fidelity = near // JSON, in what form differs from version to version
	case isOneOf(t, "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"):
		x.fidelity, x.asksTime = near, true
	case isOneOf(t, "LIKE", "GLOB", "MATCH", "CAST"):
		x.fidelity = near // ours tells capitals from small letters
	case strings.EqualFold(t, "REGEXP"):
		x.lose(&x.missing, "regexp")
	case strings.EqualFold(t, "RAISE") && len(tokens) > 4 && tokens[1].text == "(" && tokens[3].text == ",":
		if close := closing(tokens, 1); close != 5 {
			x.lose(&x.syntax, "RAISE with a message that is computed")
		}
	case strings.EqualFold(t, "WITHIN") && len(tokens) > 1 && strings.EqualFold(tokens[1].text, "GROUP"):
		x.lose(&x.syntax, "WITHIN GROUP")
	}
	return t
}

// withoutUnderscores writes a number as SQLite did before version 3.46: 1000 for
// 1_000.
func withoutUnderscores(number string) string { return strings.ReplaceAll(number, "_", "") }

// call translates a call of a function and returns how many tokens it had; 0 when
// it is none, or its arguments are still to be translated.
func (x *translation) call(tokens []placed) (text string, n int) {
	name := functionName(tokens)
	if name == "" || !x.functions(name) {
		return "", 0
	}
	close := closing(tokens, 1)
	inside := tokens[2:close]
	if ordered(inside) {
		x.lose(&x.syntax, "ORDER BY in "+name+"()")
		return "", 0
	}
	parts := commaSeparated(inside)
	x.asksTime = x.asksTime || timeFunctions[name] || dateFunctions[name] && isNow(inside)
	if translate, ok := translations[name]; ok {
		c := functionCall{x: x, name: name}
		for _, part := range parts {
			c.args = append(c.args, x.argument(part))
		}
		if text, fidelity, ok := translate(&c); ok {
			x.fidelity = min(x.fidelity, fidelity)
			return text, close + 1
		}
		// The arguments are translated already. To do it again would take twice the
		// time for each call around another.
		var plain []string
		for _, a := range c.args {
			plain = append(plain, a.plain)
		}
		text, n = x.sql[tokens[0].start:tokens[1].end]+strings.Join(plain, ", ")+")", close+1
	}
	switch {
	case len(parts) > argumentsMax:
		x.lose(&x.syntax, fmt.Sprintf("more than %d arguments of %s()", argumentsMax, name))
	case name == "json_valid" && len(parts) > 1:
		x.lose(&x.missing, "json_valid with flags")
	case exactFunctions[name]:
	case shellFunctions[name]:
		x.fidelity = near
	default:
		x.lose(&x.missing, name)
	}
	return text, n
}

// isNow reports a date function's arguments that ask for the time.
func isNow(inside []placed) bool {
	return len(inside) == 0 || slices.ContainsFunc(inside, func(t placed) bool { return strings.EqualFold(t.text, "'now'") })
}

// functionName is the name of the function that tokens begin with a call of.
func functionName(tokens []placed) string {
	if len(tokens) < 3 || tokens[1].text != "(" || tokens[0].text[0] == '\'' {
		return ""
	}
	return strings.ToLower(nameOf(tokens[0].text))
}

// ordered reports ORDER BY among an aggregate's arguments, which SQLite has since
// 3.44.
func ordered(inside []placed) bool {
	depth := 0
	for i, t := range inside {
		switch {
		case t.text == "(":
			depth++
		case t.text == ")":
			depth--
		case i > 0 && depth == 0 && strings.EqualFold(t.text, "ORDER"):
			return true
		}
	}
	return false
}

// argument is one of a call.
type argument struct {
	text  string // translated; may stand beside an operator
	plain string // the same without parentheses around it
	// literal is the token, when it is only one and not a name.
	literal string
}

func (x *translation) argument(tokens []placed) argument {
	a := argument{plain: x.text(tokens)}
	a.text = a.plain
	if !x.compact(a.plain) {
		a.text = "(" + a.plain + ")"
	}
	if len(tokens) == 1 && (tokens[0].text[0] == '\'' || tokens[0].text[0] >= '0' && tokens[0].text[0] <= '9') {
		a.literal = tokens[0].text
	}
	return a
}

// compact reports a text that no operator beside it can tear apart: a literal, a
// column, a call, or what is in parentheses.
func (x *translation) compact(text string) bool {
	tokens := placedTokens(text)
	switch {
	case len(tokens) == 1:
		return true
	case len(tokens) == 3 && tokens[1].text == ".":
		return true
	case tokens[0].text == "(":
		return closing(tokens, 0) == len(tokens)-1
	case len(tokens) > 2 && tokens[1].text == "(":
		name := strings.ToLower(nameOf(tokens[0].text))
		return (name == "cast" || shellFunctions[name] || exactFunctions[name]) && closing(tokens, 1) == len(tokens)-1
	}
	return false
}

// functionCall is a call that is to be translated.
type functionCall struct {
	x    *translation
	name string
	args []argument
}

// fill puts the arguments into a template: $1 may stand beside an operator, #1 only
// where commas or parentheses are around it.
func (c *functionCall) fill(template string) string {
	var pairs []string
	for i := len(c.args); i > 0; i-- { // $12 before $1
		pairs = append(pairs, fmt.Sprint("$", i), c.args[i-1].text, fmt.Sprint("#", i), c.args[i-1].plain)
	}
	return strings.NewReplacer(pairs...).Replace(template)
}
