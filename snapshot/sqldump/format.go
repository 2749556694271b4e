package sqldump

import (
	"bytes"
	"strings"
)

// Format is what kind of script a text is.
type Format string

// The formats.
const (
	Quorate    Format = "quorate"    // a dump of ours
	SQLite     Format = "sqlite"     // .dump of the sqlite3 shell, or SQL in SQLite's words
	PostgreSQL Format = "postgresql" // SQL as sessions speak it
	// Database is no script but a SQLite database file.
	Database Format = "database"
)

// HeadBytes is how much of a file Detect wants to see.
const HeadBytes = 4 << 10

// Detect tells a file's format by its beginning.
func Detect(head []byte) (Format, error) {
	head = bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF"))
	switch {
	case bytes.HasPrefix(head, []byte("SQLite format 3\x00")):
		return Database, nil
	case bytes.HasPrefix(head, []byte("PGDMP")):
		return "", &LineError{1, "this is an archive of pg_dump's own format", "Use pg_dump --data-only --inserts: it writes SQL."}
	case bytes.HasPrefix(head, []byte{0x1F, 0x8B}), bytes.HasPrefix(head, []byte{0x28, 0xB5, 0x2F, 0xFD}):
		return "", &LineError{1, "this is a compressed file", "Decompress it: zcat FILE | quorate import -"}
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}), bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		return "", &LineError{1, "this is UTF-16", "Convert it to UTF-8: iconv -f UTF-16 -t UTF-8"}
	case bytes.HasPrefix(head, []byte(header)):
		line, _, _ := bytes.Cut(head, []byte{'\n'})
		if number := strings.TrimSpace(strings.TrimPrefix(string(line), header)); number != "1" && number != format {
			return "", &LineError{1, "this dump is of another format: " + strings.TrimPrefix(strings.TrimSpace(string(line)), "-- "), "Import it with the version of quorate that wrote it, or a later one."}
		}
		return Quorate, nil
	}
	if first := firstWords(string(head)); strings.HasPrefix(first, "PRAGMA ") {
		return SQLite, nil
	}
	return PostgreSQL, nil
}

// firstWords are the first two words of a script, in capitals.
func firstWords(text string) string {
	s := scanner{sql: text}
	return strings.ToUpper(s.next() + " " + s.next())
}
