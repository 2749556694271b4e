package pgwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"quorate/internal/value"
)

// tapeConn is a connection to a client that has sent all it ever will, and
// takes everything. A session on it runs to its end without waiting.
type tapeConn struct {
	in  io.Reader
	out bytes.Buffer
}

func (c *tapeConn) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c *tapeConn) Write(b []byte) (int, error)      { return c.out.Write(b) }
func (c *tapeConn) Close() error                     { return nil }
func (c *tapeConn) LocalAddr() net.Addr              { return nil }
func (c *tapeConn) RemoteAddr() net.Addr             { return nil }
func (c *tapeConn) SetDeadline(time.Time) error      { return nil }
func (c *tapeConn) SetReadDeadline(time.Time) error  { return nil }
func (c *tapeConn) SetWriteDeadline(time.Time) error { return nil }

// tapeServer is a server with a table, some answers, and a log in which panics
// can be found.
type tapeServer struct {
	*Server
	backend *fakeBackend
	log     bytes.Buffer
}

func newTapeServer(t testing.TB) *tapeServer {
	s := &tapeServer{backend: newFakeBackend()}
	schema, err := parseSchema(1, []string{"t id:int8 name:text"})
	if err != nil {
		t.Fatal(err)
	}
	s.backend.schema = schema
	s.backend.replies["select id from t"] = fakeReply{rows: [][]value.Value{{value.Int(1)}, {value.Int(2)}, {value.Int(3)}}}
	s.backend.replies["select name from t"] = fakeReply{rows: [][]value.Value{{value.String("x")}}, repeat: 5}
	s.backend.replies["select id from t where id = $1"] = fakeReply{rows: [][]value.Value{{value.Int(1)}}}
	s.Server = &Server{Backend: s.backend, Logger: zerolog.New(&s.log), MaxMessageBytes: 5000, MaxSessionBytes: 50_000}
	s.init()
	return s
}

// play serves a tape and returns what was answered. Whatever is on it, the
// session must end, without a panic, leaving nothing open, and what it has
// said must be messages.
func (s *tapeServer) play(t testing.TB, in io.Reader) []byte {
	t.Helper()
	conn := &tapeConn{in: in}
	s.serveConn(new(connections).add(conn, 1))
	if bytes.Contains(s.log.Bytes(), []byte(`"panic"`)) {
		t.Fatalf("a panic: %s", s.log.Bytes())
	}
	s.log.Reset()
	if s.backend.open != 0 || s.Metrics.open.Load() != 0 || s.Metrics.active.Load() != 0 {
		t.Fatalf("%d snapshots are open, %d sessions, %d active", s.backend.open, s.Metrics.open.Load(), s.Metrics.active.Load())
	}
	s.backend.calls = nil
	return conn.out.Bytes()
}

// checkMessages checks that bytes are whole backend messages.
func checkMessages(t testing.TB, b []byte) {
	t.Helper()
	frontend := pgproto3.NewFrontend(bytes.NewReader(bytes.TrimLeft(b, "N")), io.Discard)
	for {
		if _, err := frontend.Receive(); err != nil {
			// pgproto3 reports the end in the middle of a header that it has
			// not begun as unexpected, too; what is left over tells.
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("the answer is not made of messages: %v\n%q", err, b)
			}
			return
		}
	}
}

// checkFrames checks that the frames of an answer fill it exactly.
func checkFrames(t testing.TB, b []byte) {
	t.Helper()
	for rest := bytes.TrimLeft(b, "N"); len(rest) > 0; {
		if len(rest) < 5 || int(binary.BigEndian.Uint32(rest[1:])) > len(rest)-1 {
			t.Fatalf("the answer ends in the middle of a message: %q", rest)
		}
		rest = rest[1+binary.BigEndian.Uint32(rest[1:]):]
	}
}

// greetingBytes is a startup packet that is let in.
var greetingBytes = []byte("\x00\x00\x00\x16\x00\x03\x00\x00user\x00quorate\x00\x00")

// FuzzSession plays arbitrary bytes after a startup.
func FuzzSession(f *testing.F) {
	for _, tape := range transcriptTapes(f) {
		f.Add(tape)
	}
	s := newTapeServer(f)
	f.Fuzz(func(t *testing.T, tape []byte) {
		answer := s.play(t, io.MultiReader(bytes.NewReader(greetingBytes), bytes.NewReader(tape)))
		checkFrames(t, answer)
		checkMessages(t, answer)
		// The next session is not affected.
		next, _ := (&pgproto3.Query{String: "show server_encoding"}).Encode(nil)
		answer = s.play(t, io.MultiReader(bytes.NewReader(greetingBytes), bytes.NewReader(next)))
		if !bytes.Contains(answer, []byte("C\x00\x00\x00\x09SHOW\x00Z\x00\x00\x00\x05I")) {
			t.Fatalf("the session after it was answered %q", answer)
		}
	})
}

// FuzzStartup plays arbitrary bytes from the first.
func FuzzStartup(f *testing.F) {
	f.Add(greetingBytes)
	f.Add([]byte("\x00\x00\x00\x08\x04\xd2\x16\x2f\x00\x00\x00\x08\x04\xd2\x16\x30"))
	f.Add([]byte("\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x02"))
	f.Add([]byte("\x00\x00\x00\x2e\x00\x03\x00\x63user\x00quorate\x00options\x00-c TimeZone=UTC\x00_pq_.x\x00\x00\x00"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	s := newTapeServer(f)
	f.Fuzz(func(t *testing.T, tape []byte) {
		checkFrames(t, s.play(t, bytes.NewReader(tape)))
	})
}

// transcriptTapes are the messages of every "send" of the transcripts.
func transcriptTapes(t testing.TB) [][]byte {
	paths, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("there are no transcripts", err)
	}
	var tapes [][]byte
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var tape []byte
		sending := false
		for _, line := range strings.Split(string(text), "\n") {
			switch {
			case strings.HasPrefix(line, "send"):
				sending, tape = true, nil
			case line == "----" && sending:
				sending = false
				tapes = append(tapes, tape)
			case sending:
				message, _, err := parseMessage(line)
				if err != nil {
					t.Fatalf("%s: %v", path, err)
				}
				tape = append(tape, message...)
			}
		}
	}
	return tapes
}

// However the network cuts the client's bytes, the answer is the same.
func TestChunks(t *testing.T) {
	tapes := transcriptTapes(t)
	s := newTapeServer(t)
	afterGreeting := func(t testing.TB, in io.Reader) []byte {
		_, answer, ok := bytes.Cut(s.play(t, in), []byte("Z\x00\x00\x00\x05I"))
		if !ok {
			t.Fatal("there is no greeting")
		}
		return answer
	}
	for _, tape := range tapes {
		if bytes.Contains(tape, []byte("create table")) {
			continue // it would change what the next one is answered
		}
		whole := append(bytes.Clone(greetingBytes), tape...)
		want := bytes.Clone(afterGreeting(t, bytes.NewReader(whole)))
		if got := afterGreeting(t, iotest.OneByteReader(bytes.NewReader(whole))); !bytes.Equal(got, want) {
			t.Fatalf("%q is answered %q in one piece and %q in bytes", tape, want, got)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		tape := rapid.SampledFrom(tapes).Draw(r, "tape")
		if bytes.Contains(tape, []byte("create table")) {
			r.Skip()
		}
		whole := append(bytes.Clone(greetingBytes), tape...)
		want := bytes.Clone(afterGreeting(t, bytes.NewReader(whole)))
		var pieces []io.Reader
		for rest := whole; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(r, "piece")
			pieces = append(pieces, bytes.NewReader(rest[:n]))
			rest = rest[n:]
		}
		if got := afterGreeting(t, io.MultiReader(pieces...)); !bytes.Equal(got, want) {
			t.Fatalf("%q is answered %q in one piece and %q in pieces", tape, want, got)
		}
	})
}
