package raft

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestImports: the core decides and does nothing else, so it imports nothing
// that could do something. What you want from these packages belongs into
// node, or comes in through a Config or a call.
func TestImports(t *testing.T) {
	pure := map[string]bool{"encoding/binary": true, "errors": true, "fmt": true, "slices": true, "sort": true, "strconv": true}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); !pure[path] {
				t.Errorf("%s imports %s; package raft may import %v only", file, path, pure)
			}
		}
	}
}
