package main

import (
	"os/exec"
	"runtime/debug"
	"strings"

	"quorate/sim/planted"
)

// commit names the program's source. go run, and a build in a linked work tree,
// do not note it; then it is that of the source tree that the program runs in.
func commit() string {
	name, changed := "", false
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				name = s.Value
			case "vcs.modified":
				changed = s.Value == "true"
			}
		}
	}
	if name == "" {
		name, changed = sourceTree()
	}
	if name == "" {
		return "unknown"
	}
	if changed {
		name += " and changes"
	}
	return name
}

// sourceTree asks git about the project's folder, if this is it.
func sourceTree() (name string, changed bool) {
	root, err := planted.ModuleRoot()
	if err != nil {
		return "", false
	}
	git := func(args ...string) (string, error) {
		out, err := exec.Command("git", append([]string{"-C", root}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	name, err = git("rev-parse", "--short", "HEAD")
	if err != nil {
		return "", false
	}
	status, err := git("status", "--porcelain", "--untracked-files=no")
	return name, err == nil && status != ""
}
