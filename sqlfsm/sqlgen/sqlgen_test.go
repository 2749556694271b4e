package sqlgen

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// replicaArg makes of the test's program the process in another time zone.
const replicaArg = "replica"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == replicaArg {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func startChild(t testing.TB) *Child {
	t.Helper()
	child, err := StartChild(os.Args[0], replicaArg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := child.Close(); err != nil {
			t.Error(err)
		}
	})
	return child
}

func mustRun(t testing.TB, o Options) *Report {
	t.Helper()
	r, err := Run(o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Violation != "" {
		t.Fatalf("seed %d: %s\nagain: go run ./cmd/quorate-sqlgen --size %d --seed %d --shrink", o.Seed, r.Violation, o.Statements, o.Seed)
	}
	return r
}

// TestEqual runs a few seeds on three machines, one of them in another process
// and time zone, and shows that the generator is worth something: of each kind
// of statement most succeed, and those that are meant to fail do.
func TestEqual(t *testing.T) {
	child := startChild(t)
	var total Report
	seeds := uint64(3)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		total.Add(mustRun(t, Options{Seed: 1000 + seed, Statements: 400, Child: child}))
	}
	t.Log(total.String())
	if total.Stale == 0 || total.Duplicates == 0 {
		t.Errorf("%d entries were planned with an old schema and %d came twice: both must happen", total.Stale, total.Duplicates)
	}
	for kind, c := range total.Kinds {
		run := c.Done + c.Failed + c.Refused
		want := run * 6 / 10
		if c.Meant > 0 {
			if c.Done*4 > run {
				t.Errorf("%d of %d statements of the kind %q succeeded; they are meant to fail", c.Done, run, kind)
			}
			continue
		}
		if run > 10 && c.Done < want {
			t.Errorf("%d of %d statements of the kind %q succeeded (%d refused, %d failed), which is too few to show anything", c.Done, run, kind, c.Refused, c.Failed)
		}
	}
}

// TestSameSeed: a seed is the same statements each time, and others than
// another's.
func TestSameSeed(t *testing.T) {
	script := func(seed uint64) string {
		var b strings.Builder
		r := mustRun(t, Options{Seed: seed, Statements: 60})
		for i := range r.Script {
			b.WriteString(r.Script[i].String())
		}
		return b.String()
	}
	a, b := script(7), script(8)
	if a == b {
		t.Error("two seeds drew the same statements")
	}
	if script(7) != a {
		t.Error("one seed drew two lists of statements")
	}
}

// TestScript: a script that was drawn runs again by itself, which is what
// Shrink needs.
func TestScript(t *testing.T) {
	drawn := mustRun(t, Options{Seed: 3, Statements: 80})
	again := mustRun(t, Options{Seed: 3, Script: drawn.Script})
	if again.String() != drawn.String() {
		t.Errorf("the script gave\n%s\nand when it was drawn\n%s", again, drawn)
	}
}

// TestFindings runs the scripts that found something.
func TestFindings(t *testing.T) {
	file, err := os.Open("../../testdata/seeds/sql.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	findings, err := ReadFindings(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(findings) == 0 {
		t.Fatal("there are none")
	}
	for _, f := range findings {
		r := mustRun(t, Options{Seed: f.Seed, Script: f.Script})
		if count := r.Kinds["found"]; count == nil || count.Done == 0 {
			t.Errorf("%s: no statement succeeded: %s", f.About, r)
		}
	}
}

// TestNotation: a script is read as it was written.
func TestNotation(t *testing.T) {
	drawn := mustRun(t, Options{Seed: 4, Statements: 300})
	var b strings.Builder
	b.WriteString("== seed 4: nothing\n")
	for i := range drawn.Script {
		b.WriteString(drawn.Script[i].String())
	}
	findings, err := ReadFindings(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if len(findings) != 1 || findings[0].Seed != 4 || findings[0].About != "nothing" || len(findings[0].Script) != len(drawn.Script) {
		t.Fatalf("%d scripts were read", len(findings))
	}
	for i := range drawn.Script {
		if got, want := findings[0].Script[i].String(), drawn.Script[i].String(); got != want {
			t.Fatalf("command %d was\n%s\nand is\n%s", i, want, got)
		}
	}
	again := mustRun(t, Options{Seed: 4, Script: findings[0].Script})
	if again.Entries != drawn.Entries || again.Duplicates != drawn.Duplicates {
		t.Errorf("the script gave\n%s\nand when it was drawn\n%s", again, drawn)
	}
}

// TestDifferencesAreSeen: what compare is for. One command less, another
// argument, another answer, a machine that gives up.
func TestDifferencesAreSeen(t *testing.T) {
	o := Options{Seed: 5, Statements: 60}
	r := newRun(o, t.TempDir())
	if err := r.record(); err != nil {
		t.Fatal(err)
	}
	answered := func(change func(*answer)) string {
		r.report.Violation = ""
		c := newChance(1, "test")
		a := replay(t.TempDir(), c, restlessWay(c, o.Seed), r.entries)
		for i := range a.Asked {
			a.Asked[i] = true
			a.Outcomes[i] = r.outcomes[i]
		}
		a.Outcomes = slices.Clone(a.Outcomes)
		change(a)
		r.compareAnswer("it", a)
		return r.report.Violation
	}
	if v := answered(func(*answer) {}); v != "" {
		t.Fatalf("nothing was changed: %s", v)
	}
	for name, change := range map[string]func(*answer){
		"a count":  func(a *answer) { a.Outcomes[1].Head += "1" },
		"a row":    func(a *answer) { a.Outcomes[1].Rows += "1" },
		"a line":   func(a *answer) { a.Dump += "x\n" },
		"a giving": func(a *answer) { a.Failure = "no" },
	} {
		if answered(change) == "" {
			t.Errorf("%s was not noticed", name)
		}
	}
}

// FuzzSQL lets a fuzzer choose the statements: its bytes are the generator's
// choices.
func FuzzSQL(f *testing.F) {
	f.Add([]byte{})
	for seed := range uint64(8) {
		c := newChance(seed, "fuzz")
		choices := make([]byte, 600)
		for i := range choices {
			choices[i] = byte(c.n(256))
		}
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		r, err := Run(Options{Choices: choices, Statements: 40})
		if err != nil {
			t.Fatal(err)
		}
		if r.Violation != "" {
			t.Fatal(r.Violation)
		}
	})
}
