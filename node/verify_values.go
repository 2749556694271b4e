package node

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"quorate/admin"
	"quorate/internal/value"
)

// verifyTextBytes is how much of a value a report shows.
const verifyTextBytes = 200

// show writes a value as SQL would, so that different values look different: 1 and
// 1.0, and texts that a terminal would not show.
func (c *shownCell) show() *admin.VerifyValue {
	v, _, err := value.Decode(c.Shown)
	if err != nil {
		return &admin.VerifyValue{Type: "unknown"}
	}
	shown := &admin.VerifyValue{Type: v.Kind().String(), SQL: fmt.Sprintf("%#v", v)}
	switch v.Kind() {
	case value.Real:
		if !strings.ContainsAny(shown.SQL, ".eIN") {
			shown.SQL += ".0"
		}
	case value.Text:
		head := wholeRunes(v.Bytes()[:min(len(v.Bytes()), verifyTextBytes)])
		shown.SQL = textLiteral(head)
		if int64(len(head)) < c.Bytes {
			shown.Bytes = c.Bytes
		}
	case value.Blob:
		head := v.Bytes()[:min(len(v.Bytes()), verifyTextBytes/2)]
		shown.SQL = fmt.Sprintf("x'%x'", head)
		if int64(len(head)) < c.Bytes {
			shown.Bytes = c.Bytes
		}
	}
	return shown
}

// wholeRunes leaves out the part of a character that a cut has left at the end.
func wholeRunes(b []byte) []byte {
	for cut := 1; cut < utf8.UTFMax && cut < len(b); cut++ {
		if tail := b[len(b)-cut:]; utf8.RuneStart(tail[0]) && !utf8.FullRune(tail) {
			return b[:len(b)-cut]
		}
	}
	return b
}

// textLiteral writes text in quotes or, where these would not show it, in hexadecimal.
func textLiteral(b []byte) string {
	s := string(b)
	if !utf8.Valid(b) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return fmt.Sprintf("CAST(x'%x' AS TEXT)", b)
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
