package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"quorate/internal/exitcode"
)

// TestLoad tells, case by case, what a node makes of its flags, environment
// and file. Lines of input beginning with "--" are flags, with "QUORATE_" or a
// name and "=" environment; what follows a line "file:" is the YAML file.
// The output is every setting that is not at its default, with its source, or
// the error as the command prints it.
//
//	go test ./internal/config -run TestLoad -rewrite
func TestLoad(t *testing.T) {
	datadriven.Walk(t, "testdata/load", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "load" {
				t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			}
			dir := t.TempDir()
			loaded, err := Load(sources(t, dir, d.Input))
			return strings.ReplaceAll(render(loaded, err), dir+"/", "")
		})
	})
}

func sources(t *testing.T, dir, input string) Sources {
	s := Sources{Flags: map[string]string{}, Hostname: func() (string, error) { return "myhost", nil }}
	given, file, hasFile := strings.Cut(input, "file:\n")
	if hasFile {
		s.File = filepath.Join(dir, "quorate.yaml")
		if err := os.WriteFile(s.File, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(given) {
		line = strings.TrimSpace(line)
		if flag, ok := strings.CutPrefix(line, "--"); ok {
			name, value, _ := strings.Cut(flag, "=")
			s.Flags[name] = value
		} else if line != "" {
			s.Environ = append(s.Environ, line)
		}
	}
	return s
}

func render(loaded *Loaded, err error) string {
	var out strings.Builder
	if err != nil {
		var exit *exitcode.Error
		if !errors.As(err, &exit) || exit.Code != exitcode.Usage {
			return fmt.Sprintf("not an error of usage: %v\n", err)
		}
		fmt.Fprintf(&out, "error: %v\n", err)
		if exit.Hint != "" {
			fmt.Fprintf(&out, "hint: %s\n", exit.Hint)
		}
		return out.String()
	}
	for _, v := range loaded.Values {
		if v.Text != v.Default {
			fmt.Fprintf(&out, "%s = %s (%s)\n", v.Key, v.Text, v.Source)
		}
	}
	for _, w := range loaded.Warnings {
		fmt.Fprintf(&out, "warning: %s\n", w)
	}
	return out.String()
}

// The default file may be missing; a file that was asked for may not.
func TestMissingFile(t *testing.T) {
	hostname := func() (string, error) { return "myhost", nil }
	missing := filepath.Join(t.TempDir(), "quorate.yaml")
	_, err := Load(Sources{File: missing, Hostname: hostname})
	if err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("Load with a missing file: %v", err)
	}
	if _, err := os.Stat(DefaultFile); err == nil {
		t.Skipf("%s exists on this machine", DefaultFile)
	}
	if _, err := Load(Sources{File: DefaultFile, Hostname: hostname}); err != nil {
		t.Errorf("Load without the default file: %v", err)
	}
}

// Without a name and without a host name there is nothing to call the member.
func TestNoHostname(t *testing.T) {
	_, err := Load(Sources{Hostname: func() (string, error) { return "", errors.New("no such name") }})
	if err == nil || !strings.Contains(err.Error(), "host name is not known") {
		t.Errorf("Load without a host name: %v", err)
	}
}

// AdminAdvertise gives others an address they can connect to.
func TestAdminAdvertise(t *testing.T) {
	for _, test := range []struct{ listen, want Address }{
		{"localhost:8432", "localhost:8432"},
		{"0.0.0.0:8432", "10.0.0.1:8432"},
		{"[::]:8432", "10.0.0.1:8432"},
	} {
		c := Config{AdminListen: test.listen, PeerAdvertise: "10.0.0.1:7432"}
		if got := c.AdminAdvertise(); got != test.want {
			t.Errorf("AdminListen %s: AdminAdvertise() = %s, want %s", test.listen, got, test.want)
		}
	}
}
