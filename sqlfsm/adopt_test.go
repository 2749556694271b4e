package sqlfsm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"quorate/internal/sqlite"
	"quorate/internal/vfs"
	"quorate/sqlplan"
	"quorate/sqlplan/pgtype"
)

// plainDatabase makes a database that is none of ours.
func plainDatabase(t testing.TB, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plain.db")
	c, err := sqlite.Open(path, sqlite.Create)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Exec("PRAGMA foreign_keys=OFF;"+script), c.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAdopt shows what becomes of other programs' databases.
//
//	go test ./sqlfsm -run TestAdopt -rewrite
func TestAdopt(t *testing.T) {
	datadriven.RunTest(t, "testdata/adopt", func(t *testing.T, d *datadriven.TestData) string {
		path := plainDatabase(t, d.Input)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		notes, err := Adopt(context.Background(), path)
		if err != nil {
			if after, readErr := os.ReadFile(path); readErr != nil || string(after) != string(before) {
				t.Errorf("%s: it was refused, and the file has changed", d.Pos)
			}
			var unfit *UnfitError
			if !errors.As(err, &unfit) {
				return "error: " + err.Error() + "\n"
			}
			return "unfit: " + strings.Join(unfit.Findings, "\nunfit: ") + "\n"
		}
		if err := checkHeader(vfs.OS{}, path); err != nil {
			t.Errorf("%s: it is no image: %v", d.Pos, err)
		}
		if _, err := Examine(context.Background(), path, true); err != nil {
			t.Errorf("%s: %v", d.Pos, err)
		}
		text := adopted(t, path)
		for _, note := range notes {
			text += "note: " + note + "\n"
		}
		return text
	})
}

// adopted opens the database as a node does and shows its tables and their types.
func adopted(t *testing.T, path string) string {
	t.Helper()
	f, err := Open(path, Options{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if index, term := f.Applied(); index != AdoptedIndex || term != AdoptedTerm {
		t.Errorf("it is at %d of term %d", index, term)
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f.Schema().Relations)) {
		r := f.Schema().Relations[name]
		if strings.HasPrefix(name, reservedPrefix) || strings.HasPrefix(name, "sqlite_") || r.Kind == sqlplan.Index {
			continue
		}
		fmt.Fprintf(&b, "%s:", r.Name)
		for _, c := range r.Columns {
			typeName := "-"
			if c.Type.OID != 0 {
				typeName = pgtype.InternalName(c.Type.OID)
			}
			fmt.Fprintf(&b, " %s %s", c.Name, typeName)
			if c.Type.OID != 0 && c.Type.Mod >= 0 {
				fmt.Fprintf(&b, "/%d", c.Type.Mod)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestExamine: an image is sound, and its tables are counted; one with a page that
// was changed is not, nor one that lost a table of ours.
func TestExamine(t *testing.T) {
	dir := t.TempDir()
	f, err := Open(filepath.Join(dir, "db"), Options{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var l log
	apply(t, f, l.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT", "CREATE INDEX t_a ON t (a)", "CREATE TABLE empty (a ANY) STRICT",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT i, hex(randomblob(20)) FROM n")...)
	image := filepath.Join(dir, "image")
	if _, err := f.Image(context.Background(), image); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	index, _ := f.Applied()
	found, err := Examine(context.Background(), image, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, digest := f.EffectsDigest(); found.Digest != digest || digest == (EffectsDigest{}) {
		t.Errorf("the effects digest is %x, not %x", found.Digest, digest)
	}
	if found.Index != index || found.Format != formatVersion || fmt.Sprint(found.Tables) != "[{empty 0} {t 500}]" || found.Dangling != nil {
		t.Errorf("%+v", found)
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Examine(ctx, image, true); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	c, err := sqlite.Open(image, sqlite.Existing)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Exec("DROP TABLE _quorate_types"), c.Close()); err != nil {
		t.Fatal(err)
	}
	var damaged *DamagedError
	if _, err := Examine(context.Background(), image, true); !errors.As(err, &damaged) || !strings.Contains(err.Error(), "Quorate's own") {
		t.Errorf("without a table of ours: %v", err)
	}
	for page := 1; page < len(b)/pageBytes; page++ {
		changed := slices.Clone(b)
		copy(changed[page*pageBytes:], "not the beginning of a page")
		if err := os.WriteFile(image, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Examine(context.Background(), image, true); !errors.As(err, &damaged) {
			t.Errorf("page %d was changed: %v", page+1, err)
		}
	}
	if left, err := filepath.Glob(image + "?*"); err != nil || len(left) > 0 {
		t.Errorf("beside the image there are %v, %v", left, err)
	}
}
