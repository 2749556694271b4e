package archive

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Kind is what a stream turned out to be.
type Kind uint8

const (
	// Saved is an archive: everything in it is vouched for.
	Saved Kind = iota
	// Plain is an SQLite file that something else has made. Nothing vouches for
	// it, but that it has as many bytes as its header says.
	Plain
)

// Reader reads a database out of a stream. Read gives the database's bytes, and
// io.EOF only if all that there is has been read and found right.
type Reader struct {
	// Kind and Compressed say what the stream is.
	Kind       Kind
	Compressed bool
	// Bytes is how long the database is, as its header says; 0 if the header of a
	// Plain one does not say.
	Bytes int64

	from *bufio.Reader
	hash hash.Hash
	at   int64 // bytes of the database that were read
	meta *Meta
	err  error // what every later Read returns
}

// The parts of a database's header that we look at
// (https://sqlite.org/fileformat2.html#the_database_header).
const (
	fileHeaderBytes     = 100
	fileMagic           = "SQLite format 3\x00"
	headerPageSize      = 16 // 2 bytes; 1 stands for 65536
	headerReadVersion   = 19 // 2: there may be a WAL
	headerChangeCounter = 24 // 4 bytes
	headerPages         = 28 // 4 bytes; good if the two numbers around it are equal
	headerApplicationID = 68 // 4 bytes
	headerValidFor      = 92 // 4 bytes

	applicationID = 0x51554f52 // "QUOR", of our databases
	withWAL       = 2
)

// bufferBytes is how much of the stream is read at a time.
const bufferBytes = 256 << 10

// NewReader looks at the beginning of a stream. What is neither an archive nor an
// SQLite file is refused with an *Error, as is all else that is wrong with it; other
// errors are those of the stream.
func NewReader(stream io.Reader) (*Reader, error) {
	r := &Reader{from: bufio.NewReaderSize(stream, bufferBytes), hash: sha256.New()}
	if start, err := r.from.Peek(2); err == nil && start[0] == 0x1f && start[1] == 0x8b {
		r.Compressed = true
		inflated, err := gzip.NewReader(r.from)
		if err != nil {
			return nil, r.streamError(err)
		}
		r.from = bufio.NewReaderSize(inflated, bufferBytes)
	}
	start, err := r.from.Peek(fileHeaderBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, r.streamError(err)
	}
	if err := checkStart(start); err != nil {
		return nil, err
	}
	return r, r.readHeader(start)
}

// checkStart refuses what is no SQLite file, and says what it seems to be.
func checkStart(start []byte) error {
	const what = "Give a file that quorate snapshot save has made, or an SQLite database."
	switch {
	case len(start) == 0:
		return refuse(what, "it is empty")
	case bytes.HasPrefix([]byte(fileMagic), start) || bytes.HasPrefix(start, []byte(fileMagic)) && len(start) < fileHeaderBytes:
		return errCutShort(fmt.Sprintf("it has %d bytes", len(start)))
	case bytes.HasPrefix(start, []byte(fileMagic)):
		return nil
	case bytes.HasPrefix(start, []byte("\x28\xb5\x2f\xfd")), bytes.HasPrefix(start, []byte("\xfd7zXZ")), bytes.HasPrefix(start, []byte("BZh")), bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return refuse("Unpack it first; only gzip is unpacked here.", "it is packed in a way that is not known here")
	case looksLikeSQL(start):
		return refuse("quorate import takes SQL text into a running cluster.", "it is text, not a database")
	}
	return refuse(what, "it is neither an archive of Quorate's nor an SQLite database, or its first bytes are damaged")
}

// looksLikeSQL reports whether all bytes are printable.
func looksLikeSQL(start []byte) bool {
	return bytes.IndexFunc(start, func(c rune) bool { return c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == '\uFFFD' }) < 0
}

// readHeader finds out what kind of database it is, and how long.
func (r *Reader) readHeader(h []byte) error {
	pageSize := int64(binary.BigEndian.Uint16(h[headerPageSize:]))
	if pageSize == 1 {
		pageSize = 65536
	}
	if pageSize < 512 || pageSize&(pageSize-1) != 0 {
		return damaged("the header of the database is damaged: no database has such pages")
	}
	number := func(at int) uint32 { return binary.BigEndian.Uint32(h[at:]) }
	valid := number(headerChangeCounter) == number(headerValidFor)
	if valid {
		r.Bytes = int64(number(headerPages)) * pageSize
	}
	if number(headerApplicationID) != applicationID {
		r.Kind = Plain
		return nil
	}
	switch {
	case h[headerReadVersion] == withWAL:
		return refuse("Save it with quorate snapshot save, from the running node.", "it is the database of a node, and may lack what is in the WAL beside it")
	case !valid || r.Bytes == 0:
		return damaged("the header of the database is damaged")
	}
	return nil
}

// InWAL reports whether the header of a Plain database says that there may be a
// WAL beside it. It must be called before Read.
func (r *Reader) InWAL() bool {
	h, err := r.from.Peek(fileHeaderBytes)
	return err == nil && h[headerReadVersion] == withWAL
}

// CheckFileSize refuses a file that is too short for the database that its header
// tells of, before anything is done for a database of that size.
func (r *Reader) CheckFileSize(bytes int64) error {
	if r.Compressed || bytes >= r.Bytes {
		return nil
	}
	return r.errTooShort(bytes)
}

func (r *Reader) errTooShort(there int64) error {
	return errCutShort(fmt.Sprintf("the database should have %d bytes, and %d are there", r.Bytes, there))
}

// Read implements io.Reader.
func (r *Reader) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.Bytes > 0 && r.at == r.Bytes {
		r.err = r.finish()
		return 0, r.err
	}
	if r.Bytes > 0 {
		b = b[:min(int64(len(b)), r.Bytes-r.at)]
	}
	n, err := r.from.Read(b)
	r.hash.Write(b[:n])
	r.at += int64(n)
	switch {
	case errors.Is(err, io.EOF) && r.Bytes > 0:
		r.err = r.errTooShort(r.at)
	case errors.Is(err, io.EOF):
		r.err = r.finish()
	case err != nil:
		r.err = r.streamError(err)
	}
	if n > 0 {
		return n, nil // the error comes with the next call
	}
	return 0, r.err
}

// finish reads what follows the database and returns io.EOF if all is right.
func (r *Reader) finish() error {
	rest, err := io.ReadAll(io.LimitReader(r.from, maxTrailerBytes+1))
	if err != nil {
		return r.streamError(err)
	}
	sum := [sha256.Size]byte(r.hash.Sum(nil))
	if r.Kind == Plain {
		if len(rest) > 0 {
			return refuse("If it is a database that another program has added to, sqlite3 FILE \"VACUUM INTO 'new.db'\" makes one that can be taken.",
				"something follows the %d bytes of the database", r.at)
		}
		r.meta = &Meta{Bytes: r.at, SHA256: sum}
		return io.EOF
	}
	if len(rest) == 0 {
		return refuse("If sqlite3 has written to it, or made it: what it was is not vouched for any more. quorate import takes the tables into a running cluster.",
			"the end of the archive is missing: it was cut off, or the file was made by something else than quorate snapshot save")
	}
	m, err := decodeTrailer(rest)
	if err != nil {
		return err
	}
	if m.Bytes != r.at || m.SHA256 != sum {
		return damaged("the database is not the one that was saved: its SHA-256 is another one")
	}
	r.meta = m
	return io.EOF
}

// Meta returns what is to be known of the database, when Read has returned
// io.EOF; of a Plain one, only its bytes and SHA-256.
func (r *Reader) Meta() *Meta {
	if r.meta == nil {
		panic("archive: Meta of a stream that was not read to its end")
	}
	return r.meta
}

// streamError makes of an error of the compressed form an *Error.
func (r *Reader) streamError(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case !r.Compressed:
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errCutShort("the compressed data ends too early")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return damaged("the compressed data is damaged")
	}
	return err
}
