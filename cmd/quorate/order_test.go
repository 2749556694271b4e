package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"quorate/admin"
)

// fakeOperator writes down what it is asked, and answers or fails as told.
type fakeOperator struct {
	asked  []string
	err    error
	report *admin.VerifyReport // of Verify
	// snapshot is what it gives to save, and snapshotBytes how much it announces.
	snapshot      []byte
	snapshotBytes int
}

func (f *fakeOperator) ask(format string, args ...any) error {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fakeOperator) AddMember(_ context.Context, name, peerAddr string, learner bool) (admin.Member, error) {
	suffrage := "staging"
	if learner {
		suffrage = "learner"
	}
	return admin.Member{Name: name, ID: "a1", PeerAddr: peerAddr, Suffrage: suffrage}, f.ask("add %s at %s as %s", name, peerAddr, suffrage)
}

func (f *fakeOperator) PromoteMember(_ context.Context, name string) (string, error) {
	return name + " is a voter already", f.ask("promote %s", name)
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
	if name == "" {
		name = "n1"
	}
	return name, f.ask("transfer leadership to %s", name)
}

func (f *fakeOperator) Drain(context.Context) error { return f.ask("drain") }

func (f *fakeOperator) SaveSnapshot(_ context.Context, stale bool) (*admin.Snapshot, error) {
	return &admin.Snapshot{ReadCloser: io.NopCloser(bytes.NewReader(f.snapshot)), Bytes: int64(f.snapshotBytes), Name: "meta.db"}, f.ask("save, stale %t", stale)
}

// TestOrders gives the orders that an operator gives. "cluster" says who the
// members are, as in TestStatus; "fail status=N" lets the node refuse the next
// order. The output of "quorate" is what the node was asked, then what the
// command prints on either output, then its exit code.
//
//	go test ./cmd/quorate -run TestOrders -rewrite
func TestOrders(t *testing.T) {
	operator := &fakeOperator{}
	var cluster *fakeCluster
	datadriven.RunTest(t, "testdata/orders", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "cluster":
			cluster = newFakeCluster(t, d.Input, operator)
			t.Setenv("QUORATE_ENDPOINT", "127.0.0.1:1,"+cluster.endpoint)
			return ""
		case "fail":
			e := &admin.Error{Message: strings.TrimSpace(d.Input), Hint: "Do something about it."}
			d.ScanArgs(t, "status", &e.Status)
			operator.err = e
			return ""
		case "quorate":
			operator.asked = nil
			var stdout, stderr bytes.Buffer
			args := strings.Fields(strings.ReplaceAll(d.Input, "ENDPOINT", cluster.endpoint))
			code := run(t.Context(), args, &stdout, &stderr)
			operator.err = nil
			asked := ""
			for _, order := range operator.asked {
				asked += "asked to " + order + "\n"
			}
			return asked + cluster.replaceAddresses(stdout.String()+stderr.String()) + fmt.Sprintf("exit %d\n", code)
		}
		t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
		return ""
	})
}

// What is dangerous needs a clear yes.
func TestReadYes(t *testing.T) {
	for answer, want := range map[string]error{"y\n": nil, "Yes \n": nil, "y": nil, "\n": errNo, "": errNo, "n\n": errNo, "yeah\n": errNo} {
		var out bytes.Buffer
		if err := readYes(strings.NewReader(answer), &out, "Remove n3?"); !errors.Is(err, want) {
			t.Errorf("the answer %q: %v, want %v", answer, err, want)
		}
		if out.String() != "Remove n3? [y/N] " {
			t.Errorf("the question is %q", out.String())
		}
	}
}

// The command that starts a member on a machine that has others already does
// not take their ports.
func TestStartCommandPorts(t *testing.T) {
	cluster := []admin.Member{
		{Name: "n1", PeerAddr: "localhost:7432", SQLAddr: "localhost:4432", AdminAddr: "localhost:8432"},
		{Name: "n2", PeerAddr: "localhost:7433", SQLAddr: "localhost:4433", AdminAddr: "localhost:8433"},
		{Name: "n3", PeerAddr: "other:7432"}, // has not been seen yet
	}
	got := startCommand(admin.Member{Name: "n4", PeerAddr: "localhost:7435"}, cluster, false)
	want := "  quorate start --name n4 --data-dir n4-data --join localhost:7432,localhost:7433,other:7432 \\\n" +
		"    --peer-listen localhost:7435 --sql-listen localhost:4434 --admin-listen localhost:8434"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
