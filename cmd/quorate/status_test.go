package main

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/prometheus/client_golang/prometheus"

	"quorate/admin"
)

// fakeNode is a node as its admin endpoints show it.
type fakeNode struct {
	status  admin.Status
	members []admin.Member
}

func (f *fakeNode) Status() admin.Status    { return f.status }
func (f *fakeNode) Cluster() []admin.Member { return f.members }
func (f *fakeNode) Checks() []admin.Check   { return nil }

// TestStatus shows what `quorate status` makes of a cluster in good and in bad
// times. Each line of input is a member: its name, then "down", or role,
// leader, term and applied index. The first that is not down is asked.
//
//	go test ./cmd/quorate -run TestStatus -rewrite
func TestStatus(t *testing.T) {
	datadriven.RunTest(t, "testdata/status", func(t *testing.T, d *datadriven.TestData) string {
		endpoint := fakeCluster(t, d.Input)
		args := []string{"status", "--endpoint", "http://127.0.0.1:1," + endpoint}
		for _, arg := range d.CmdArgs {
			args = append(args, arg.String())
		}
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), args, &stdout, &stderr)
		text := stdout.String() + stderr.String()
		if code != 0 {
			text += "exit " + string(rune('0'+code)) + "\n"
		}
		return text
	})
}

// fakeCluster serves the admin endpoints of the members and returns the
// address of the first that is not down.
func fakeCluster(t *testing.T, input string) (endpoint string) {
	var nodes []*fakeNode
	var members []admin.Member
	for line := range strings.Lines(input) {
		fields := strings.Fields(line)
		member := admin.Member{Name: fields[0], AdminAddr: "127.0.0.1:1"} // nobody listens on port 1
		if fields[1] != "down" {
			node := &fakeNode{status: admin.Status{Name: fields[0], Role: fields[1], Leader: strings.Trim(fields[2], "-"),
				Term: number(t, fields[3]), AppliedIndex: number(t, fields[4]), DBBytes: 64 << 20, Version: "0.1.0", UptimeSecs: 15120}}
			server := httptest.NewServer(admin.Handler(node, nil, prometheus.NewRegistry()))
			t.Cleanup(server.Close)
			member.AdminAddr = strings.TrimPrefix(server.URL, "http://")
			if endpoint == "" {
				endpoint, member.Self = server.URL, true
			}
			nodes = append(nodes, node)
		}
		if fields[1] == "down" && len(fields) > 2 { // "down unknown"
			member.AdminAddr = ""
		}
		members = append(members, member)
	}
	for _, node := range nodes {
		node.members = members
	}
	return endpoint
}

func number(t *testing.T, text string) (n uint64) {
	for _, digit := range text {
		if digit < '0' || digit > '9' {
			t.Fatalf("%q is not a number", text)
		}
		n = 10*n + uint64(digit-'0')
	}
	return n
}

// Sizes and times are written in their largest units.
func TestUnits(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 64 << 20: "64.0 MiB", 3 << 40: "3.0 TiB", 5 << 50: "5120.0 TiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %s, want %s", n, got, want)
		}
	}
	for seconds, want := range map[int]string{0: "0s", 59: "59s", 247: "4m07s", 15120: "4h12m", 273600: "3d04h"} {
		if got := durationText(secondsOf(seconds)); got != want {
			t.Errorf("durationText(%d s) = %s, want %s", seconds, got, want)
		}
	}
}
