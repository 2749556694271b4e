package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"quorate/admin"
	"quorate/internal/sqlite"
	"quorate/internal/vfs"
	"quorate/raft"
	"quorate/sqlfsm"
	"quorate/sqlplan"
)

// damage changes a node's database behind the state machine's back.
func damage(t testing.TB, n *Node, script string) {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(n.cfg.DataDir, "db", "quorate.db"), sqlite.Existing)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Exec("PRAGMA busy_timeout=10000;" + script); err != nil {
		t.Fatal(err)
	}
}

func verify(t testing.TB, n *Node) *admin.VerifyReport {
	t.Helper()
	report, err := n.Verify(context.Background(), admin.VerifyOptions{Wait: time.Minute}, func(admin.VerifyProgress) {})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// showReport writes a report in lines, without what differs from run to run.
func showReport(r *admin.VerifyReport) string {
	var b strings.Builder
	fmt.Fprintf(&b, "verdict: %s\n", r.Verdict)
	for _, m := range r.Members {
		if !m.Compared {
			fmt.Fprintf(&b, "%s is not compared: %s\n", m.Name, m.Error)
		}
	}
	for _, t := range r.Tables {
		if t.Equal {
			continue
		}
		fmt.Fprintf(&b, "%s:\n", t.Name)
		for _, c := range t.Copies {
			switch {
			case c.Missing:
				fmt.Fprintf(&b, "  %v: no such table\n", c.Members)
			case c.Error != "":
				fmt.Fprintf(&b, "  %v: %s\n", c.Members, c.Error)
			default:
				fmt.Fprintf(&b, "  %v: %d rows\n", c.Members, c.Rows)
			}
		}
		for _, d := range t.Differences {
			fmt.Fprintf(&b, "  %v and %v differ from row %d on, key%s\n", d.Members, d.Others, d.Row, showColumns(d.Key))
			if d.Missing != "" {
				fmt.Fprintf(&b, "    missing: %s\n", d.Missing)
			}
			fmt.Fprintf(&b, "   %s\n", showColumns(d.Columns))
			if d.Error != "" {
				fmt.Fprintf(&b, "    error: %s\n", d.Error)
			}
		}
	}
	return b.String()
}

func showColumns(columns []admin.VerifyColumn) string {
	var b strings.Builder
	for _, c := range columns {
		fmt.Fprintf(&b, " %s=(%s, %s)", c.Name, showValue(c.Members), showValue(c.Others))
	}
	return b.String()
}

func showValue(v *admin.VerifyValue) string {
	switch {
	case v == nil:
		return "none"
	case v.Bytes > 0:
		return fmt.Sprintf("%s %s… of %d bytes", v.Type, v.SQL, v.Bytes)
	}
	return v.Type + " " + v.SQL
}

// TestVerify compares three nodes, one of which is damaged in all the ways that
// there are. "sql" goes through the log, "raw" too, in SQLite's own words;
// "damage" goes to one node's file alone, and "verify" shows what does not agree.
//
//	go test ./node -run TestVerify$ -rewrite
func TestVerify(t *testing.T) {
	c := startCluster(t, 3)
	conn := connect(t, c.nodes[0])
	datadriven.RunTest(t, "testdata/verify", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "sql":
			if _, err := conn.Exec(context.Background(), d.Input); err != nil {
				return err.Error() + "\n"
			}
			return ""
		case "raw":
			for _, line := range strings.Split(d.Input, "\n") {
				execute(t, c.nodes[0], raw(c.nodes[0], sqlplan.Write, line, strings.HasPrefix(line, "CREATE")))
			}
			return ""
		case "damage":
			var node int
			d.ScanArgs(t, "node", &node)
			for _, n := range c.nodes { // what was applied so far is damaged, not what is still to be
				if err := n.CatchUp(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			damage(t, c.nodes[node-1], d.Input)
			return ""
		case "verify":
			return showReport(verify(t, c.nodes[1]))
		}
		t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
		return ""
	})
}

// TestVerifyUnderLoad: while clients write on all nodes, members are compared at
// one index, and are equal; nobody waits for it, and afterwards nothing is pinned.
func TestVerifyUnderLoad(t *testing.T) {
	c := startCluster(t, 3)
	ctx := context.Background()
	if _, err := connect(t, c.nodes[0]).Exec(ctx, "CREATE TABLE t(id bigint PRIMARY KEY, v text)"); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	wrote := make([]int, len(c.nodes))
	for i, n := range c.nodes {
		conn := connect(t, n)
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := wrote[i]*len(c.nodes) + i
				if _, err := conn.Exec(ctx, "INSERT INTO t VALUES($1, $2)", id, fmt.Sprint("row ", id)); err != nil {
					t.Error(err)
					return
				}
				wrote[i]++
			}
		})
	}
	last := uint64(0)
	for i := range 6 {
		report := verify(t, c.nodes[i%3])
		if report.Verdict != admin.VerdictEqual || report.Index <= last {
			t.Errorf("at index %d, after %d: %s", report.Index, last, showReport(report))
		}
		last = report.Index
	}
	close(stop)
	clients.Wait()
	for _, n := range c.nodes {
		n.verifications.mu.Lock()
		if left := len(n.verifications.byID); left > 0 || n.verifications.waiting.Load() != 0 {
			t.Errorf("%s still takes part in %d comparisons, %d wait", n.cfg.Name, left, n.verifications.waiting.Load())
		}
		n.verifications.mu.Unlock()
	}
}

// TestVerifyMissingMember: a member that is down is named, and the others are
// compared; so is one that does not reach the mark.
func TestVerifyMissingMember(t *testing.T) {
	c := startCluster(t, 3)
	execute(t, c.nodes[0], raw(c.nodes[0], sqlplan.Write, "CREATE TABLE t (a INTEGER) STRICT", true))
	if err := c.stopNode(2); err != nil {
		t.Fatal(err)
	}
	report := verify(t, c.nodes[0])
	if m := report.Members[2]; report.Verdict != admin.VerdictIncomplete || m.Name != "n3" || m.Compared || m.Error == "" || !report.Members[1].Compared {
		t.Errorf("with n3 down: %s", showReport(report))
	}
	damage(t, c.nodes[1], "INSERT INTO t VALUES (1)")
	if report := verify(t, c.nodes[0]); report.Verdict != admin.VerdictDiffer {
		t.Errorf("two members differ, and one is down: %s", showReport(report))
	}
	if err := c.stopNode(1); err != nil {
		t.Fatal(err)
	}
	var refused *admin.Error
	if _, err := c.nodes[0].Verify(context.Background(), admin.VerifyOptions{Wait: 100 * time.Millisecond}, func(admin.VerifyProgress) {}); !errors.As(err, &refused) || refused.Status != 503 {
		t.Errorf("without a quorum: %v", err)
	}
}

// TestVerifyLease: who is not asked any more gives its database back by itself,
// before the mark and behind it.
func TestVerifyLease(t *testing.T) {
	c := startCluster(t, 1)
	n := c.nodes[0]
	n.verifications.lease = 20 * time.Millisecond
	ctx := context.Background()
	for _, withMark := range []bool{false, true} {
		id := verifyID{1}
		if err := n.verifications.begin(id); err != nil {
			t.Fatal(err)
		}
		n.verifications.mu.Lock()
		v := n.verifications.byID[id]
		n.verifications.mu.Unlock()
		if withMark {
			if err := n.mark(ctx, id, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		<-v.ctx.Done()
		v.turn <- struct{}{}
		if v.pinned != nil || n.verifications.waiting.Load() != 0 {
			t.Errorf("with mark %v: the database is still held", withMark)
		}
		<-v.turn
		if _, err := n.askVerify(ctx, n.id, verifyQuestion{ID: id[:], Op: verifyState}); !errors.Is(err, errVerifyUnknown) {
			t.Errorf("with mark %v: %v", withMark, err)
		}
	}
}

// TestVerifyOutdated: beside many writes a member gives the database that it has
// pinned back, and says why, to who digests it and to who looks at rows.
func TestVerifyOutdated(t *testing.T) {
	c := startClusterWith(t, 1, func(int) vfs.FS { return vfs.OS{} }, func(cfg *Config) { cfg.ReaderAgeBytes = 1 << 20 })
	n := c.nodes[0]
	ctx := context.Background()
	execute(t, n, raw(n, sqlplan.Write, "CREATE TABLE t (v BLOB) STRICT", true))
	id := verifyID{1}
	if err := n.verifications.begin(id); err != nil {
		t.Fatal(err)
	}
	n.verifications.mu.Lock()
	v := n.verifications.byID[id]
	n.verifications.mu.Unlock()
	if err := n.mark(ctx, id, time.Minute); err != nil {
		t.Fatal(err)
	}
	look := func() error {
		_, err := n.askVerify(ctx, n.id, verifyQuestion{ID: id[:], Op: verifyRow, Table: "t"})
		return err
	}
	until(t, "it is digested", func() bool { return look() == nil })
	until(t, "what is pinned is too old", func() bool { // noticed at the next checkpoint
		execute(t, n, raw(n, sqlplan.Write, "INSERT INTO t VALUES (randomblob(6000000))", false))
		return look() != nil
	})
	const want = "reader.age-bytes"
	if err := look(); !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("who looks at a row: %v", err)
	}
	v.scan()
	if _, err := n.askVerify(ctx, n.id, verifyQuestion{ID: id[:], Op: verifyState, From: 100}); !strings.Contains(fmt.Sprint(err), want) || !strings.HasPrefix(fmt.Sprint(err), "more than") {
		t.Errorf("who digests: %v", err)
	}
	n.verifications.end(id)
	if report := verify(t, n); report.Verdict != admin.VerdictEqual {
		t.Errorf("afterwards: %s", showReport(report))
	}
}

// TestVerifyPlaces: a member takes part in a few comparisons at a time, and a mark
// that nobody waits for is an entry like others.
func TestVerifyPlaces(t *testing.T) {
	c := startCluster(t, 1)
	n := c.nodes[0]
	if err := n.mark(context.Background(), verifyID{9}, time.Minute); err != nil {
		t.Fatal(err)
	}
	for i := range verificationsMax {
		if err := n.verifications.begin(verifyID{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.verifications.begin(verifyID{8}); !errors.Is(err, errVerifyBusy) {
		t.Errorf("one comparison too many: %v", err)
	}
	n.verifications.end(verifyID{0})
	if report := verify(t, n); report.Verdict != admin.VerdictEqual || len(report.Tables) == 0 || report.Tables[0].Name != sqlfsm.SchemaTable {
		t.Errorf("one member alone: %+v", report)
	}
}

// TestVerifyPassedMark: a member that an image has carried past the mark says so.
func TestVerifyPassedMark(t *testing.T) {
	c := startCluster(t, 1)
	n := c.nodes[0]
	p := &compared{id: n.id, participant: participant{ask: func(context.Context, verifyQuestion) (*verifyAnswer, error) {
		return &verifyAnswer{Applied: 100}, nil
	}}}
	of := func(index raft.Index, wait time.Duration) string {
		return fmt.Sprint((&comparison{node: n, index: index, wait: wait}).follow(context.Background(), p))
	}
	if got := of(99, time.Minute); !strings.Contains(got, "an image of the database was installed") {
		t.Error(got)
	}
	if got := of(101, 0); got != "it did not reach entry 101 within 0s: it has applied 100" {
		t.Error(got)
	}
}
