package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"testing"
)

// TestBugsApply shows that every bug still fits the code. When this test fails
// after a change of the code, change the bug along with it: what Old says must
// be in the file once, and New must break the rule.
func TestBugsApply(t *testing.T) {
	names := map[string]bool{}
	for i := range bugs {
		b := &bugs[i]
		if names[b.Name] || b.Name == "" || b.Rule == "" {
			t.Errorf("%q: a bug needs a name of its own and a rule", b.Name)
		}
		names[b.Name] = true
		source, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(b.File)))
		if err != nil {
			t.Error(err)
			continue
		}
		broken, err := b.Apply(string(source))
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := parser.ParseFile(token.NewFileSet(), b.File, broken, parser.SkipObjectResolution); err != nil {
			t.Errorf("%s: %v", b.Name, err)
		}
	}
}
