package main

import (
	"path/filepath"
	"strings"
	"testing"

	"quorate/internal/exitcode"
	"quorate/internal/sqlite"
)

// TestVerifyProcesses compares three real nodes as an operator does: when they are
// equal, when the file of one of them was changed while it did not run, and when one is
// down.
func TestVerifyProcesses(t *testing.T) {
	p := startCluster(t, 3)
	p.exec("n1", "create table accounts (id bigint primary key, owner text)")
	p.exec("n1", "insert into accounts select i, 'owner ' || i from generate_series(1, 1000) i")
	if out := p.quorate("n2", "verify"); !strings.Contains(out, "compared n1, n2, n3 at index ") || strings.Contains(out, "differs") {
		t.Errorf("equal members:\n%s", out)
	}

	p.stop("n3")
	db, err := sqlite.Open(filepath.Join(p.nodes["n3"].dataDir, "db", "quorate.db"), sqlite.Existing)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Exec("UPDATE accounts SET owner = 'nobody' WHERE id = 777")
	if closeErr := db.Close(); err != nil || closeErr != nil {
		t.Fatal(err, closeErr)
	}
	p.start("n3")
	p.awaitReady("n3")
	code, out, words := p.tryQuorate("n1", "verify")
	if code != exitcode.Failed || !strings.Contains(words, "error: the members differ in 1 table\n") ||
		!strings.Contains(out, "accounts on n1, n2 and on n3: the first difference is the row id = 777\n") || !strings.Contains(out, "'owner 777' (text)  'nobody' (text)") {
		t.Errorf("a row is changed on n3: exit %d\n%s%s", code, out, words)
	}

	p.kill("n3")
	if code, out, words := p.tryQuorate("n1", "verify"); code != exitcode.Incomplete || !strings.Contains(words, "error: not compared: n3: ") {
		t.Errorf("n3 is down: exit %d\n%s%s", code, out, words)
	}
}
