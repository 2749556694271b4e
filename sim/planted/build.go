package planted

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ModuleRoot returns the folder of the source, which the working directory must
// be in.
func ModuleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Path}} {{.Dir}}").Output()
	dir, ours := strings.CutPrefix(strings.TrimSpace(string(out)), "quorate ")
	if err == nil && !ours {
		err = errors.New("this folder is of another module")
	}
	if err != nil {
		return "", fmt.Errorf("planted bugs are built from the source: run this in the project's folder, with Go installed (%w)", err)
	}
	return dir, nil
}

// Build builds a command of the source in root, with the bug's file in place of the
// real one. It leaves files of its own in dir.
func (b *Bug) Build(root, dir, command, binary string) error {
	path := filepath.Join(root, filepath.FromSlash(b.File))
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	broken, err := b.Apply(string(source))
	if err != nil {
		return err
	}
	changed, list := filepath.Join(dir, b.Name+".go"), filepath.Join(dir, b.Name+".json")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(changed, []byte(broken), 0o600), os.WriteFile(list, overlay, 0o600)); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-overlay", list, "-ldflags=-s -w", "-o", binary, command)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// Check reports which of the bugs do not fit the source in root any more, have no
// rule, or no name of their own.
func Check(bugs []Bug, root string) (problems []error) {
	names := map[string]bool{}
	for i := range bugs {
		b := &bugs[i]
		if names[b.Name] || b.Name == "" || b.Rule == "" {
			problems = append(problems, fmt.Errorf("%q: a bug needs a name of its own and a rule", b.Name))
		}
		names[b.Name] = true
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(b.File)))
		broken := ""
		if err == nil {
			broken, err = b.Apply(string(source))
		}
		if err == nil {
			_, err = parser.ParseFile(token.NewFileSet(), b.File, broken, parser.SkipObjectResolution)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", b.Name, err))
		}
	}
	return problems
}
