package sqlfsm

import (
	"strings"

	"quorate/internal/errcode"
)

// checkWords returns a statement's first word, and refuses what the authorizer
// is not asked about: statements of other kinds (VACUUM, EXPLAIN), and the
// conflict resolution ROLLBACK, which would end the transaction that other
// entries are in (https://sqlite.org/lang_conflict.html).
func checkWords(sql string, c class) (first string, refused *errcode.Error) {
	w := words{sql: sql}
	first = w.next()
	switch {
	case first == "":
		return "", errEmpty()
	case c == defining && isOneOf(first, "CREATE", "DROP", "ALTER", "ANALYZE", "REINDEX"):
	case c == writing && isOneOf(first, "INSERT", "REPLACE", "UPDATE", "DELETE", "WITH", "SELECT", "VALUES"):
	default:
		return first, notSupported("this statement cannot be part of a command: " + strings.ToUpper(first))
	}
	before, last := "", first
	for word := w.next(); word != ""; before, last, word = last, word, w.next() {
		if !strings.EqualFold(word, "ROLLBACK") {
			continue
		}
		if isOneOf(last, "OR", "CONFLICT") || last == "(" && strings.EqualFold(before, "RAISE") {
			return first, notSupported("the conflict resolution ROLLBACK is not supported").
				WithHint("A failing statement undoes the whole command anyway. Use ABORT.")
		}
	}
	return first, nil
}

func errEmpty() *errcode.Error { return errcode.Newf(errcode.SyntaxError, "empty statement") }

func isOneOf(word string, list ...string) bool {
	for _, w := range list {
		if strings.EqualFold(word, w) {
			return true
		}
	}
	return false
}

// words cuts an SQL text into words and single characters of punctuation,
// without blanks, comments, and what is quoted
// (https://sqlite.org/lang_keywords.html, lang_comment.html). A quoted thing
// comes out as its quote character; name tells what it says.
type words struct {
	sql   string
	start int // of the last word
	at    int // behind it
}

// next returns the next word, "" at the end.
func (w *words) next() string {
	for w.at < len(w.sql) {
		rest := w.sql[w.at:]
		w.start = w.at
		switch c := rest[0]; {
		case isSpace(c):
			w.at++
		case strings.HasPrefix(rest, "--"):
			w.skipTo(rest, "\n", 2)
		case strings.HasPrefix(rest, "/*"):
			w.skipTo(rest, "*/", 2)
		case c == '\'' || c == '"' || c == '`':
			w.skipTo(rest, string(c), 1)
			for w.at < len(w.sql) && w.sql[w.at] == c { // doubled: it goes on
				w.skipTo(w.sql[w.at:], string(c), 1)
			}
			return string(c)
		case c == '[':
			w.skipTo(rest, "]", 1)
			return "["
		case isWordByte(c):
			n := 1
			for n < len(rest) && isWordByte(rest[n]) {
				n++
			}
			w.at += n
			return rest[:n]
		default:
			w.at++
			return rest[:1]
		}
	}
	return ""
}

// name returns the name that word, the last word, is; "" when it is none.
func (w *words) name(word string) string {
	switch {
	case word == "\"" || word == "`":
		return strings.ReplaceAll(strings.TrimSuffix(w.sql[w.start+1:w.at], word), word+word, word)
	case word == "[":
		return strings.TrimSuffix(w.sql[w.start+1:w.at], "]")
	case isWordByte(word[0]):
		return word
	}
	return ""
}

// skipTo moves behind the next end in rest, looking from the given offset on.
func (w *words) skipTo(rest, end string, from int) {
	if i := strings.Index(rest[from:], end); i >= 0 {
		w.at += from + i + len(end)
		return
	}
	w.at = len(w.sql)
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
