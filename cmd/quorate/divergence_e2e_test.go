package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quorate/internal/sqlite"
)

// TestDivergedProcess changes a row in one node's file while the node does not run.
// When a statement meets the row, the node is found out by the others, quarantines
// itself, gets another database and serves again, all without an operator; what it
// found is in its log, and a copy of the damaged file beside the database.
func TestDivergedProcess(t *testing.T) {
	p := startCluster(t, 3)
	p.exec("n1", "create table accounts (id bigint primary key, balance bigint)")
	p.exec("n1", "insert into accounts select i, 100 from generate_series(1, 1000) i")
	p.stop("n3")
	db, err := sqlite.Open(filepath.Join(p.nodes["n3"].dataDir, "db", "quorate.db"), sqlite.Existing)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Exec("UPDATE accounts SET balance = 1000000 WHERE id = 777")
	if closeErr := db.Close(); err != nil || closeErr != nil {
		t.Fatal(err, closeErr)
	}
	p.start("n3")
	p.awaitReady("n3")
	if out := p.quorate("n1", "status"); strings.Contains(out, "ALARM") {
		t.Errorf("before anything meets the row:\n%s", out)
	}

	p.exec("n1", "update accounts set balance = balance - 1 where id between 700 and 800")
	poll(p.ctx, t, "n3 to serve again", func() bool { return p.said("n3", "it serves again") })
	p.awaitReady("n3")
	if !p.said("n3", "UPDATE accounts SET balance") {
		t.Error("n3 has not named the statement")
	}
	if _, err := os.Stat(filepath.Join(p.nodes["n3"].dataDir, "diverged.db")); err != nil {
		t.Errorf("the damaged database was not kept: %v", err)
	}
	if out := p.quorate("n1", "verify"); !strings.Contains(out, "compared n1, n2, n3 at index ") || strings.Contains(out, "differs") {
		t.Errorf("afterwards:\n%s", out)
	}
	p.exec("n3", "update accounts set balance = balance - 1 where id = 777")
	if out := p.quorate("n2", "status"); strings.Contains(out, "ALARM") {
		t.Errorf("afterwards:\n%s", out)
	}
}
