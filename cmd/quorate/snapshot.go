package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"quorate/internal/exitcode"
	"quorate/internal/vfs"
	"quorate/snapshot/archive"
)

func newSnapshot() *cobra.Command {
	cmd := &cobra.Command{Use: "snapshot", Short: "Save a database to a file, and look at what was saved"}
	cmd.AddCommand(newSnapshotSave(), newSnapshotInspect(), newSnapshotVerify(), newSnapshotRestore())
	return cmd
}

// standardStream is what stands for standard output or input in place of a file.
const standardStream = "-"

// openArchive opens a file, or standard input, that is to hold a saved database.
// The caller closes the file.
func openArchive(name string) (*archive.Reader, *os.File, error) {
	file := os.Stdin
	if name != standardStream {
		var err error
		if file, err = os.Open(name); err != nil {
			return nil, nil, fileError(name, err)
		}
		if info, err := file.Stat(); err == nil && info.IsDir() {
			file.Close()
			return nil, nil, failed(fmt.Errorf("%s is a directory", name), "Give the file that quorate snapshot save has made.")
		}
	}
	reader, err := archive.NewReader(file)
	if err != nil {
		file.Close()
		return nil, nil, archiveError(name, err)
	}
	return reader, file, nil
}

// fileError is an error of a file that a person has named.
func fileError(name string, err error) error {
	var path *fs.PathError // its text repeats the name
	if errors.As(err, &path) {
		err = path.Err
	}
	return failed(fmt.Errorf("%s: %w", name, err), "")
}

// archiveError is an error of reading a saved database.
func archiveError(name string, err error) error {
	if name == standardStream {
		name = "standard input"
	}
	var refused *archive.Error
	if errors.As(err, &refused) {
		return failed(fmt.Errorf("%s: %s", name, refused.Reason), refused.Hint)
	}
	return fileError(name, err)
}

// writeError is an error of writing a file, of which nothing is left.
func writeError(name string, err error) error {
	if vfs.IsNoSpace(err) {
		return &exitcode.Error{Code: exitcode.DiskFull, Err: fmt.Errorf("%s: there is not enough room on the disk; what was written has been removed", name),
			Hint: "Make room, or save elsewhere; --compress takes less."}
	}
	return fileError(name, err)
}
