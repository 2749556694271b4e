package archive

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/cockroachdb/datadriven"

	"quorate/internal/sqlite"
	"quorate/raft"
)

// database makes a small SQLite file and returns its bytes. It has pages of 512
// bytes, so that a test can damage every byte of it in little time.
func database(t testing.TB, id int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	c, err := sqlite.Open(path, sqlite.Create)
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("PRAGMA page_size=512; PRAGMA application_id=%d; CREATE TABLE t(a TEXT, b); INSERT INTO t VALUES ('one', 1), (x'02', 2.5), (NULL, NULL)", id)
	if err := errors.Join(c.Exec(script), c.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func metaOf(db []byte) *Meta {
	return &Meta{
		Created: time.UnixMicro(1_790_000_000_123_456).UTC(),
		Snapshot: raft.Snapshot{Index: 182440, Term: 7, Configuration: raft.ConfigurationAt{Index: 12, Configuration: raft.Configuration{
			Members: []raft.Member{{ID: 1, Name: "n1", Address: "10.0.0.1:7432"}, {ID: 2, Name: "n2", Address: "10.0.0.2:7432", Suffrage: raft.Learner}},
			Removed: []raft.NodeID{3},
		}}},
		Bytes: int64(len(db)), SHA256: sha256.Sum256(db), Cluster: [16]byte{1, 15: 16},
		Member: "n1", Version: "1.0.0", Engine: "sqlite-3.54.1-abc-amd64",
	}
}

// saved is an archive.
func saved(t testing.TB) []byte {
	db := database(t, applicationID)
	return AppendTrailer(bytes.Clone(db), metaOf(db))
}

func compressed(t testing.TB, b []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// read reads a stream to its end.
func read(stream io.Reader) (*Reader, []byte, error) {
	r, err := NewReader(stream)
	if err != nil {
		return nil, nil, err
	}
	db, err := io.ReadAll(r)
	return r, db, err
}

// What was saved comes back, compressed or not, however the stream is cut.
func TestRoundTrip(t *testing.T) {
	db := database(t, applicationID)
	whole := AppendTrailer(bytes.Clone(db), metaOf(db))
	for _, stream := range [][]byte{whole, compressed(t, whole)} {
		r, got, err := read(iotest.OneByteReader(bytes.NewReader(stream)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, db) || r.Kind != Saved {
			t.Errorf("another database came back: %d bytes, kind %d", len(got), r.Kind)
		}
		if got, want := fmt.Sprintf("%+v", r.Meta()), fmt.Sprintf("%+v", metaOf(db)); got != want {
			t.Errorf("what is known of it:\n%s\nwant\n%s", got, want)
		}
	}
}

// A file that another program has made can be read too, but whether it is all
// there is known only as far as its header says.
func TestPlain(t *testing.T) {
	db := database(t, 0)
	r, got, err := read(bytes.NewReader(db))
	if err != nil || r.Kind != Plain || !bytes.Equal(got, db) || r.Meta().SHA256 != sha256.Sum256(db) {
		t.Fatalf("%v, %+v", err, r)
	}
	old := bytes.Clone(db)
	binary.BigEndian.PutUint32(old[headerValidFor:], 0) // as a program before SQLite 3.7 leaves it
	if r, got, err := read(bytes.NewReader(old)); err != nil || r.Bytes != 0 || !bytes.Equal(got, old) {
		t.Errorf("without a page count: %v", err)
	}
	for _, wrong := range [][]byte{db[:len(db)-1], append(bytes.Clone(db), 0)} {
		if _, _, err := read(bytes.NewReader(wrong)); !isError(err) {
			t.Errorf("%d of %d bytes: %v", len(wrong), len(db), err)
		}
	}
}

func isError(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Hint != ""
}

// An archive that was cut short anywhere is refused.
func TestTruncated(t *testing.T) {
	whole := saved(t)
	for _, stream := range [][]byte{whole, compressed(t, whole)} {
		for n := range stream {
			if _, _, err := read(bytes.NewReader(stream[:n])); !isError(err) {
				t.Fatalf("%d of %d bytes: %v", n, len(stream), err)
			}
		}
	}
}

// One bit that has changed is found, wherever it is. In the compressed form a few
// bits mean nothing, such as the time in gzip's header: then what comes out is what
// was saved.
func TestChangedBit(t *testing.T) {
	whole := saved(t)
	_, want, err := read(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	packed := compressed(t, whole)
	for _, stream := range [][]byte{whole, packed} {
		for i := range stream {
			for bit := range 8 {
				if len(stream) == len(whole) && i > 200 && bit != i%8 {
					continue // of the pages and the trailer, one bit a byte
				}
				stream[i] ^= 1 << bit
				_, got, err := read(bytes.NewReader(stream))
				if !isError(err) && !(len(stream) == len(packed) && err == nil && bytes.Equal(got, want)) {
					t.Fatalf("byte %d of %d, bit %d: %v", i, len(stream), bit, err)
				}
				stream[i] ^= 1 << bit
			}
		}
	}
}

// SQLite sees the database alone, whole, as the types of its values are.
func TestOpensInSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meta.db")
	if err := os.WriteFile(path, saved(t), 0o600); err != nil {
		t.Fatal(err)
	}
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("there is no sqlite3 on this machine")
	}
	got, err := exec.Command(shell, "-readonly", path, "PRAGMA integrity_check; SELECT quote(a), quote(b) FROM t").CombinedOutput()
	if want := "ok\n'one'|1\nX'02'|2.5\nNULL|NULL\n"; err != nil || string(got) != want {
		t.Errorf("%v, %s", err, got)
	}
}

// TestRefused shows what is said of files that are no archives.
//
//	go test ./snapshot/archive -run TestRefused -rewrite
func TestRefused(t *testing.T) {
	whole := saved(t)
	pages := len(whole) - int(trailerBytes(whole))
	changed := func(change func(b []byte) []byte) []byte { return change(bytes.Clone(whole)) }
	files := map[string][]byte{
		"empty":                   {},
		"a text":                  []byte("-- a dump\nBEGIN;\nCREATE TABLE t(a);\n"),
		"a picture":               append([]byte("\x89PNG\r\n\x1a\n\x00\x00"), make([]byte, 200)...),
		"packed with zstd":        append([]byte("\x28\xb5\x2f\xfd"), make([]byte, 200)...),
		"gzip of a text":          compressed(t, []byte("hello")),
		"gzip and garbage":        append(compressed(t, whole), "garbage, garbage"...),
		"gzip cut short":          compressed(t, whole)[:300],
		"gzip of half an archive": compressed(t, whole[:pages/2]),
		"half the header":         whole[:50],
		"half the pages":          whole[:pages/2],
		"no trailer":              whole[:pages],
		"half the trailer":        whole[:(pages+len(whole))/2],
		"more behind it":          append(bytes.Clone(whole), 0),
		"twice":                   append(bytes.Clone(whole), whole...),
		"a row changed":           changed(func(b []byte) []byte { b[pages-1] ^= 1; return b }),
		"a page count changed":    changed(func(b []byte) []byte { b[headerPages+3]++; return b }),
		"a newer format":          changed(func(b []byte) []byte { return reversioned(b, pages, 2) }),
		"a node's database":       changed(func(b []byte) []byte { b[headerReadVersion] = withWAL; return b[:pages] }),
		"another trailer":         AppendTrailer(database(t, applicationID), metaOf([]byte("something else"))),
	}
	datadriven.RunTest(t, "testdata/refused", func(t *testing.T, d *datadriven.TestData) string {
		b, ok := files[strings.TrimSpace(d.Input)]
		if !ok {
			t.Fatalf("%s: there is no file %q", d.Pos, d.Input)
		}
		_, _, err := read(bytes.NewReader(b))
		var e *Error
		if !errors.As(err, &e) {
			return fmt.Sprintf("%v\n", err)
		}
		return fmt.Sprintf("error: %v\nhint: %s\n", e, e.Hint)
	})
}

func trailerBytes(whole []byte) uint32 {
	at := bytes.LastIndex(whole, []byte(trailerMagic))
	return binary.BigEndian.Uint32(whole[at+atBytes:])
}

// reversioned gives the trailer another version.
func reversioned(b []byte, at int, version uint32) []byte {
	binary.BigEndian.PutUint32(b[at+atVersion:], version)
	end := len(b) - checksumBytes
	binary.BigEndian.PutUint32(b[end:], crc32.Checksum(b[at:end], castagnoli))
	return b
}

// What the stream itself has to say is not taken for a fault of the archive.
func TestStreamFails(t *testing.T) {
	broken := errors.New("the cable was pulled")
	for _, n := range []int{0, 50, 700} {
		_, _, err := read(io.MultiReader(bytes.NewReader(saved(t)[:n]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

// FuzzReader: whatever comes, it is an archive or refused; it neither panics nor
// takes what was not saved.
func FuzzReader(f *testing.F) {
	whole := saved(f)
	f.Add(whole)
	f.Add(compressed(f, whole))
	f.Add(database(f, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, db, err := read(bytes.NewReader(b))
		if err != nil {
			return
		}
		if m := r.Meta(); m.Bytes != int64(len(db)) || m.SHA256 != sha256.Sum256(db) {
			t.Errorf("%d bytes were taken for %d", len(db), m.Bytes)
		}
	})
}
