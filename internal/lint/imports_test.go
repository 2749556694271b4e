package lint

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "quorate"

// goPackage is what the rules need of an answer of go list.
type goPackage struct {
	ImportPath string
	Doc        string
	Standard   bool
	Imports    []string
	GoFiles    []string
}

// packages lists the packages of the module.
func packages(t *testing.T) []goPackage {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Doc,Standard,Imports,GoFiles", "./...")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// An importRule holds for the packages under one of its folders.
type importRule struct {
	folders []string // "raft" is the package alone, "sqlplan/..." all below too
	// forbidden are packages of ours, or of the standard library; "x/..." all below too.
	forbidden []string
	// except are allowed although a pattern above forbids them.
	except []string
	// instead says why, and what to do.
	instead string
}

// rooms are the packages that only node, cmd and sim bring together.
var rooms = []string{"quorate/raft/...", "quorate/pgwire/...", "quorate/sqlplan/...", "quorate/sqlfsm/...", "quorate/transport/...",
	"quorate/snapshot/...", "quorate/admin/...", "quorate/node/...", "quorate/bench/...", "quorate/sim/...", "quorate/cmd/..."}

var importRules = []importRule{{
	folders:   []string{"raft"},
	forbidden: []string{"os/...", "io/...", "net/...", "time", "sync/...", "math/rand/...", "crypto/rand", "log/...", "context", "runtime/...", "quorate/..."},
	instead:   "the core is a function of its inputs: take time as Tick, randomness as Config.Rand, and act in node on what Ready asks",
}, {
	folders:   []string{"raft/wal"},
	forbidden: []string{"os/...", "net/...", "quorate/..."},
	except:    []string{"quorate/raft", "quorate/internal/vfs"},
	instead:   "the log reaches files through internal/vfs, so that crashes can be simulated, and knows raft's types alone",
}, {
	folders:   []string{"sqlplan/..."},
	forbidden: []string{"os/...", "net/...", "sync/...", "math/rand/...", "crypto/rand", "quorate/..."},
	except:    []string{"quorate/sqlplan/...", "quorate/internal/value", "quorate/internal/errcode", "net/netip", "sync"},
	instead:   "a plan depends on the statement and the schema alone; pass in what it needs",
}, {
	folders:   []string{"sqlfsm/..."},
	forbidden: rooms,
	except:    []string{"quorate/sqlfsm/...", "quorate/sqlplan/..."},
	instead:   "the state machine applies commands and serves reads; node brings it together with the log and the clients",
}, {
	folders:   []string{"pgwire/..."},
	forbidden: rooms,
	except:    []string{"quorate/pgwire/...", "quorate/sqlplan/..."},
	instead:   "sessions need pgwire.Backend alone; add to that interface what is missing, and let node implement it",
}, {
	folders:   []string{"transport/..."},
	forbidden: rooms,
	except:    []string{"quorate/transport/...", "quorate/raft"},
	instead:   "the transport carries raft's messages and knows nothing of what is in them",
}, {
	folders:   []string{"snapshot/..."},
	forbidden: append([]string{"os/...", "net/..."}, rooms...),
	except:    []string{"quorate/snapshot/...", "quorate/raft"},
	instead:   "images are made, sent and installed by others; let node pass in what is needed, and reach files through internal/vfs",
}, {
	folders:   []string{"admin/...", "bench/..."},
	forbidden: rooms,
	except:    []string{"quorate/admin/...", "quorate/bench/..."},
	instead:   "admin needs admin.Source alone, bench measures from outside",
}, {
	folders:   []string{"internal/..."},
	forbidden: rooms,
	except:    []string{"quorate/sqlplan/..."},
	instead:   "a part of the house's foundation does not depend on its rooms; move the code to the room, or pass in what it needs",
}, {
	folders:   []string{"node/..."},
	forbidden: []string{"quorate/bench/...", "quorate/sim/...", "quorate/cmd/..."},
	instead:   "node is the server; what measures or simulates it stands outside",
}, {
	folders:   []string{"..."},
	forbidden: []string{"quorate/cmd/...", "database/sql/...", "modernc.org/sqlite"},
	instead:   "commands are for people; SQLite is used through internal/sqlite",
}}

// TestImports keeps the directions of design: raft and sqlplan are pure,
// rooms know each other through small interfaces, only node knows them all.
// Tests may import what they like.
func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		folder := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		for _, rule := range importRules {
			if !matchAny(rule.folders, folder) {
				continue
			}
			for _, imported := range p.Imports {
				if matchAny(rule.forbidden, imported) && !matchAny(rule.except, imported) {
					t.Errorf("%s must not import %s: %s", p.ImportPath, imported, rule.instead)
				}
			}
		}
	}
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, path) })
}

// match reports whether the pattern covers the path, as the go command's
// patterns do.
func match(pattern, path string) bool {
	prefix, wild := strings.CutSuffix(pattern, "...")
	if !wild {
		return path == pattern
	}
	return strings.HasPrefix(path+"/", prefix)
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"raft", "raft", true}, {"raft", "raft/wal", false}, {"raft/...", "raft", true}, {"raft/...", "raft/wal", true},
		{"raft/...", "raftx", false}, {"...", "anything", true}, {"os/...", "os", true}, {"os/...", "ossify", false},
	} {
		if got := match(test.pattern, test.path); got != test.want {
			t.Errorf("match(%q, %q) = %v", test.pattern, test.path, got)
		}
	}
}

// Folders are named for what they give.
func TestPackageNames(t *testing.T) {
	banned := []string{"util", "utils", "common", "types", "helpers", "misc", "base", "shared"}
	for _, p := range packages(t) {
		for _, part := range strings.Split(p.ImportPath, "/") {
			if slices.Contains(banned, part) {
				t.Errorf("%s: name the folder for what it gives, not %q", p.ImportPath, part)
			}
		}
	}
}

// A folder explains itself: every package says what comes in and what goes out.
func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment: write a doc.go (what comes in, what goes out, what it may not import)", p.ImportPath)
		}
	}
}
