package sqlgen

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"quorate/internal/value"
)

// A script is written as people read it, a thing a line, so that what was found
// stays what it is when the generator draws other statements:
//
//	command time=1552262300123457 seed=5 zone=UTC from=2 again=4 stale load mark reborn members=1,2
//	sql: INSERT INTO t1 (id, c2) VALUES ($1, now())
//	  $1="42"
//	sqlite: DELETE FROM r2 WHERE k = ?1
//	  ?1=text "a"

// String shows a command.
func (c *Command) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "command time=%d seed=%d", c.Time, c.Seed)
	for _, word := range []struct {
		is   bool
		text string
	}{
		{c.Zone != "", "zone=" + c.Zone},
		{c.Origin != 0, fmt.Sprintf("from=%d", c.Origin)},
		{c.Again != 0, fmt.Sprintf("again=%d", c.Again)},
		{c.Stale, "stale"},
		{c.Load, "load"},
		{c.Mark, "mark"},
		{c.Reborn, "reborn"},
		{c.Members != nil, "members=" + strings.Trim(strings.ReplaceAll(fmt.Sprint(c.Members), " ", ","), "[]")},
	} {
		if word.is {
			b.WriteString(" " + word.text)
		}
	}
	b.WriteString("\n")
	for i := range c.Statements {
		writeStatement(&b, &c.Statements[i])
	}
	return b.String()
}

func writeStatement(b *strings.Builder, s *Statement) {
	language := "sql"
	if s.Raw {
		language = "sqlite"
	}
	fmt.Fprintf(b, "%s: %s\n", language, s.SQL)
	for k, p := range s.Params {
		text := strconv.Quote(p.Text)
		if p.Null {
			text = "NULL"
		}
		fmt.Fprintf(b, "  $%d=%s\n", k+1, text)
	}
	for k, a := range s.Args {
		text := "null"
		switch a.Kind() {
		case value.Integer:
			text = "integer " + strconv.FormatInt(a.Int(), 10)
		case value.Real:
			text = "real " + strconv.FormatFloat(a.Float(), 'g', -1, 64)
		case value.Text:
			text = "text " + strconv.Quote(a.Text())
		case value.Blob:
			text = "blob " + hex.EncodeToString(a.Bytes())
		}
		fmt.Fprintf(b, "  ?%d=%s\n", k+1, text)
	}
}

// A Finding is a script that showed something once, and what.
type Finding struct {
	Seed   uint64 // of how the machines live
	About  string
	Script []Command
}

// ReadFindings reads scripts, each behind a line "== seed N: what it found". Lines
// that begin with # are comments.
func ReadFindings(in io.Reader) (list []Finding, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "== "):
			var f Finding
			head, about, _ := strings.Cut(line, ": ")
			_, err = fmt.Sscanf(head, "== seed %d", &f.Seed)
			f.About = about
			list = append(list, f)
		case len(list) == 0:
			err = fmt.Errorf("a script begins with == seed N")
		default:
			err = list[len(list)-1].read(line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return list, lines.Err()
}

// read takes the next line.
func (f *Finding) read(line string) error {
	if words, ok := strings.CutPrefix(line, "command"); ok {
		c, err := readCommand(words)
		f.Script = append(f.Script, c)
		return err
	}
	if len(f.Script) == 0 {
		return fmt.Errorf("%q stands before the first command", line)
	}
	c := &f.Script[len(f.Script)-1]
	if language, sql, ok := strings.Cut(line, ": "); ok && (language == "sql" || language == "sqlite") {
		c.Statements = append(c.Statements, Statement{Kind: "found", Raw: language == "sqlite", SQL: sql})
		return nil
	}
	if len(c.Statements) == 0 {
		return fmt.Errorf("%q stands before the first statement", line)
	}
	return c.Statements[len(c.Statements)-1].readArgument(strings.TrimSpace(line))
}

func readCommand(words string) (c Command, err error) {
	for _, word := range strings.Fields(words) {
		name, text, _ := strings.Cut(word, "=")
		switch name {
		case "time":
			c.Time, err = strconv.ParseInt(text, 10, 64)
		case "seed":
			c.Seed, err = strconv.ParseUint(text, 10, 64)
		case "zone":
			c.Zone = text
		case "from":
			c.Origin, err = strconv.ParseUint(text, 10, 64)
		case "again":
			c.Again, err = strconv.Atoi(text)
		case "stale":
			c.Stale = true
		case "load":
			c.Load = true
		case "mark":
			c.Mark = true
		case "reborn":
			c.Reborn = true
		case "members":
			for _, m := range strings.Split(text, ",") {
				var id uint64
				id, err = strconv.ParseUint(m, 10, 64)
				c.Members = append(c.Members, id)
			}
		default:
			err = fmt.Errorf("a command knows no %q", name)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func (s *Statement) readArgument(line string) (err error) {
	place, text, ok := strings.Cut(line, "=")
	switch {
	case ok && strings.HasPrefix(place, "$"):
		p := Param{Null: text == "NULL"}
		if !p.Null {
			p.Text, err = strconv.Unquote(text)
		}
		s.Params = append(s.Params, p)
	case ok && strings.HasPrefix(place, "?"):
		var v value.Value
		v, err = readValue(text)
		s.Args = append(s.Args, v)
	default:
		err = fmt.Errorf("%q is neither a command nor a statement nor an argument", line)
	}
	return err
}

func readValue(text string) (value.Value, error) {
	kind, text, _ := strings.Cut(text, " ")
	switch kind {
	case "null":
		return value.Value{}, nil
	case "integer":
		n, err := strconv.ParseInt(text, 10, 64)
		return value.Int(n), err
	case "real":
		x, err := strconv.ParseFloat(text, 64)
		return value.Float(x), err
	case "text":
		t, err := strconv.Unquote(text)
		return value.String(t), err
	case "blob":
		b, err := hex.DecodeString(text)
		return value.BlobBytes(b), err
	}
	return value.Value{}, fmt.Errorf("there is no kind of value %q", kind)
}
