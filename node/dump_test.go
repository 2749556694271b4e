package node

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// execSQL runs statements through the front door.
func execSQL(t testing.TB, n *Node, statements ...string) {
	t.Helper()
	c := connect(t, n)
	for _, s := range statements {
		if _, err := c.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// A dump shows what was acknowledged before it, whichever node is asked.
func TestDump(t *testing.T) {
	c := startCluster(t, 3)
	execSQL(t, c.nodes[0], "CREATE TABLE users (id serial PRIMARY KEY, name varchar(30) NOT NULL)", "INSERT INTO users (name) VALUES ('ann'), ('bob')")
	for _, n := range c.nodes {
		var b strings.Builder
		summary, err := n.Dump(t.Context(), &b, false)
		if err != nil {
			t.Fatal(err)
		}
		if summary.Contents != "1 table, 2 rows" {
			t.Errorf("the dump holds %s", summary.Contents)
		}
		for _, part := range []string{"('users','name','varchar',34)", "(1,'ann'),\n(2,'bob');", "(1,'users',2);", "-- end of dump: 1 table, 2 rows\n"} {
			if !strings.Contains(b.String(), part) {
				t.Errorf("the dump has no %q:\n%s", part, b.String())
			}
		}
	}
}
