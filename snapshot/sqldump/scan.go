package sqldump

import "strings"

// scanner cuts an SQL text into tokens by SQLite's rules: words, numbers,
// things in quotes, and single characters of punctuation. Blanks and comments
// are left out.
type scanner struct {
	sql string
	at  int // behind the last token
	// open is what would end the comment in which the text ends, a newline or */;
	// "" when it ends in none. It is known at the end.
	open string
}

// next returns the next token as it is written, "" at the end.
func (s *scanner) next() string {
	for s.at < len(s.sql) {
		rest := s.sql[s.at:]
		switch c := rest[0]; {
		case isBlank(c):
			s.at++
		case strings.HasPrefix(rest, "--"):
			s.skip(rest, "\n", 2)
		case strings.HasPrefix(rest, "/*"):
			s.skip(rest, "*/", 2)
		default:
			n := tokenLength(rest)
			s.at += n
			return rest[:n]
		}
	}
	return ""
}

func (s *scanner) skip(rest, end string, from int) {
	if i := strings.Index(rest[from:], end); i >= 0 {
		s.at += from + i + len(end)
		return
	}
	s.at, s.open = len(s.sql), end
}

// tokenLength is the length of the token that begins a text.
func tokenLength(text string) int {
	switch c := text[0]; {
	case c == '\'' || c == '"' || c == '`':
		return quotedLength(text, c)
	case c == '[':
		if i := strings.IndexByte(text, ']'); i >= 0 {
			return i + 1
		}
		return len(text)
	case (c == 'x' || c == 'X') && len(text) > 1 && text[1] == '\'':
		return 1 + quotedLength(text[1:], '\'')
	case c >= '0' && c <= '9' || c == '.' && len(text) > 1 && text[1] >= '0' && text[1] <= '9':
		return numberLength(text)
	case isWordByte(c):
		n := 1
		for n < len(text) && isWordByte(text[n]) {
			n++
		}
		return n
	}
	return 1
}

// quotedLength is the length of a text in quotes, in which a doubled quote
// stands for one.
func quotedLength(text string, quote byte) int {
	for at := 1; ; at++ {
		i := strings.IndexByte(text[at:], quote)
		if i < 0 {
			return len(text)
		}
		at += i + 1
		if at == len(text) || text[at] != quote {
			return at
		}
	}
}

func numberLength(text string) int {
	n := 0
	for n < len(text) {
		c := text[n]
		sign := (c == '+' || c == '-') && (text[n-1] == 'e' || text[n-1] == 'E') && !strings.HasPrefix(text, "0x")
		if !isWordByte(c) && c != '.' && !sign {
			break
		}
		n++
	}
	return n
}

// isBlank knows SQLite's blanks; a vertical tab is none.
func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' && c != '\v' }

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// significantTokens returns all tokens of a text.
func significantTokens(sql string) []string {
	var tokens []string
	s := scanner{sql: sql}
	for t := s.next(); t != ""; t = s.next() {
		tokens = append(tokens, t)
	}
	return tokens
}

// commentEnd returns what has to follow a text so that it does not end in a
// comment.
func commentEnd(sql string) string {
	s := scanner{sql: sql}
	for s.next() != "" {
	}
	return s.open
}

// nameOf returns the name that a token is, quoted or not; "" when it is none.
// SQLite takes a string for a name too.
func nameOf(token string) string {
	if token == "" {
		return ""
	}
	switch quote := token[0]; {
	case quote == '"' || quote == '`' || quote == '\'':
		if len(token) < 2 {
			return ""
		}
		q := string(quote)
		return strings.ReplaceAll(token[1:len(token)-1], q+q, q)
	case quote == '[':
		return strings.TrimSuffix(token[1:], "]")
	case isWordByte(quote):
		return token
	}
	return ""
}
