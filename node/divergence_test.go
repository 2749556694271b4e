package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"

	"quorate/internal/errcode"
	"quorate/internal/sqlite"
	"quorate/internal/vfs"
	"quorate/pgwire"
	"quorate/raft"
	"quorate/sqlfsm"
	"quorate/sqlplan"
)

// Clusters in which databases are damaged on purpose: a node is stopped, a row of
// its database is changed behind its back, and it is started again. The damage
// shows when an entry touches it.

// divergent is a cluster whose members' logs can be looked at.
type divergent struct {
	*cluster
	t    *testing.T
	logs map[string]*logBuffer
}

// logBuffer keeps a node's log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// line returns the first line that contains all the words, "" when there is none.
func (l *logBuffer) line(words ...string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
line:
	for line := range strings.Lines(l.b.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue line
			}
		}
		return line
	}
	return ""
}

// startDivergent starts a cluster with a table of ten rows in which every member's
// database is the same.
func startDivergent(t *testing.T, members int) *divergent {
	t.Helper()
	d := &divergent{t: t, logs: map[string]*logBuffer{}}
	d.cluster = startClusterWith(t, members, func(int) vfs.FS { return vfs.OS{} }, func(c *Config) {
		if d.logs[c.Name] == nil {
			d.logs[c.Name] = &logBuffer{}
		}
		c.Logger, c.standing = zerolog.New(d.logs[c.Name]), 50*time.Millisecond
		c.SnapshotEntries, c.SegmentBytes = 20, 64<<10
	})
	n := d.nodes[0]
	execute(t, n, raw(n, sqlplan.Write, "CREATE TABLE kv(k INTEGER PRIMARY KEY, v INTEGER) STRICT", true))
	execute(t, n, raw(n, sqlplan.Write, "WITH RECURSIVE c(k) AS (SELECT 1 UNION ALL SELECT k+1 FROM c WHERE k < 10) INSERT INTO kv SELECT k, 0 FROM c", false))
	for _, n := range d.nodes {
		if err := n.CatchUp(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// damage stops nodes, changes a row in the database of each to a value of its own,
// and starts them again.
func (d *divergent) damage(nodes ...int) {
	d.t.Helper()
	for _, i := range nodes {
		if err := d.stopNode(i); err != nil {
			d.t.Fatal(err)
		}
	}
	for _, i := range nodes {
		change(d.t, d.nodes[i].cfg.DataDir, 1000+i)
	}
	for _, i := range nodes {
		d.restart(d.t, i)
	}
	for _, n := range d.nodes {
		until(d.t, "a leader", func() bool { return n.view.Load().raft.Leader != 0 })
	}
}

// change changes the row 7 in the database of a node that does not run.
func change(t *testing.T, dir string, to int) {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(dir, "db", "quorate.db"), sqlite.Existing)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Exec(fmt.Sprintf("UPDATE kv SET v = %d WHERE k = 7", to)); err != nil {
		t.Fatal(err)
	}
}

// touch writes through node i, so that every node counts row 7 up.
func (d *divergent) touch(i int) raft.Index {
	d.t.Helper()
	n := d.nodes[i]
	execute(d.t, n, raw(n, sqlplan.Write, "UPDATE kv SET v = v + 1 WHERE k = 7", false))
	return n.progress.applied()
}

// awaitMended waits until the node has been quarantined and serves again, with the
// majority's database.
func (d *divergent) awaitMended(i int) {
	d.t.Helper()
	n := d.nodes[i]
	until(d.t, "the node is quarantined and mended", func() bool {
		return d.logs[n.cfg.Name].line("it serves again") != "" && n.quarantine.Load() == nil
	})
	if err := n.divergenceAlarm(); err != nil {
		d.t.Errorf("the alarm stays: %v", err)
	}
}

// sameEverywhere fails unless all serving nodes read the same.
func (d *divergent) sameEverywhere() {
	d.t.Helper()
	var want [32]byte
	for i, n := range d.nodes {
		if err := n.CatchUp(context.Background()); err != nil {
			d.t.Fatalf("%s: %v", n.cfg.Name, err)
		}
		_, sum, err := n.fsm.Digest(context.Background())
		if err != nil {
			d.t.Fatal(err)
		}
		if i == 0 {
			want = sum
		} else if sum != want {
			d.t.Errorf("%s has another database than %s", n.cfg.Name, d.nodes[0].cfg.Name)
		}
	}
}

// other returns a node that is none of these.
func (d *divergent) other(not ...int) int {
next:
	for i := range d.nodes {
		for _, x := range not {
			if i == x {
				continue next
			}
		}
		return i
	}
	d.t.Fatal("there is no other node")
	return -1
}

// TestFollowerDiffers damages a follower's database. It is found out by the first
// entry that touches the damage, serves nobody from then on, names entry and
// statement, gets the leader's database and serves again; the others never stop.
func TestFollowerDiffers(t *testing.T) {
	d := startDivergent(t, 3)
	victim := (d.leader(t) + 1) % 3
	d.damage(victim)
	good := d.other(victim)
	entry := d.touch(good)
	d.awaitMended(victim)

	n := d.nodes[victim]
	line := d.logs[n.cfg.Name].line("the first entry")
	if !strings.Contains(line, `"exact":true`) || !strings.Contains(line, "UPDATE kv SET v = v + 1 WHERE k = 7") ||
		!strings.Contains(line, fmt.Sprintf(`"index":%d,`, entry)) {
		t.Errorf("entry %d was the first that made a difference; the log says %s", entry, line)
	}
	m, err := readMemory(n.fs, n.cfg.DataDir)
	if err != nil || m.Quarantined || len(m.Findings) != 1 || m.Findings[0].Index != entry || !m.Findings[0].Exact {
		t.Errorf("it remembers %+v, %v", m, err)
	}
	copied, err := sqlite.Open(filepath.Join(n.cfg.DataDir, damagedFile), sqlite.Existing)
	if err != nil {
		t.Fatalf("the damaged database was not kept: %v", err)
	}
	copied.Close()
	if got := counter(t, n, "sqlfsm_divergence_total"); got != 1 {
		t.Errorf("sqlfsm_divergence_total is %v", got)
	}
	if got := counter(t, d.nodes[good], "sqlfsm_divergence_total"); got != 0 {
		t.Errorf("on a node that was right, sqlfsm_divergence_total is %v", got)
	}
	d.touch(victim) // it takes writes
	d.sameEverywhere()
}

// counter reads a metric without labels.
func counter(t *testing.T, n *Node, name string) float64 {
	t.Helper()
	families, err := n.cfg.Gatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// TestLeaderDiffers damages the database of the node that then leads: it hands the
// leadership over before it gets another database.
func TestLeaderDiffers(t *testing.T) {
	d := startDivergent(t, 3)
	victim := d.leader(t)
	d.damage(victim)
	name := d.nodes[victim].cfg.Name
	if _, err := d.nodes[victim].TransferLeadership(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	d.touch(d.other(victim))
	d.awaitMended(victim)
	d.sameEverywhere()
	if d.leader(t) == victim {
		t.Error("it still leads")
	}
}

// TestSecondDivergence damages a node's database once more after it was mended. Now
// it stays quarantined, after a restart too, and says what to do; meanwhile it
// votes and keeps the log: with it and one other, writes go on, and its log is cut.
func TestSecondDivergence(t *testing.T) {
	d := startDivergent(t, 3)
	victim := (d.leader(t) + 1) % 3
	d.damage(victim)
	d.touch(d.other(victim))
	d.awaitMended(victim)
	d.damage(victim)
	d.touch(d.other(victim))
	final := func() bool { q := d.nodes[victim].quarantine.Load(); return q != nil && q.final }
	until(t, "the second quarantine", final)
	check := func() {
		t.Helper()
		err := d.nodes[victim].divergenceAlarm()
		if err == nil || !strings.Contains(err.Error(), "quarantined for good") || !strings.Contains(err.Error(), "remove this member") {
			t.Errorf("the alarm is %v", err)
		}
		checkRefused(t, d.nodes[victim], errcode.CannotConnectNow, true)
	}
	check()
	until(t, "the memory on disk", func() bool {
		m, err := readMemory(vfs.OS{}, d.nodes[victim].cfg.DataDir)
		return err == nil && m.Final && len(m.Findings) == 2
	})

	// A majority that needs the quarantined node.
	third := d.other(victim, d.leader(t))
	leader := d.other(victim, third)
	until(t, "the quarantined node does not lead", func() bool { return d.nodes[victim].view.Load().raft.Role != raft.Leader })
	if err := d.stopNode(third); err != nil {
		t.Fatal(err)
	}
	until(t, "the other node leads", func() bool { return d.nodes[leader].view.Load().raft.Role == raft.Leader })
	long := strings.Repeat("x", 10_000)
	until(t, "the quarantined node's log is cut beyond its database", func() bool {
		execute(t, d.nodes[leader], raw(d.nodes[leader], sqlplan.Write, "UPDATE kv SET v = v + 1 WHERE k = 7 AND '"+long+"' <> ''", false))
		base, _ := d.nodes[victim].log.Base()
		applied, _ := d.nodes[victim].fsm.Applied()
		return base > raft.Index(applied)
	})
	d.restart(t, third)
	if err := d.stopNode(victim); err != nil {
		t.Fatal(err)
	}
	d.restart(t, victim)
	if !final() {
		t.Fatal("after a restart the node is not quarantined any more")
	}
	check()
	d.touch(leader)
	until(t, "the quarantined node passes what is committed, after a restart", func() bool {
		return d.nodes[victim].view.Load().raft.Applied >= d.nodes[leader].progress.applied()
	})
}

// checkRefused fails unless the node refuses writes and linearizable reads with the
// code, and stale reads too or not.
func checkRefused(t *testing.T, n *Node, code errcode.Code, stale bool) {
	t.Helper()
	coded := func(err error) bool { var e *errcode.Error; return errors.As(err, &e) && e.Code == code }
	if _, err := n.Execute(context.Background(), []sqlplan.Bound{raw(n, sqlplan.Write, "DELETE FROM kv", false)}); !coded(err) {
		t.Errorf("a write: %v", err)
	}
	if err := n.CatchUp(context.Background()); !coded(err) {
		t.Errorf("a linearizable read: %v", err)
	}
	s, err := n.Snapshot(context.Background(), pgwire.Stale, n.Schema().Version, false)
	if err == nil {
		s.Close()
	}
	if coded(err) != stale {
		t.Errorf("a stale read: %v", err)
	}
}

// TestNobodyAgrees damages two of three databases, each in its own way. Nobody can
// know which one is right: all stop writing and reading, but for what is asked for
// as stale. When the two that are wrong have been removed, the third goes on.
func TestNobodyAgrees(t *testing.T) {
	d := startDivergent(t, 3)
	right := d.leader(t)
	d.damage((right+1)%3, (right+2)%3)
	d.touch(right)
	for _, n := range d.nodes {
		until(t, "the alarm of "+n.cfg.Name, func() bool { return n.divergenceAlarm() != nil })
		checkRefused(t, n, errcode.DataCorrupted, false)
		if n.quarantine.Load() != nil {
			t.Errorf("%s is quarantined, though nobody knows that it is wrong", n.cfg.Name)
		}
	}
	for _, i := range []int{(right + 1) % 3, (right + 2) % 3} {
		if err := d.nodes[right].RemoveMember(context.Background(), d.nodes[i].cfg.Name, ""); err != nil {
			t.Fatal(err)
		}
		<-d.done[i]
		d.done[i] = nil
	}
	until(t, "the last node has no doubt", func() bool { return d.nodes[right].divergenceAlarm() == nil })
	d.touch(right)
}

// TestDownMemberDecides: of three voters one is down, and the other two differ.
// They stop; when the third comes back, the one that is wrong is known, and mended.
func TestDownMemberDecides(t *testing.T) {
	d := startDivergent(t, 3)
	down := d.leader(t)
	victim, right := (down+1)%3, (down+2)%3
	d.damage(victim)
	if err := d.stopNode(down); err != nil {
		t.Fatal(err)
	}
	d.touch(right)
	for _, i := range []int{victim, right} {
		until(t, "the alarm", func() bool { return d.nodes[i].divergenceAlarm() != nil })
	}
	d.restart(t, down)
	d.awaitMended(victim)
	until(t, "the doubt is over", func() bool { return d.nodes[right].divergenceAlarm() == nil })
	d.touch(victim)
}

// TestTwoOfFive damages two of five databases: both are mended, and the three
// others go on.
func TestTwoOfFive(t *testing.T) {
	d := startDivergent(t, 5)
	leader := d.leader(t)
	a, b := (leader+1)%5, (leader+3)%5
	d.damage(a, b)
	d.touch(d.other(a, b))
	d.awaitMended(a)
	d.awaitMended(b)
	d.sameEverywhere()
}

// TestQuarantineSurvivesRestart: a node that is stopped before it has another
// database gets it when it is started again.
func TestQuarantineSurvivesRestart(t *testing.T) {
	d := startDivergent(t, 3)
	victim := (d.leader(t) + 1) % 3
	n := d.nodes[victim]
	if err := d.stopNode(victim); err != nil {
		t.Fatal(err)
	}
	change(t, n.cfg.DataDir, 5)
	m := memory{Format: divergenceFormat, Quarantined: true, Findings: []finding{{Index: 3, Statement: "x"}}}
	if err := m.write(vfs.OS{}, n.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRemains(n.cfg.DataDir, n.cfg.WALDir); err == nil || !strings.Contains(err.Error(), "quarantined") {
		t.Errorf("a quarantined survivor can be recovered: %v", err)
	}
	d.restart(t, victim)
	d.awaitMended(victim)
	d.sameEverywhere()
}

// TestMemory shows what is on the disk, and what is refused.
func TestMemory(t *testing.T) {
	dir := t.TempDir()
	if m, err := readMemory(vfs.OS{}, dir); err != nil || m.Quarantined || len(m.Findings) > 0 {
		t.Fatalf("a node without a memory has %+v, %v", m, err)
	}
	want := memory{Format: divergenceFormat, Quarantined: true, Final: true, Findings: []finding{{Index: 7, Exact: true, Statement: "DELETE FROM t", Digest: "00ff"}}}
	if err := want.write(vfs.OS{}, dir); err != nil {
		t.Fatal(err)
	}
	got, err := readMemory(vfs.OS{}, dir)
	a, _ := json.Marshal(want)
	if b, _ := json.Marshal(got); err != nil || !bytes.Equal(a, b) {
		t.Errorf("written %s, read %s, %v", a, b, err)
	}
	for _, bad := range []string{`{"format": 2}`, `{`, ``} {
		if err := os.WriteFile(filepath.Join(dir, divergenceFile), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readMemory(vfs.OS{}, dir); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestMixedEngines: a member announces another engine than the others, as in a
// rolling upgrade. Everybody says so and stays ready, most writes go on, and those
// that depend on the order in which a table is read are refused. When the member
// runs the others' engine, all is as before.
func TestMixedEngines(t *testing.T) {
	old := "n3"
	c := startClusterWith(t, 3, func(int) vfs.FS { return vfs.OS{} }, func(c *Config) {
		c.standing = 50 * time.Millisecond
		if c.Name == old {
			c.engine = "sqlite-3.0.0-test"
		}
	})
	n := c.nodes[0]
	until(t, "the node notices", func() bool { return n.engines.Load() != nil })
	want := "the members run different engines, as in a rolling upgrade: n3: sqlite-3.0.0-test; n1, n2: " + sqlfsm.Engine()
	until(t, "it knows all members", func() bool { return strings.Join(n.Status().Notes, "") == want })
	for _, check := range n.Checks() {
		if check.Err != nil || (check.Name == "engine") != (check.Note != "") {
			t.Errorf("check %s: %v, %q", check.Name, check.Err, check.Note)
		}
	}

	conn := connect(t, n)
	run := func(sql string) error { _, err := conn.Exec(context.Background(), sql); return err }
	for _, sql := range []string{"CREATE TABLE t (a int, b text)", "INSERT INTO t VALUES (1, 'x'), (2, 'y')", "INSERT INTO t SELECT a, b FROM t ORDER BY a, b"} {
		if err := run(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	var refused *pgconn.PgError
	if err := run("INSERT INTO t SELECT a, b FROM t"); !errors.As(err, &refused) || refused.Code != string(errcode.FeatureNotSupported) || !strings.Contains(refused.Hint, "ORDER BY") {
		t.Errorf("a write that depends on the order of reading: %v", err)
	}

	old = ""
	if err := c.stopNode(2); err != nil {
		t.Fatal(err)
	}
	c.restart(t, 2)
	until(t, "all run the same", func() bool { return n.engines.Load() == nil })
	if err := run("INSERT INTO t SELECT a, b FROM t"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestUnheardEngine: what depends on the order in which a table is read waits, on a
// node that was just started, until every voter has said what it runs; also before
// operators are told, which is twice a second. A voter that stays silent is not waited
// for for ever, and one that was heard and is down still counts.
func TestUnheardEngine(t *testing.T) {
	grace := time.Hour
	c := startClusterWith(t, 3, func(int) vfs.FS { return vfs.OS{} }, func(cfg *Config) {
		cfg.standing, cfg.engineGrace = time.Hour, grace
		if cfg.Name == "n3" {
			cfg.engine = "sqlite-3.0.0-test"
		}
	})
	n := c.nodes[0]
	execute(t, n, raw(n, sqlplan.Write, "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a INTEGER) STRICT", true))
	copyRows := func(patience time.Duration) error {
		n := c.nodes[0]
		if err := n.CatchUp(context.Background()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		b := raw(n, sqlplan.Write, "INSERT INTO t (a) SELECT a FROM t", false)
		b.Plan.ScanOrder = "INSERT … SELECT"
		_, err := n.Execute(ctx, []sqlplan.Bound{b})
		return err
	}
	refused := func(when string) {
		t.Helper()
		var e *errcode.Error
		if err := copyRows(time.Minute); !errors.As(err, &e) || e.Code != errcode.FeatureNotSupported {
			t.Errorf("%s: %v", when, err)
		}
	}
	restart := func() {
		t.Helper()
		if err := c.stopNode(0); err != nil {
			t.Fatal(err)
		}
		c.restart(t, 0)
	}
	refused("with all members")
	if err := c.stopNode(2); err != nil {
		t.Fatal(err)
	}
	refused("when the member that runs another engine is down")
	restart()
	if err := copyRows(100 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody knows what the member that is down runs: %v", err)
	}
	c.restart(t, 2)
	refused("when it is back")
	if err := c.stopNode(2); err != nil {
		t.Fatal(err)
	}
	grace = time.Nanosecond
	restart()
	if err := copyRows(time.Minute); err != nil {
		t.Errorf("when it has been silent for long: %v", err)
	}
}

// TestWritesOnceThroughQuarantine writes through the node that turns out to be wrong.
// What was under way when it was quarantined is answered from its new database, what
// came later is refused until it serves again, and nothing is carried out twice, or
// not at all though it was acknowledged.
func TestWritesOnceThroughQuarantine(t *testing.T) {
	for _, c := range []struct {
		name   string
		beside int // the leader
	}{
		{"of a follower", 1},
		{"of the leader, which hands over", 0},
	} {
		t.Run(c.name, func(t *testing.T) { writeThroughQuarantine(t, c.beside) })
	}
}

func writeThroughQuarantine(t *testing.T, beside int) {
	d := startDivergent(t, 3)
	victim := (d.leader(t) + beside) % 3
	d.damage(victim)
	n := d.nodes[victim]
	done := make(chan struct{})
	var wg sync.WaitGroup
	var acknowledged atomic.Int64
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				_, err := n.Execute(context.Background(), []sqlplan.Bound{raw(n, sqlplan.Write, "UPDATE kv SET v = v + 1 WHERE k IN (6, 7)", false)})
				var refused *errcode.Error
				switch {
				case err == nil:
					acknowledged.Add(1)
				case errors.As(err, &refused) && (refused.Code == errcode.CannotConnectNow || refused.Code == errcode.DataCorrupted):
					// Not carried out: the node is quarantined or, while the third one has
					// not said yet what it has, in doubt.
					until(t, "the node serves again", func() bool { return n.service.refusal(false) == nil })
				default:
					t.Errorf("a write: %v", err)
				}
			}
		})
	}
	d.awaitMended(victim)
	close(done)
	wg.Wait()
	d.sameEverywhere()
	var v int64
	s, err := n.Snapshot(context.Background(), pgwire.Linearizable, n.Schema().Version, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.Query(raw(n, sqlplan.Read, "SELECT v FROM kv WHERE k = 6", false))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if row, err := rows.Next(); err != nil || row == nil {
		t.Fatalf("no row: %v", err)
	} else {
		v = row[0].Int()
	}
	if v != acknowledged.Load() {
		t.Errorf("%d writes were acknowledged and %d carried out", acknowledged.Load(), v)
	}
}
