package sqlfsm

import "strings"

// Describe returns a command's statements as text, for people: without the values
// of their parameters, and cut where there is too much of them.
func Describe(data []byte) (string, error) {
	h, err := DecodeHeader(data)
	if err != nil {
		return "", err
	}
	if h.Kind != KindSQL {
		return "", nil
	}
	const most = 2000
	var text strings.Builder
	var d decoder
	var s statement
	for n := d.begin(data); n > 0 && d.err == nil; n-- {
		d.next(&s)
		if text.Len() > 0 {
			text.WriteString("; ")
		}
		text.Write(s.sql[:min(len(s.sql), most-text.Len())])
		if text.Len() >= most-len("; ") {
			return strings.ToValidUTF8(text.String(), "") + " …", d.err
		}
	}
	return text.String(), d.err
}
