package main

import (
	"bytes"
	"fmt"
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
// leader, term, applied index and, if it is no voter, suffrage; behind a "!" its
// alarm, behind a "~" its note. The first that is not down is asked.
//
//	go test ./cmd/quorate -run TestStatus -rewrite
func TestStatus(t *testing.T) {
	datadriven.RunTest(t, "testdata/status", func(t *testing.T, d *datadriven.TestData) string {
		cluster := newFakeCluster(t, d.Input, nil)
		args := []string{"status", "--endpoint", "http://127.0.0.1:1," + cluster.endpoint}
		for _, arg := range d.CmdArgs {
			args = append(args, arg.String())
		}
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), args, &stdout, &stderr)
		text := cluster.replaceAddresses(stdout.String() + stderr.String())
		if code != 0 {
			text += "exit " + string(rune('0'+code)) + "\n"
		}
		return text
	})
}

// fakeCluster serves the admin endpoints of members.
type fakeCluster struct {
	endpoint string   // of the first that is not down
	listens  []string // where the members listen, and what a transcript calls it
}

func newFakeCluster(t *testing.T, input string, operator admin.Operator) *fakeCluster {
	cluster := &fakeCluster{}
	var nodes []*fakeNode
	var members []admin.Member
	for line := range strings.Lines(input) {
		line, note, _ := strings.Cut(line, "~")
		line, alarm, _ := strings.Cut(line, "!")
		fields := strings.Fields(line)
		number := len(members) + 1
		member := admin.Member{Name: fields[0], ID: fmt.Sprintf("%d%[1]d%[1]d", number), Suffrage: "voter",
			PeerAddr: fmt.Sprintf("10.0.0.%d:7432", number), AdminAddr: "127.0.0.1:1"} // nobody listens on port 1
		if fields[1] != "down" {
			node := &fakeNode{status: admin.Status{Name: fields[0], Role: fields[1], Leader: strings.Trim(fields[2], "-"),
				Term: parseNumber(t, fields[3]), AppliedIndex: parseNumber(t, fields[4]), DBBytes: 64 << 20, Version: "0.1.0", UptimeSecs: 15120}}
			if alarm = strings.TrimSpace(alarm); alarm != "" {
				node.status.Alarms = []string{alarm}
			}
			if note = strings.TrimSpace(note); note != "" {
				node.status.Notes = []string{note}
			}
			if len(fields) > 5 {
				member.Suffrage = fields[5]
			}
			server := httptest.NewServer(admin.Handler(node, operator, prometheus.NewRegistry()))
			t.Cleanup(server.Close)
			member.AdminAddr, member.SQLAddr = strings.TrimPrefix(server.URL, "http://"), fmt.Sprintf("10.0.0.%d:4432", number)
			cluster.listens = append(cluster.listens, member.AdminAddr, fmt.Sprintf("127.0.0.1:1843%d", number))
			if cluster.endpoint == "" {
				cluster.endpoint, member.Self = server.URL, true
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
	return cluster
}

// replaceAddresses makes a text the same in every run. Ports that the kernel
// chooses have five digits, as their replacements.
func (c *fakeCluster) replaceAddresses(text string) string {
	return strings.NewReplacer(c.listens...).Replace(text)
}

func parseNumber(t *testing.T, text string) (n uint64) {
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
