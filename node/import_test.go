package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"quorate/admin"
	"quorate/snapshot/sqldump"
)

// loadText imports a text in batches of about so many bytes, as quorate import
// does.
func loadText(t testing.TB, n *Node, name, text string, batchBytes int) error {
	t.Helper()
	format, err := sqldump.Detect([]byte(text))
	if err != nil {
		return err
	}
	p, err := n.ImportProgress(t.Context(), name)
	if err != nil {
		return err
	}
	p.Line = max(p.Line, 1)
	r := sqldump.NewReader(strings.NewReader(text[p.Position:]), format, p.Position, p.Line)
	for from := p; ; {
		s, err := r.Next()
		end := err != nil
		if !end {
			p.Position = s.End
		}
		if p.Position-from.Position >= int64(batchBytes) || end && p.Position > from.Position {
			body := text[from.Position:p.Position]
			p.Line = from.Line + strings.Count(body, "\n")
			p.SHA256 = "test"
			if _, err := n.Import(t.Context(), admin.ImportBatch{Name: name, Format: string(format), Position: from.Position, Line: from.Line, Reached: p, Text: []byte(body)}); err != nil {
				return err
			}
			from = p
		}
		if end {
			if err != io.EOF {
				return err
			}
			if !r.Complete() && format == sqldump.Quorate {
				return errors.New("the dump is cut off")
			}
			break
		}
	}
	f, err := n.FinishImport(t.Context(), name)
	if err == nil && f.Violating > 0 {
		err = fmt.Errorf("%d violations: %s", f.Violating, strings.Join(f.Violations, "; "))
	}
	return err
}

func dumpText(t testing.TB, n *Node) string {
	t.Helper()
	var b strings.Builder
	if _, err := n.Dump(t.Context(), &b, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// contents is the whole database but for what says when it was changed.
func contents(t testing.TB, n *Node) string {
	t.Helper()
	var b strings.Builder
	if _, err := n.fsm.Dump(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return volatile.ReplaceAllString(b.String(), "")
}

var volatile = regexp.MustCompile(`(?m)^(clock and schema version|_quorate_(meta|origins|incarnations|outcomes)[a-z_]*):.*\n`)

// TestImport shows what imports do, batch after batch. "sql" runs statements in a
// session, "import" loads a text (bytes=N: in batches of so many; name=X: as the import
// of this name, else as a new one), "dump" shows the database.
//
//	go test ./node -run TestImport/ -rewrite
func TestImport(t *testing.T) {
	datadriven.Walk(t, "testdata/import", func(t *testing.T, path string) {
		c := startCluster(t, 1)
		n := c.nodes[0]
		imports := 0
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "sql":
				execSQL(t, n, strings.Split(d.Input, ";\n")...)
				return ""
			case "import":
				bytes := 1 << 20
				if d.HasArg("bytes") {
					d.ScanArgs(t, "bytes", &bytes)
				}
				imports++
				name := fmt.Sprint("file ", imports)
				if d.HasArg("name") {
					d.ScanArgs(t, "name", &name)
				}
				err := loadText(t, n, name, strings.ReplaceAll(d.Input, "<NUL>", "\x00"), bytes)
				var refused *admin.Error
				if errors.As(err, &refused) && refused.Hint != "" {
					return fmt.Sprintf("%v\nhint: %s\n", err, refused.Hint)
				}
				if err != nil {
					return err.Error() + "\n"
				}
				return "ok\n"
			case "dump":
				return dumpText(t, n)
			}
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

// What is dumped from one cluster and imported into another, whatever the batches,
// is the same database there, on every node, and gives the same dump.
func TestDumpImport(t *testing.T) {
	from := startCluster(t, 1)
	execSQL(t, from.nodes[0],
		`CREATE TABLE users (id serial PRIMARY KEY, name varchar(30) NOT NULL UNIQUE, born date, rate numeric(10,2), ok boolean DEFAULT true, seen timestamptz, data jsonb, raw bytea, n bigint CONSTRAINT n CHECK (n + 1 > 0), boss integer REFERENCES users (id))`,
		`CREATE TABLE notes (body text, size integer GENERATED ALWAYS AS (length(body)) STORED, owner integer NOT NULL REFERENCES users (id) ON DELETE CASCADE)`,
		`CREATE TABLE keyed (a text, b real, PRIMARY KEY (a, b)) WITHOUT ROWID`,
		`CREATE INDEX notes_owner ON notes (owner)`,
		`CREATE VIRTUAL TABLE found USING fts5(body)`,
		`INSERT INTO found (body) VALUES ('one word'), ('two words')`,
		`CREATE UNIQUE INDEX users_lower ON users (lower(name)) WHERE ok`,
		`CREATE VIEW grown AS SELECT name, born + 6570 AS day FROM users`,
		`CREATE TRIGGER t AFTER INSERT ON notes BEGIN UPDATE users SET n = n + 1 WHERE id = new.owner; END`,
		`INSERT INTO users (id, name, born, rate, ok, seen, data, raw, n, boss) VALUES (3, 'ann', '1990-01-02', 12.50, true, '2024-05-06 07:08:09.123456+02', '{"a": 1}', '\x00ff', 5, NULL)`,
		`INSERT INTO users (name, boss) VALUES ('o''neil', 3), ('two
lines', 3)`,
		`UPDATE users SET boss = 3 WHERE name = 'ann'`,
		`INSERT INTO notes (body, owner) VALUES ('one', 3), ('two', 4), ('three', 4)`,
		`DELETE FROM notes WHERE body = 'one'`,
		`INSERT INTO keyed VALUES ('a', 0.1), ('a', 1e30), ('b', -0.0)`,
	)
	dump := dumpText(t, from.nodes[0])
	if !strings.Contains(dump, " CHECK (q_add(n, 1) > 0)") || !strings.Contains(dump, " CHECK ((n + 1) > 0)") {
		t.Errorf("the dump does not have one CHECK for import and one for sqlite3:\n%.500s", dump)
	}
	want := contents(t, from.nodes[0])
	for _, batchBytes := range []int{1, 300, 1 << 20} {
		to := startCluster(t, 1)
		if err := loadText(t, to.nodes[0], "x", dump, batchBytes); err != nil {
			t.Fatalf("batches of %d bytes: %v", batchBytes, err)
		}
		if got := contents(t, to.nodes[0]); got != want {
			t.Errorf("batches of %d bytes made\n%s\nof\n%s", batchBytes, got, want)
		}
		if got := dumpText(t, to.nodes[0]); got != dump {
			t.Errorf("dumped again:\n%s\nbefore:\n%s", got, dump)
		}
		execSQL(t, to.nodes[0], "INSERT INTO users (name) VALUES ('next')")
		var body string
		if err := connect(t, to.nodes[0]).QueryRow(t.Context(), "SELECT body FROM found WHERE found MATCH 'words'").Scan(&body); err != nil || body != "two words" {
			t.Errorf("the full text index finds %q, %v", body, err)
		}
		to.close()
	}
}
