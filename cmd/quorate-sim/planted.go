package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
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
// until it is caught.
func runPlanted(which string, stdout io.Writer) int {
	h := planted.Hunt{Program: "quorate-sim", Bugs: planted.Bugs, Look: hunt}
	return h.Run(which, stdout)
}

// hunt runs seeds until one fails, and the same seed without the bug.
func hunt(bug *planted.Bug, binary string) (verdict string, caught bool) {
	ctx, cancel := context.WithTimeout(context.Background(), plantedTime)
	defer cancel()
	args, kind := []string{"--parallel", "1", "--seeds", fmt.Sprint(plantedSeeds)}, ""
	if bug.Restless {
		args, kind = append(args, "--restless"), "restless "
	}
	out, err := exec.CommandContext(ctx, binary, args...).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		return fmt.Sprintf("NOT CAUGHT by %d %sseeds or in %v: %v", plantedSeeds, kind, plantedTime, err), false
	}
	first, _, _ := strings.Cut(string(out), "\n")
	_, violation, _ := strings.Cut(first, ": ")
	var seed uint64
	if _, err := fmt.Sscanf(first, "seed %d,", &seed); err != nil {
		return fmt.Sprintf("NOT CAUGHT: the simulator failed without naming a seed: %q", first), false
	}
	if r := sim.Run(sim.Options{Seed: seed, Faults: sim.AllFaults, Restless: bug.Restless}); r.Violation != "" {
		return fmt.Sprintf("NOT CAUGHT: %sseed %d fails without the bug too: %s", kind, seed, r.Violation), false
	}
	return fmt.Sprintf("caught after %d %sseeds: %s", seed, kind, violation), true
}
