package lint

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// root is the folder of go.mod.
func root(t *testing.T) string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sources calls visit for every file of the project, with its path from root.
func sources(t *testing.T, visit func(path string, content []byte)) {
	dir := root(t)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == ".git" || name == "quorate-data") {
			return filepath.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(relative), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sleepers are test files that may sleep, and why.
var sleepers = map[string]string{}

// A test that sleeps is slow when all is well and wrong when the machine is
// slow.
func TestNoSleepInTests(t *testing.T) {
	found := map[string]bool{}
	sources(t, func(path string, content []byte) {
		if !strings.HasSuffix(path, "_test.go") {
			return
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, content, parser.SkipObjectResolution)
		if err != nil {
			return // the compiler says it better
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if isCall(n, "time", "Sleep") {
				found[path] = true
				if sleepers[path] == "" {
					t.Errorf("%s: time.Sleep in a test: wait for the event (a channel, a condition that is polled with a deadline, testing/synctest), or list the file with its reason in internal/lint", files.Position(n.Pos()))
				}
			}
			return true
		})
	})
	for path, reason := range sleepers {
		if !found[path] {
			t.Errorf("%s does not sleep any more (%s): take it off the list", path, reason)
		}
	}
}

func isCall(n ast.Node, pkg, function string) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	name, ok := selector.X.(*ast.Ident)
	return ok && name.Name == pkg && selector.Sel.Name == function
}

// Package registries are the reader's choice and their names do not age well.
// The names are put together here so that this file does not contain them.
var registries = []string{"proxy." + "golang.org", "sum." + "golang.org", "goproxy." + "io", "goproxy." + "cn", "registry." + "npmjs.org",
	"deb." + "debian.org", "archive." + "ubuntu.com", "py" + "pi.org", "repo1." + "maven.org", "index." + "docker.io"}

func TestNoRegistryNames(t *testing.T) {
	sources(t, func(path string, content []byte) {
		for _, name := range registries {
			if bytes.Contains(content, []byte(name)) {
				t.Errorf("%s names the package registry %s: leave it to the tools' own configuration", path, name)
			}
		}
	})
}

// What is not done is written in an issue or in the documentation's "not yet",
// where somebody reads it.
func TestNoLeftovers(t *testing.T) {
	marks := []string{"TO" + "DO", "FIX" + "ME"}
	sources(t, func(path string, content []byte) {
		if !strings.HasSuffix(path, ".go") || !utf8.Valid(content) {
			return
		}
		for i, line := range strings.Split(string(content), "\n") {
			_, comment, _ := strings.Cut(line, "//")
			for _, mark := range marks {
				if strings.Contains(comment, mark) {
					t.Errorf("%s:%d: %s: do it, or say in the documentation what is not done yet", path, i+1, mark)
				}
			}
		}
	})
}
