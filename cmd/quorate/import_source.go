package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/snapshot/sqldump"
)

// importSource is the text that is imported: a file's, standard input's, or the
// dump of a database file, made on the way.
type importSource struct {
	io.Reader
	name   string // as a person knows it
	key    string // under which the import's progress is kept, unless told otherwise
	format sqldump.Format
	bytes  int64 // 0: not known
	// check reports, at the end, what was wrong with the source.
	check func() error
	close func()
}

// openImport opens what an argument names.
func openImport(cmd *cobra.Command, name string, format sqldump.Format) (*importSource, error) {
	s := &importSource{name: name, key: filepath.Base(name), check: func() error { return nil }, close: func() {}}
	input := cmd.InOrStdin()
	if name == standardStream {
		s.name, s.key = "standard input", "standard input"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return nil, fileError(name, err)
		}
		s.close = func() { file.Close() }
		info, err := file.Stat()
		if err == nil && info.IsDir() {
			err = errors.New("this is a directory")
		}
		if err != nil {
			file.Close()
			return nil, fileError(name, err)
		}
		s.bytes, input = info.Size(), file
	}
	buffered := bufio.NewReaderSize(input, 256<<10)
	head, err := buffered.Peek(sqldump.HeadBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		s.close()
		return nil, fileError(s.name, err)
	}
	if s.format, err = sqldump.Detect(head); err != nil {
		s.close()
		return nil, importFailed(s.name, err)
	}
	s.Reader = buffered
	if s.format == sqldump.Database {
		s.close()
		return openDatabase(name)
	}
	if format != "" {
		s.format = format
	}
	return s, nil
}

// openDatabase opens an SQLite file as the text of its dump. It is read as it is:
// nothing is locked or written, so nobody may change it meanwhile.
func openDatabase(name string) (*importSource, error) {
	if name == standardStream {
		return nil, failed(errors.New("standard input is a SQLite database"), "Give the file's name instead: quorate import FILE")
	}
	before, err := databaseState(name)
	if err != nil {
		return nil, err
	}
	db, err := sqlite.Open(name, sqlite.Immutable)
	if err != nil {
		return nil, fileError(name, err)
	}
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := sqldump.Write(writer, sqliteSource{db})
		writer.CloseWithError(err) // nil is io.EOF
		done <- err
		db.Close()
	}()
	return &importSource{
		Reader: reader, name: name, key: filepath.Base(name), format: sqldump.Quorate,
		check: func() error {
			after, err := databaseState(name)
			if err == nil && (after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime())) {
				err = failed(fmt.Errorf("%s was changed while it was read: what was imported is part old, part new", name),
					"Close the program that uses it, or copy it: sqlite3 FILE '.backup COPY'. Then empty the tables that were imported and begin again, with --from-start.")
			}
			return err
		},
		close: func() {
			reader.CloseWithError(errors.New("the import is over"))
			<-done
		},
	}, nil
}

// databaseState looks at a database file, and refuses one that is not all there is.
func databaseState(name string) (os.FileInfo, error) {
	for _, beside := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(name + beside); err == nil && info.Size() > 0 {
			return nil, failed(fmt.Errorf("%s is in use, or was not closed: changes are in %s", name, filepath.Base(name)+beside),
				"Close the program that uses it, or import a copy: sqlite3 FILE '.backup COPY'")
		}
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fileError(name, err)
	}
	return info, nil
}

// sqliteSource answers the queries of a dump.
type sqliteSource struct{ db *sqlite.Conn }

func (s sqliteSource) Query(sql string, each func(row []value.Value) error) error {
	statement, _, err := s.db.Prepare(sql, false)
	if err != nil {
		return err
	}
	defer statement.Finalize()
	for {
		more, err := statement.Step()
		if !more {
			return err
		}
		if err := each(statement.Row()); err != nil {
			return err
		}
	}
}

// importFailed says what is wrong with what is imported.
func importFailed(name string, err error) error {
	var line *sqldump.LineError
	if errors.As(err, &line) {
		return failed(fmt.Errorf("%s: %w", name, line), line.Hint)
	}
	return fileError(name, err)
}
