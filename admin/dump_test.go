package admin

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func (f *fakeOperator) Dump(_ context.Context, w io.Writer, stale bool) (DumpSummary, error) {
	if err := f.ask("dump, stale %v", stale); err != nil {
		return DumpSummary{}, err
	}
	_, err := io.WriteString(w, "SELECT 1;\n")
	return DumpSummary{Contents: "1 tables, 0 rows", LeftOut: []string{"the virtual table\nbox"}}, err
}

// breakingDumper fails in the middle.
type breakingDumper struct{ fakeOperator }

func (*breakingDumper) Dump(_ context.Context, w io.Writer, _ bool) (DumpSummary, error) {
	io.WriteString(w, strings.Repeat("-", 1<<20))
	return DumpSummary{}, errors.New("the disk is gone")
}

// What a dump holds and lacks comes behind its text; a dump that breaks off in
// the middle cannot be taken for a whole one.
func TestDump(t *testing.T) {
	server := httptest.NewServer(Handler(&fakeSource{}, &fakeOperator{}, prometheus.NewRegistry()))
	defer server.Close()
	answer, err := server.Client().Get(server.URL + "/admin/v1/dump")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || string(text) != "SELECT 1;\n" {
		t.Errorf("got %q, %v", text, err)
	}
	if c, l := answer.Trailer.Get(DumpContentsTrailer), answer.Trailer.Get(DumpLeftOutTrailer); c != "1 tables, 0 rows" || l != "the virtual table box" {
		t.Errorf("trailers %q, %q", c, l)
	}
	broken := httptest.NewServer(Handler(&fakeSource{}, &breakingDumper{}, prometheus.NewRegistry()))
	defer broken.Close()
	answer, err = broken.Client().Get(broken.URL + "/admin/v1/dump")
	if err == nil {
		_, err = io.ReadAll(answer.Body)
	}
	if err == nil {
		t.Error("the client saw no error")
	}
}
