package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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

// newBackup and newRestore are commands of snapshot under the names that other
// databases give them.
func newBackup() *cobra.Command  { return renamed(newSnapshotSave(), "backup") }
func newRestore() *cobra.Command { return renamed(newSnapshotRestore(), "restore") }

// renamed is a command of snapshot with a name of its own.
func renamed(cmd *cobra.Command, name string) *cobra.Command {
	old := "quorate snapshot " + cmd.Name()
	cmd.Use = strings.Replace(cmd.Use, cmd.Name(), name, 1)
	cmd.Short = "The same as " + old
	cmd.Long = "The same as " + old + ", whose --help says more."
	cmd.Example = strings.ReplaceAll(cmd.Example, old, "quorate "+name)
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
	}
	reader, err := beginArchive(name, file)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return reader, file, nil
}

// beginArchive begins to read a file that is to hold a saved database.
func beginArchive(name string, file *os.File) (*archive.Reader, error) {
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		return nil, failed(fmt.Errorf("%s is a directory", archiveName(name)), "Give the file that quorate snapshot save has made.")
	}
	reader, readErr := archive.NewReader(file)
	if err == nil && readErr == nil && info.Mode().IsRegular() {
		readErr = reader.CheckFileSize(info.Size())
	}
	if readErr != nil {
		return nil, archiveError(name, readErr)
	}
	return reader, nil
}

// createFile begins a file that a person has named. Only an ordinary file may be
// written over; where a link leads to one, the link stays.
func createFile(name, draftSuffix string, force bool) (*archive.File, error) {
	path := name
	info, err := os.Stat(name)
	switch {
	case err != nil: // there is nothing, or Create says what is in the way
	case info.IsDir():
		return nil, failed(fmt.Errorf("%s is a directory", name), "Give the name of a file in it.")
	case !info.Mode().IsRegular():
		return nil, failed(fmt.Errorf("%s is not an ordinary file", name), "To write into a pipe or a device, redirect standard output.")
	default:
		if path, err = filepath.EvalSymlinks(name); err != nil {
			return nil, err
		}
	}
	file, err := archive.Create(vfs.OS{}, path, fmt.Sprintf("%s-%d", draftSuffix, os.Getpid()), force)
	if errors.Is(err, archive.ErrExists) {
		return nil, failed(fmt.Errorf("%s: %w", name, archive.ErrExists), "Give another name, or --force to write over it.")
	}
	return file, err
}

// fileError is an error of a file that a person has named.
func fileError(name string, err error) error {
	var explained *exitcode.Error
	if errors.As(err, &explained) {
		return err
	}
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
