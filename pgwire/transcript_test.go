package pgwire

import (
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/rs/zerolog"
)

// TestTranscripts plays the sessions of testdata: what a client sends, what it
// is answered, and (after --) what the server behind was asked meanwhile. Each
// file has its own server. Rewrite them with
//
//	go test ./pgwire -run TestTranscripts -rewrite
//
// and commit only what you understand.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		s := newScript(t, &Server{
			Logger:          zerolog.New(zerolog.NewTestWriter(t)),
			MaxMessageBytes: 20_000,
			MaxSessionBytes: 40_000,
			QuorumTimeout:   10 * time.Second,
		})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			return s.run(d)
		})
	})
}
