package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const referenceFile = "../../docs/reference/config.md"

// TestReference keeps docs/reference/config.md equal to the declarations of
// Config. When it fails:
//
//	go test ./internal/config -run TestReference -rewrite
//
// The flag is the one that the transcript tests of this package have.
func TestReference(t *testing.T) {
	want := reference()
	if flag.Lookup("rewrite").Value.String() == "true" {
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/reference/config.md is not what Config declares; run: go test ./internal/config -run TestReference -rewrite")
	}
}

// The example of the manual is a configuration that a node accepts.
func TestReferenceExample(t *testing.T) {
	_, example, _ := strings.Cut(reference(), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	file := filepath.Join(t.TempDir(), "quorate.yaml")
	if err := os.WriteFile(file, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	if loaded.Name != "n1" || len(loaded.InitialCluster) != 3 || loaded.SQLAdvertise != "10.0.0.1:4432" || len(loaded.Warnings) > 0 {
		t.Errorf("the example loads as %+v", loaded)
	}
}

// Every setting says what a reader needs, and can be loaded from its default.
func TestDeclarations(t *testing.T) {
	for _, s := range Settings() {
		if s.Key == "" || s.Kind == "" || !strings.HasSuffix(s.Help, ".") {
			t.Errorf("%+v: a setting needs key, kind and a sentence of help", s)
		}
		if (s.Default == "") == (s.When == "") {
			t.Errorf("%s: a setting has either a default or says what stands in for it", s.Key)
		}
	}
}

func reference() string {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Written from internal/config by its test; do not edit. -->

Every setting of ` + "`quorate start`" + ` has one name in three forms: a key in a YAML file, a flag, an environment variable.
A flag wins over a variable, that over the file, that over the default; all four always count.
The file is the one given with ` + "`--config FILE`" + ` (or ` + "`QUORATE_CONFIG`" + `), else ` + "`" + DefaultFile + "`" + ` if it exists; ` + "`--config=`" + ` reads none.
` + "`quorate config print`" + ` takes the same flags and shows each value and where it came from.

Durations have a unit: ` + "`50ms`, `10s`" + `; sizes too: ` + "`512KiB`, `64MiB`" + `. A key that does not exist is an error; an unknown variable that begins with
` + "`" + envPrefix + "`" + ` is a warning, because container platforms set some of their own accord.

` + "```yaml" + `
name: n1
data-dir: /var/lib/quorate
cluster: { initial: "n1=10.0.0.1:7432,n2=10.0.0.2:7432,n3=10.0.0.3:7432", token: prod-meta }
sql:     { listen: "0.0.0.0:4432" }
peer:    { listen: "0.0.0.0:7432" }
insecure: true   # the network is trusted: there is no TLS yet
raft:    { preset: lan }
snapshot: { entries: 10000, bytes: 64MiB }
log:     { level: info, format: json }
` + "```" + `

`)
	for _, s := range Settings() {
		fmt.Fprintf(&b, "## %s\n\n%s %s\n\n", s.Key, s.Help, s.Note)
		fmt.Fprintf(&b, "- flag: `--%s %s`\n- variable: `%s`\n", s.Flag, s.Kind, s.Env)
		if s.When != "" {
			fmt.Fprintf(&b, "- default: %s\n\n", s.When)
		} else {
			fmt.Fprintf(&b, "- default: `%s`\n\n", s.Default)
		}
	}
	return strings.ReplaceAll(strings.TrimRight(b.String(), "\n"), " \n", "\n") + "\n"
}
