// Command quorate-sim runs the simulator: seed after seed, until one breaks a
// property.
//
//	quorate-sim                       300 seeds
//	quorate-sim --seeds 0 --minutes 60  as many as an hour has room for
//	quorate-sim --seed 42 --trace     one of them, line by line
//	quorate-sim --seed 42 --shrink    the least that still fails
//	quorate-sim --planted all         is every one of these bugs caught?
//
// It ends with one summary line. The exit code is 0 when every property held,
// 1 when one was broken, and 2 when the command line makes no sense.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"quorate/sim"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// settings are the command line.
type settings struct {
	seeds    uint64
	from     uint64
	minutes  float64
	seed     uint64
	nodes    int
	seconds  float64
	faults   string
	restless bool
	trace    bool
	shrink   bool
	parallel int
	keep     bool
	planted  string
}

func parse(args []string, stderr io.Writer) (settings, sim.Options, error) {
	var s settings
	f := flag.NewFlagSet("quorate-sim", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Uint64Var(&s.seeds, "seeds", 300, "how many seeds to run; 0: as many as --minutes allows")
	f.Uint64Var(&s.from, "from", 1, "the first seed")
	f.Float64Var(&s.minutes, "minutes", 0, "begin no new seed after this many minutes; 0: no limit")
	f.Uint64Var(&s.seed, "seed", 0, "run this seed alone")
	f.IntVar(&s.nodes, "nodes", 0, "members of the cluster, 1 to 7; 0: each seed decides")
	f.Float64Var(&s.seconds, "seconds", 0, "virtual seconds that faults last; 0: each seed decides")
	f.StringVar(&s.faults, "faults", "all", "faults that may happen: all, none, or of "+sim.AllFaults.String())
	f.BoolVar(&s.restless, "restless", false, "let leaders follow each other quickly in every run, not in one of four")
	f.BoolVar(&s.trace, "trace", false, "with --seed: print a line for each change of state")
	f.BoolVar(&s.shrink, "shrink", false, "with --seed: look for the smallest run that still fails")
	f.BoolVar(&s.keep, "keep-going", false, "go on after a failure")
	f.StringVar(&s.planted, "planted", "", "all, the name of a bug, or list: break the code on purpose, and see how many seeds it takes to notice")
	f.IntVar(&s.parallel, "parallel", runtime.GOMAXPROCS(0), "how many seeds to run at once")
	if err := f.Parse(args); err != nil {
		return s, sim.Options{}, err
	}
	faults, err := sim.ParseFaults(s.faults)
	switch {
	case err != nil:
	case f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	case s.nodes < 0 || s.nodes > 7:
		err = fmt.Errorf("--nodes %d: a cluster has 1 to 7 members", s.nodes)
	case s.seeds == 0 && s.minutes == 0 && s.seed == 0:
		err = errors.New("--seeds 0 needs --minutes")
	case s.parallel < 1:
		err = fmt.Errorf("--parallel %d: choose at least 1", s.parallel)
	case (s.trace || s.shrink) && s.seed == 0:
		err = errors.New("--trace and --shrink need --seed")
	}
	if err != nil {
		fmt.Fprintln(stderr, "quorate-sim:", err)
	}
	return s, sim.Options{Nodes: s.nodes, Faults: faults, Restless: s.restless, Duration: sim.Time(s.seconds * float64(sim.Second))}, err
}

func run(args []string, stdout, stderr io.Writer) int {
	s, options, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if s.planted != "" {
		return runPlanted(s.planted, stdout)
	}
	var total sim.Totals
	switch {
	case s.shrink:
		options.Seed = s.seed
		if !shrink(options, &total, stdout) {
			return 1
		}
		return 0
	case s.seed != 0:
		options.Seed = s.seed
		if s.trace {
			options.Trace = func(line string) { fmt.Fprintln(stdout, line) }
		}
		result := sim.Run(options)
		total.Add(&result)
		if result.Violation != "" {
			printFailure(stdout, &result, args)
		}
	default:
		runSeeds(&s, options, &total, stdout, args)
	}
	fmt.Fprintln(stdout, total.String())
	if total.Violations > 0 {
		return 1
	}
	return 0
}

// runSeeds runs seeds until one fails or all are done. Each run is one
// goroutine's; they share nothing.
func runSeeds(s *settings, options sim.Options, total *sim.Totals, stdout io.Writer, args []string) {
	began := time.Now()
	var mu sync.Mutex // guards next, failed, total and stdout
	next, failed := s.from, false
	take := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		over := s.minutes > 0 && time.Since(began).Minutes() >= s.minutes
		if over || failed && !s.keep || s.seeds > 0 && next >= s.from+s.seeds {
			return 0, false
		}
		next++
		return next - 1, true
	}
	var workers sync.WaitGroup
	for range s.parallel {
		workers.Go(func() {
			for {
				seed, ok := take()
				if !ok {
					return
				}
				o := options
				o.Seed = seed
				result := sim.Run(o)
				mu.Lock()
				total.Add(&result)
				if result.Violation != "" {
					failed = true
					printFailure(stdout, &result, args)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
}

// shortTail is how many lines of a failing run are printed.
const shortTail = 25

func printFailure(w io.Writer, r *sim.Result, args []string) {
	fmt.Fprintf(w, "seed %d, commit %s: %s\n", r.Seed, commit(), r.Violation)
	fmt.Fprintf(w, "  %d nodes, faults: %v\n", r.Nodes, r.Faults)
	if r.Stack != "" {
		fmt.Fprintln(w, "  "+strings.ReplaceAll(r.Stack, "\n", "\n  "))
	}
	for _, line := range r.Tail[max(0, len(r.Tail)-shortTail):] {
		fmt.Fprintln(w, "  "+line)
	}
	fmt.Fprintf(w, "  again: quorate-sim %s--seed %d --trace\n", sameFlags(args), r.Seed)
}

// sameFlags returns those of the flags that change what a seed does.
func sameFlags(args []string) string {
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	var b strings.Builder
	nodes, seconds, faults := f.Int("nodes", 0, ""), f.Float64("seconds", 0, ""), f.String("faults", "all", "")
	for _, name := range []string{"seeds", "from", "minutes", "seed", "parallel", "planted"} {
		f.String(name, "", "")
	}
	restless := f.Bool("restless", false, "")
	for _, name := range []string{"trace", "shrink", "keep-going"} {
		f.Bool(name, false, "")
	}
	if f.Parse(args) != nil {
		return ""
	}
	if *nodes != 0 {
		fmt.Fprintf(&b, "--nodes %d ", *nodes)
	}
	if *seconds != 0 {
		fmt.Fprintf(&b, "--seconds %v ", *seconds)
	}
	if *restless {
		b.WriteString("--restless ")
	}
	if *faults != "all" {
		fmt.Fprintf(&b, "--faults %s ", *faults)
	}
	return b.String()
}

// shrink prints the smallest run found that still fails; false: none fails.
func shrink(o sim.Options, total *sim.Totals, stdout io.Writer) bool {
	smallest, result, ok := sim.Shrink(o, func(tried sim.Options, r *sim.Result) {
		total.Add(r)
		verdict := "passes"
		if r.Violation != "" {
			verdict = "fails: " + r.Violation
		}
		fmt.Fprintf(stdout, "%d nodes, %.3f s, faults %v: %s\n", r.Nodes, float64(r.Duration)/float64(sim.Second), tried.Faults, verdict)
	})
	if !ok {
		fmt.Fprintf(stdout, "seed %d does not fail\n", o.Seed)
		return true
	}
	args := []string{"--nodes", fmt.Sprint(smallest.Nodes), "--seconds", fmt.Sprint(float64(smallest.Duration) / float64(sim.Second)), "--faults", smallest.Faults.String()}
	if smallest.Restless {
		args = append(args, "--restless")
	}
	printFailure(stdout, &result, args)
	return false
}
