package archive

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"quorate/internal/vfs"
)

// write writes a file as a command does.
func write(disk vfs.FS, text string, overwrite bool) error {
	f, err := Create(disk, "backup/meta.db", ".draft", overwrite)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Expect(int64(len(text))); err != nil {
		return err
	}
	for i := 0; i < len(text); i += 5 {
		if _, err := f.Write([]byte(text[i:min(i+5, len(text))])); err != nil {
			return err
		}
	}
	return f.Commit()
}

func contents(t testing.TB, disk vfs.FS) string {
	t.Helper()
	names, err := disk.List("backup")
	if err != nil {
		t.Fatal(err)
	}
	var all string
	for _, name := range names {
		f, err := disk.Open("backup/" + name)
		if err != nil {
			t.Fatal(err)
		}
		size, err := f.Size()
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, size)
		if size > 0 {
			if _, err := f.ReadAt(b, 0); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
		all += fmt.Sprintf("%s=%s ", name, b)
	}
	return all
}

func emptyDisk(t testing.TB) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	if err := disk.MkdirAll("backup"); err != nil {
		t.Fatal(err)
	}
	return disk
}

// A file is not written over unless that was asked for.
func TestOverwrite(t *testing.T) {
	disk := emptyDisk(t)
	for _, step := range []struct {
		text      string
		overwrite bool
		err       error
		want      string
	}{
		{"the first one", false, nil, "meta.db=the first one "},
		{"the second one", false, ErrExists, "meta.db=the first one "},
		{"the third", true, nil, "meta.db=the third "},
	} {
		if err := write(disk, step.text, step.overwrite); !errors.Is(err, step.err) {
			t.Errorf("%s: %v, want %v", step.text, err, step.err)
		}
		if got := contents(t, disk); got != step.want {
			t.Errorf("%s: then there is %q", step.text, got)
		}
	}
}

// A file that appears while another one is being written is not written over
// either.
func TestAppearsMeanwhile(t *testing.T) {
	disk := emptyDisk(t)
	slow, err := Create(disk, "backup/meta.db", ".slow", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(disk, "the quick one", false); err != nil {
		t.Fatal(err)
	}
	if err := slow.Commit(); !errors.Is(err, ErrExists) {
		t.Errorf("the slow one: %v", err)
	}
	if got := contents(t, disk); got != "meta.db=the quick one " {
		t.Errorf("then there is %q", got)
	}
}

// Whatever operation finds the disk full, nothing is left, and what was there
// before is untouched.
func TestDiskFull(t *testing.T) {
	for _, before := range []string{"", "what was there"} {
		for at := 0; ; at++ {
			disk := emptyDisk(t)
			want := ""
			if before != "" {
				if err := write(disk, before, false); err != nil {
					t.Fatal(err)
				}
				want = "meta.db=" + before + " "
			}
			operations := 0
			full := vfs.Inject(disk, func(op vfs.Op) vfs.Fault {
				switch op.Kind {
				case vfs.OpCreate, vfs.OpPreallocate, vfs.OpWrite, vfs.OpSync, vfs.OpTruncate:
					if operations++; operations-1 == at {
						return vfs.Fault{Err: syscall.ENOSPC, Partial: op.Bytes / 2}
					}
				}
				return vfs.Fault{}
			})
			err := write(full, "something new", true)
			if operations <= at {
				if err != nil || at < 5 {
					t.Fatalf("after %d operations: %v", operations, err)
				}
				break // every operation has had its turn
			}
			if !vfs.IsNoSpace(err) {
				t.Errorf("operation %d: %v", at, err)
			}
			if got := contents(t, disk); got != want {
				t.Errorf("operation %d: then there is %q, want %q", at, got, want)
			}
		}
	}
}

// Whatever a power loss leaves, the name stands for what was there before or for
// all of the new file; once Commit has returned, for the new one.
func TestPowerLoss(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		disk := emptyDisk(t)
		if err := write(disk, "the old one", false); err != nil {
			rt.Fatal(err)
		}
		crash := vfs.RandomCrash(func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "crash") })
		at := rapid.IntRange(1, 14).Draw(rt, "operations before the crash")
		var left *vfs.Mem
		err := write(vfs.Inject(disk, func(op vfs.Op) vfs.Fault {
			if op.Kind.Changes() && left == nil {
				if at--; at == 0 {
					left = disk.CrashClone(crash)
				}
			}
			return vfs.Fault{}
		}), "the new one, which is longer", true)
		if err != nil {
			rt.Fatal(err)
		}
		over := left == nil
		if over {
			left = disk.CrashClone(crash)
		}
		got, err := left.Open("backup/meta.db")
		if err != nil {
			rt.Fatal(err)
		}
		size, err := got.Size()
		if err != nil {
			rt.Fatal(err)
		}
		b := make([]byte, size)
		if _, err := got.ReadAt(b, 0); err != nil {
			rt.Fatal(err)
		}
		if string(b) != "the new one, which is longer" && (over || string(b) != "the old one") {
			rt.Errorf("after the crash the file is %q", b)
		}
	})
}
