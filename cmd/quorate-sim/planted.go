package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"quorate/sim"
	"quorate/sim/planted"
)

// plantedSeeds and plantedTime bound how long a bug is looked for.
const (
	plantedSeeds = 2000
	plantedTime  = 60 * time.Second
)

// runPlanted builds the simulator with each of the bugs in it and runs seeds
// until it is caught, as many bugs at once as there are processors. The exit
// code is 0 when all are caught.
func runPlanted(which string, stdout io.Writer) int {
	bugs := planted.Bugs
	switch bug := planted.Named(which); {
	case which == "list":
		for _, b := range bugs {
			fmt.Fprintf(stdout, "%-34s %s (%s)\n", b.Name, b.Rule, b.File)
		}
		return 0
	case bug != nil:
		bugs = []planted.Bug{*bug}
	case which != "all":
		fmt.Fprintf(stdout, "quorate-sim: no bug is called %q; --planted list names them\n", which)
		return 2
	}
	root, err := planted.ModuleRoot()
	if err != nil {
		fmt.Fprintln(stdout, "quorate-sim:", err)
		return 2
	}
	dir, err := os.MkdirTemp("", "quorate-sim")
	if err != nil {
		fmt.Fprintln(stdout, "quorate-sim:", err)
		return 2
	}
	defer os.RemoveAll(dir)
	caught := 0
	began := time.Now()
	for i, v := range huntAll(bugs, root, dir) {
		h := <-v
		if h.caught {
			caught++
		}
		fmt.Fprintf(stdout, "%-34s %s\n", bugs[i].Name, h.verdict)
	}
	fmt.Fprintf(stdout, "caught %d / planted %d in %d s\n", caught, len(bugs), int(time.Since(began).Seconds()))
	if caught < len(bugs) {
		return 1
	}
	return 0
}

// hunted is what came of a bug.
type hunted struct {
	verdict string
	caught  bool
}

// huntAll returns where the verdicts will be, in the order of the bugs.
func huntAll(bugs []planted.Bug, root, dir string) []chan hunted {
	verdicts := make([]chan hunted, len(bugs))
	for i := range verdicts {
		verdicts[i] = make(chan hunted, 1)
	}
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(bugs)) {
		go func() {
			for i := next.Add(1) - 1; i < int64(len(bugs)); i = next.Add(1) - 1 {
				verdicts[i] <- buildAndHunt(&bugs[i], root, dir)
			}
		}()
	}
	return verdicts
}

func buildAndHunt(bug *planted.Bug, root, dir string) hunted {
	binary := filepath.Join(dir, bug.Name)
	if err := bug.Build(root, dir, "./cmd/quorate-sim", binary); err != nil {
		return hunted{verdict: "NOT BUILT: " + err.Error()}
	}
	defer os.Remove(binary)
	return hunt(bug, binary)
}

// hunt runs seeds until one fails, and the same seed without the bug.
func hunt(bug *planted.Bug, binary string) hunted {
	ctx, cancel := context.WithTimeout(context.Background(), plantedTime)
	defer cancel()
	args, kind := []string{"--parallel", "1", "--seeds", fmt.Sprint(plantedSeeds)}, ""
	if bug.Restless {
		args, kind = append(args, "--restless"), "restless "
	}
	out, err := exec.CommandContext(ctx, binary, args...).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		return hunted{verdict: fmt.Sprintf("NOT CAUGHT by %d %sseeds or in %v: %v", plantedSeeds, kind, plantedTime, err)}
	}
	first, _, _ := strings.Cut(string(out), "\n")
	_, violation, _ := strings.Cut(first, ": ")
	var seed uint64
	if _, err := fmt.Sscanf(first, "seed %d,", &seed); err != nil {
		return hunted{verdict: fmt.Sprintf("NOT CAUGHT: the simulator failed without naming a seed: %q", first)}
	}
	if r := sim.Run(sim.Options{Seed: seed, Faults: sim.AllFaults, Restless: bug.Restless}); r.Violation != "" {
		return hunted{verdict: fmt.Sprintf("NOT CAUGHT: %sseed %d fails without the bug too: %s", kind, seed, r.Violation)}
	}
	return hunted{fmt.Sprintf("caught after %d %sseeds: %s", seed, kind, violation), true}
}
