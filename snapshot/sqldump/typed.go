package sqldump

import "strings"

// typed writes a statement so that the shell reads it as it stands: it drops a
// carriage return before a newline, and takes a line that is only / or go for a
// semicolon.
func typed(sql string, virtual bool) string {
	var edits []edit
	tokens := placedTokens(sql)
	at := 0
	for i, t := range tokens {
		before := sql[at:t.start]
		at = t.end
		if unix := withoutReturns(before); unix != before {
			edits = append(edits, edit{t.start - len(before), t.start, unix})
		}
		if (t.text == "/" || isOneOf(t.text, "go")) && strings.Contains(before, "\n") {
			edits = append(edits, edit{t.start, t.start, "/**/"})
		}
		if !strings.Contains(t.text, "\r\n") {
			continue
		}
		text := withoutReturns(t.text)
		if message := i > 3 && isOneOf(tokens[i-4].text, "RAISE") || i > 2 && isOneOf(tokens[i-3].text, "RAISE"); t.text[0] == '\'' && !virtual && !message {
			text = "(CAST(" + string(appendHex(nil, []byte(nameOf(t.text)))) + " AS TEXT))"
		}
		edits = append(edits, edit{t.start, t.end, text})
	}
	if after := sql[at:]; strings.Contains(after, "\r\n") {
		edits = append(edits, edit{at, len(sql), withoutReturns(after)})
	}
	return applied(sql, edits)
}

func withoutReturns(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// parserStackMax is what may be on the stack of the parser for an expression:
// before SQLite 3.46 it had room for 100 symbols, of which what is around the
// expression needs some.
const parserStackMax = 66

// parserStack is how many symbols of an expression the parser has on its stack at
// most, about: those in front of each parenthesis and CASE that is open.
func parserStack(text string) int {
	var open []int // what each has added
	height, most := 0, 0
	push := func(symbols int) {
		open = append(open, symbols)
		height += symbols
		most = max(most, height)
	}
	before := "("
	for _, t := range significantTokens(text) {
		switch {
		case isOneOf(t, "CASE"):
			push(5)
		case t == "(":
			switch {
			case before == "(":
				push(1)
			case isOneOf(before, "SELECT"):
				push(6)
			case isWordByte(before[0]) || before[0] == '"':
				push(4) // a function, what is before its last argument
			default:
				push(3) // an operand and an operator
			}
		case (t == ")" || isOneOf(t, "END")) && len(open) > 0:
			height -= open[len(open)-1]
			open = open[:len(open)-1]
		}
		before = t
	}
	return most
}
