package sim

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var (
	seedFlag  = flag.Uint64("sim.seed", 0, "run TestSeeds with this seed alone, and show its trace")
	seedsFlag = flag.Uint64("sim.seeds", 40, "how many seeds TestSeeds runs")
)

// TestSeeds runs a few seeds: clusters of one to seven nodes under every fault
// that the simulator knows. quorate-sim runs many.
//
//	go test ./sim -run TestSeeds -sim.seed=42 -v
func TestSeeds(t *testing.T) {
	if *seedFlag != 0 {
		check(t, Options{Seed: *seedFlag, Faults: AllFaults, Trace: func(line string) { t.Log(line) }})
		return
	}
	var total Totals
	for seed := uint64(1); seed <= *seedsFlag && !t.Failed(); seed++ {
		r := check(t, Options{Seed: seed, Faults: AllFaults, Duration: 8 * Second})
		total.Add(&r)
	}
	t.Log(total.String())
	if total.Writes == 0 || total.Reads == 0 || total.Elections == 0 {
		t.Error("the simulated clusters did nothing")
	}
}

// check runs a seed that must not fail.
func check(t *testing.T, o Options) Result {
	t.Helper()
	r := Run(o)
	if r.Violation != "" {
		t.Errorf("seed %d: %s\n%s\n%s", o.Seed, r.Violation, r.Stack, strings.Join(r.Tail, "\n"))
	}
	return r
}

// TestSameSeedSameRun shows that a seed is all that a run depends on.
func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1000); seed < 1006; seed++ {
		var traces [2][]string
		var results [2]Result
		for i := range traces {
			results[i] = Run(Options{Seed: seed, Faults: AllFaults, Trace: func(line string) { traces[i] = append(traces[i], line) }})
		}
		if a, b := strings.Join(traces[0], "\n"), strings.Join(traces[1], "\n"); a != b {
			t.Errorf("seed %d has two traces", seed)
		}
		if a, b := fmt.Sprintf("%+v", results[0]), fmt.Sprintf("%+v", results[1]); a != b {
			t.Errorf("seed %d has two results:\n%s\n%s", seed, a, b)
		}
	}
}

// TestCorpus runs every seed that ever found something. Each line of
// testdata/seeds/raft.txt is a seed, options, and after a # what it found.
func TestCorpus(t *testing.T) {
	file, err := os.Open("../testdata/seeds/raft.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		o, err := parseCorpus(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		check(t, o)
	}
}

// parseCorpus reads the flags of quorate-sim that name a run.
func parseCorpus(line string) (Options, error) {
	f := flag.NewFlagSet("", flag.ContinueOnError)
	seed, nodes, seconds := f.Uint64("seed", 0, ""), f.Int("nodes", 0, ""), f.Float64("seconds", 0, "")
	faults, restless := f.String("faults", "all", ""), f.Bool("restless", false, "")
	if err := f.Parse(strings.Fields(line)); err != nil {
		return Options{}, err
	}
	if *seed == 0 {
		return Options{}, fmt.Errorf("no --seed")
	}
	kinds, err := ParseFaults(*faults)
	return Options{Seed: *seed, Nodes: *nodes, Faults: kinds, Restless: *restless, Duration: Time(*seconds * float64(Second))}, err
}
