package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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

// runPlanted builds the simulator with each of the bugs in it, the next while
// the last one runs, and runs seeds until it is caught. The exit code is 0 when
// all are.
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
	dir, err := os.MkdirTemp("", "quorate-sim")
	if err != nil {
		fmt.Fprintln(stdout, "quorate-sim:", err)
		return 2
	}
	defer os.RemoveAll(dir)
	caught := 0
	began := time.Now()
	for b := range buildAll(bugs, dir) {
		verdict, ok := hunt(&b)
		if ok {
			caught++
		}
		fmt.Fprintf(stdout, "%-34s %s\n", b.bug.Name, verdict)
	}
	fmt.Fprintf(stdout, "caught %d / planted %d in %d s\n", caught, len(bugs), int(time.Since(began).Seconds()))
	if caught < len(bugs) {
		return 1
	}
	return 0
}

// built is a simulator with a bug in it, or why it could not be built.
type built struct {
	bug    planted.Bug
	binary string
	err    error
}

// buildAll builds one after the other, one ahead of what is taken.
func buildAll(bugs []planted.Bug, dir string) <-chan built {
	out := make(chan built, 1)
	go func() {
		defer close(out)
		root, err := moduleRoot()
		for _, bug := range bugs {
			b := built{bug: bug, binary: filepath.Join(dir, bug.Name), err: err}
			if err == nil {
				b.err = build(&b, root, dir)
			}
			out <- b
		}
	}()
	return out
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("planted bugs are built from the source: run this in the project's folder, with Go installed (%w)", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// build builds the simulator, with the bug's file in place of the real one.
func build(b *built, root, dir string) error {
	path := filepath.Join(root, filepath.FromSlash(b.bug.File))
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	broken, err := b.bug.Apply(string(source))
	if err != nil {
		return err
	}
	changed := filepath.Join(dir, b.bug.Name+".go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	if err != nil {
		return err
	}
	list := filepath.Join(dir, b.bug.Name+".json")
	if err := errors.Join(os.WriteFile(changed, []byte(broken), 0o600), os.WriteFile(list, overlay, 0o600)); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-overlay", list, "-ldflags=-s -w", "-o", b.binary, "./cmd/quorate-sim")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// hunt runs seeds until the bug is caught.
func hunt(b *built) (verdict string, caught bool) {
	if b.err != nil {
		return "NOT BUILT: " + b.err.Error(), false
	}
	ctx, cancel := context.WithTimeout(context.Background(), plantedTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, b.binary, "--seeds", fmt.Sprint(plantedSeeds)).Output()
	os.Remove(b.binary)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		return fmt.Sprintf("NOT CAUGHT by %d seeds or in %v: %v", plantedSeeds, plantedTime, err), false
	}
	first, _, _ := strings.Cut(string(out), "\n")
	seeds := "?"
	if i := strings.LastIndex(string(out), "\nseeds "); i >= 0 {
		seeds, _, _ = strings.Cut(string(out)[i+len("\nseeds "):], ",")
	}
	_, violation, _ := strings.Cut(first, ": ")
	var seed uint64
	if _, err := fmt.Sscanf(first, "seed %d,", &seed); err != nil {
		return fmt.Sprintf("NOT CAUGHT: the simulator failed without naming a seed: %q", first), false
	}
	if r := sim.Run(sim.Options{Seed: seed, Faults: sim.AllFaults}); r.Violation != "" {
		return fmt.Sprintf("NOT CAUGHT: seed %d fails without the bug too: %s", seed, r.Violation), false
	}
	return fmt.Sprintf("caught after %s seeds: %s", seeds, violation), true
}
