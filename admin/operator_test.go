package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/prometheus/client_golang/prometheus"
)

// fakeOperator writes down what it is asked, and fails when told to.
type fakeOperator struct {
	asked []string
	err   error
}

func (f *fakeOperator) ask(format string, args ...any) error {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fakeOperator) AddMember(_ context.Context, name, peerAddr string, learner bool) (Member, error) {
	return Member{Name: name, ID: "a1", PeerAddr: peerAddr, Suffrage: "staging"}, f.ask("add %s at %s, learner %v", name, peerAddr, learner)
}

func (f *fakeOperator) PromoteMember(_ context.Context, name string) (string, error) {
	return name + " is a voter", f.ask("promote %s", name)
}

func (f *fakeOperator) RemoveMember(_ context.Context, name, force string) error {
	return f.ask("remove %s, force %q", name, force)
}

func (f *fakeOperator) ReseedMember(_ context.Context, name string) (string, error) {
	return name + " gets another database", f.ask("reseed %s", name)
}

func (f *fakeOperator) UpdateMember(_ context.Context, name, peerAddr string) error {
	return f.ask("update %s to %s", name, peerAddr)
}

func (f *fakeOperator) TransferLeadership(_ context.Context, name string) (string, error) {
	return "n2", f.ask("transfer to %q", name)
}

func (f *fakeOperator) Drain(context.Context) error { return f.ask("drain") }

func (f *fakeOperator) SaveSnapshot(_ context.Context, stale bool) (*Snapshot, error) {
	return &Snapshot{io.NopCloser(strings.NewReader("the database")), 12, "meta.db"}, f.ask("snapshot stale=%t", stale)
}

// TestOperator gives every order as the command line does, well formed and
// not. The output is what the operator was asked, then the answer. "fail"
// lets the next request fail: with STATUS, an error that says so; without,
// with one that does not.
//
//	go test ./admin -run TestOperator -rewrite
func TestOperator(t *testing.T) { giveOrders(t, "testdata/operator") }

func giveOrders(t *testing.T, transcript string) {
	operator := &fakeOperator{}
	server := httptest.NewServer(Handler(&fakeSource{}, operator, prometheus.NewRegistry()))
	defer server.Close()
	datadriven.RunTest(t, transcript, func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd == "fail" {
			operator.err = errors.New(strings.TrimSpace(d.Input))
			if d.HasArg("status") {
				e := &Error{Message: operator.err.Error(), Hint: "Do something about it."}
				d.ScanArgs(t, "status", &e.Status)
				operator.err = fmt.Errorf("node: %w", e)
			}
			return ""
		}
		r, err := http.NewRequest(strings.ToUpper(d.Cmd), server.URL+d.CmdArgs[0].String(), strings.NewReader(d.Input))
		if err != nil {
			t.Fatal(err)
		}
		for _, arg := range d.CmdArgs[1:] {
			r.Header.Set(arg.Key, arg.Vals[0])
		}
		operator.asked = nil
		answer := do(t, server, r)
		operator.err = nil
		if len(operator.asked) > 0 {
			answer = "asked to " + strings.Join(operator.asked, ", then to ") + "\n" + answer
		}
		return answer
	})
}

// Without an operator there are no orders.
func TestNoOperator(t *testing.T) {
	server := httptest.NewServer(Handler(&fakeSource{}, nil, prometheus.NewRegistry()))
	defer server.Close()
	if answer := request(t, server, "POST", "/admin/v1/drain"); !strings.HasPrefix(answer, "404 ") {
		t.Errorf("POST /admin/v1/drain: %s", answer)
	}
}
