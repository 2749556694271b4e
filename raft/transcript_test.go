package raft

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestTranscripts tells the stories of testdata/*.txt: one for each rule that
// other implementations broke, and for each scenario that a reviewer would
// try. A file begins with what it shows. After every command the oracles look
// on, as in the random schedules.
//
// To accept what a changed core says, once you understand every line of it:
//
//	go test ./raft -run Transcripts -rewrite
//
// Commands; members are named by their ids. What a command causes on the
// member itself (writes, messages on the wire) happens at once; nothing is
// durable or delivered unless a command says so.
//
//	cluster 3 [down] [cache=bytes] [batch=entries] [window=messages] [unapplied=bytes]
//	join 4 ..             starts more members, which are in no configuration
//	disk 1 term=3 [vote=2] log=(1,1,3)   a log with these terms, before start
//	start 1 ..            crash 1 [keep=writes]
//	campaign 1            ticks until the election timeout, and only then
//	tick 1 .. [n=10]      persist 1 .. [n=writes]
//	elect 1               campaign and stabilize
//	propose 1 a b ..      read 1 7        stepdown 1      unreachable 1 2
//	add 1 4 [learner] [name=] [at=address]   promote 1 4
//	remove 1 3 [force]    update 1 3 at=address    transfer 1 2 (0: to anybody)
//	                      member 1 is asked to do that
//	compact 1 5           cuts the log: it begins after 5
//	image 1 3             sends the image that was asked for, or one anyway
//	full 1 .., room 1 ..  the disk has no room for entries, or has again
//	lazy 1 .., apply 1 .. the state machine hangs, or works again
//	deliver [selection]   drop [selection]   copies [selection]
//	                      the messages on the wire: all, or those with
//	                      from=, to=, type=; copies stay on the wire
//	wire                  shows them
//	step from=2 to=1 type=Heartbeat term=1 [index= logterm= commit= round= request= reject entries=(..)]
//	step from=2 to=1 type=InstallSnapshot term=1 image=(index,term)
//	                      a message that nobody sent
//	stabilize             persist and deliver until nothing more happens
//	stall 1, unstall 1    stabilize leaves this member's disk alone
//	cut 1->2 .., heal     a cut link loses what is delivered over it
//	status, log 1 .., configurations 1 ..   what the members know
//
// Any command may end in quietly: what it causes is not shown.
func TestTranscripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var s story
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				return s.run(t, d)
			})
		})
	}
}

type story struct {
	*cluster
	lines []string
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	s.lines = nil
	if d.HasArg("quietly") {
		trace := s.trace
		s.trace = func(string, ...any) {}
		defer func() { s.trace = trace }()
	}
	defer func() {
		if what := recover(); what != nil {
			d.Fatalf(t, "%v", what)
		}
	}()
	s.command(t, d)
	if s.cluster != nil {
		s.oracle.check(s.cluster)
	}
	if len(s.lines) == 0 {
		return "ok\n"
	}
	return strings.Join(s.lines, "\n") + "\n"
}

func (s *story) printf(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *story) command(t *testing.T, d *datadriven.TestData) {
	switch d.Cmd {
	case "cluster":
		s.create(d)
	case "disk":
		s.writeDisk(d)
	case "deliver", "drop", "copies", "wire":
		s.messages(d)
	case "step":
		s.step(d)
	case "propose", "read", "stepdown", "unreachable", "compact", "image":
		s.request(d)
	case "add", "promote", "remove", "update", "transfer":
		s.operate(d)
	case "cut":
		for _, arg := range d.CmdArgs {
			from, to, _ := strings.Cut(arg.Key, "->")
			s.cut[link{id(from), id(to)}] = true
		}
	case "heal":
		clear(s.cut)
	case "stabilize":
		s.stabilize()
	case "status":
		for _, n := range s.nodes {
			s.status(n)
		}
	default:
		s.each(t, d)
	}
}

// create makes a cluster; its members start unless they are to stay down.
func (s *story) create(d *datadriven.TestData) {
	n, _ := strconv.Atoi(d.CmdArgs[0].Key)
	s.cluster = newCluster(n, func(id NodeID) Config {
		config := testConfig(id)
		config.MaxCachedBytes = number(d, "cache", 0)
		config.MaxEntriesPerMessage = number(d, "batch", 0)
		config.MaxInflightMessages = number(d, "window", 0)
		config.MaxUnappliedBytes = number(d, "unapplied", 0)
		return config
	})
	s.trace = s.printf
	if !d.HasArg("down") {
		for _, n := range s.nodes {
			s.start(n.id)
		}
	}
}

func (s *story) writeDisk(d *datadriven.TestData) {
	n := s.node(id(d.CmdArgs[0].Key))
	n.disk.state = HardState{
		Term: Term(number(d, "term", 0)), Vote: NodeID(number(d, "vote", 0)), Commit: Index(number(d, "commit", 0)),
	}
	n.disk.entries = entriesOf(0, d)
}

// entriesOf makes entries after prev with the terms of log=(..) or
// entries=(..).
func entriesOf(prev Index, d *datadriven.TestData) []Entry {
	var entries []Entry
	for _, arg := range d.CmdArgs {
		if arg.Key != "log" && arg.Key != "entries" {
			continue
		}
		for i, val := range arg.Vals {
			term, _ := strconv.Atoi(val)
			index := prev + 1 + Index(i)
			entries = append(entries, Entry{Term: Term(term), Index: index, Data: fmt.Appendf(nil, "t%d", term)})
		}
	}
	return entries
}

// each runs a command on every member that it names.
func (s *story) each(t *testing.T, d *datadriven.TestData) {
	for _, arg := range d.CmdArgs {
		if len(arg.Vals) > 0 || arg.Key == "quietly" {
			continue
		}
		id := id(arg.Key)
		switch d.Cmd {
		case "start":
			s.start(id)
		case "join":
			s.start(s.join(testConfig).id)
		case "full", "room":
			s.core(id).SetFull(d.Cmd == "full")
			s.settle(id)
		case "lazy":
			s.node(id).lazy = true
		case "apply":
			s.node(id).lazy = false
			s.node(id).apply()
			s.settle(id)
		case "configurations":
			var all []string
			for _, c := range s.core(id).configurations {
				all = append(all, describeConfiguration(c))
			}
			s.printf("%d: %s", id, strings.Join(all, "  "))
		case "crash":
			s.crash(id, number(d, "keep", 0))
		case "campaign":
			s.campaign(id)
		case "elect":
			s.elect(id)
		case "tick":
			for range number(d, "n", 1) {
				s.tick(id)
			}
		case "persist":
			s.persist(id, number(d, "n", len(s.node(id).pending)))
			s.settle(id)
		case "stall", "unstall":
			s.node(id).stalled = d.Cmd == "stall"
		case "log":
			s.printf("%d: memory %s disk %s", id, terms(&s.core(id).log), diskTerms(s.node(id)))
		default:
			d.Fatalf(t, "unknown command %q", d.Cmd)
		}
	}
}

// request runs a command of the driver on one member.
func (s *story) request(d *datadriven.TestData) {
	id := id(d.CmdArgs[0].Key)
	var args []string
	for _, arg := range d.CmdArgs[1:] {
		args = append(args, arg.Key)
	}
	var err error
	switch d.Cmd {
	case "propose":
		err = s.propose(id, args...)
	case "read":
		n, _ := strconv.Atoi(args[0])
		err = s.read(id, uint64(n))
	case "stepdown":
		s.core(id).StepDown()
	case "unreachable":
		n, _ := strconv.Atoi(args[0])
		s.core(id).ReportUnreachable(NodeID(n))
	case "compact":
		n, _ := strconv.Atoi(args[0])
		s.compact(id, Index(n))
	case "image":
		n, _ := strconv.Atoi(args[0])
		job := imageJob{id, NodeID(n)}
		s.images = slices.DeleteFunc(s.images, func(j imageJob) bool { return j == job })
		s.sendImage(job)
	}
	if err != nil {
		s.printf("%v", err)
	}
	s.settle(id)
}

// operate asks a member for what an operator wants.
func (s *story) operate(d *datadriven.TestData) {
	at, member := id(d.CmdArgs[0].Key), Member{ID: id(d.CmdArgs[1].Key), Name: text(d, "name"), Address: text(d, "at")}
	var err error
	switch c := (ConfChange{Member: member, Force: d.HasArg("force")}); d.Cmd {
	case "add":
		c.Op, c.Member.Suffrage = AddMember, Staging
		if d.HasArg("learner") {
			c.Member.Suffrage = Learner
		}
		_, _, err = s.core(at).ProposeConfChange(c)
	case "promote":
		c.Op = PromoteMember
		_, _, err = s.core(at).ProposeConfChange(c)
	case "remove":
		c.Op = RemoveMember
		_, _, err = s.core(at).ProposeConfChange(c)
	case "update":
		c.Op = UpdateMember
		_, _, err = s.core(at).ProposeConfChange(c)
	case "transfer":
		err = s.core(at).TransferLeadership(member.ID)
	}
	var e *ConfChangeError
	switch {
	case errors.As(err, &e) && e.Done:
		s.printf("done: %v", err)
	case errors.As(err, &e) && e.Retry:
		s.printf("later: %v", err)
	case err != nil:
		s.printf("%v", err)
	}
	s.settle(at)
}

// messages delivers, drops, copies or shows the selected messages.
func (s *story) messages(d *datadriven.TestData) {
	wire := s.wire
	s.wire = nil
	var chosen []Message
	for _, m := range wire {
		if number(d, "from", int(m.From)) == int(m.From) && number(d, "to", int(m.To)) == int(m.To) &&
			(!d.HasArg("type") || text(d, "type") == m.Type.String()) {
			chosen = append(chosen, m)
			if d.Cmd != "copies" && d.Cmd != "wire" {
				continue
			}
		}
		s.wire = append(s.wire, m)
	}
	for _, m := range chosen {
		switch d.Cmd {
		case "deliver", "copies":
			if err := s.deliver(m); err != nil {
				s.printf("%v", err)
			}
			s.settle(m.To)
		case "wire":
			s.printf("%s", describe(m))
		}
	}
}

func (s *story) step(d *datadriven.TestData) {
	m := Message{
		From: NodeID(number(d, "from", 0)), To: NodeID(number(d, "to", 0)), Term: Term(number(d, "term", 0)),
		Index: Index(number(d, "index", 0)), LogTerm: Term(number(d, "logterm", 0)), Commit: Index(number(d, "commit", 0)),
		Round: uint64(number(d, "round", 0)), Request: uint64(number(d, "request", 0)), Reject: d.HasArg("reject"),
		HintIndex: Index(number(d, "hint", 0)), HintTerm: Term(number(d, "hintterm", 0)),
	}
	m.Entries = entriesOf(m.Index, d)
	for _, arg := range d.CmdArgs {
		if arg.Key == "image" {
			index, _ := strconv.Atoi(arg.Vals[0])
			term, _ := strconv.Atoi(arg.Vals[1])
			m.Snapshot = &Snapshot{Index(index), Term(term), ConfigurationAt{Configuration: Configuration{Members: s.oracle.founders}}}
		}
	}
	m.Type = MessageType(slices.Index(messageTypeNames[:], text(d, "type")))
	if err := s.deliver(m); err != nil {
		s.printf("%v", err)
	}
	s.settle(m.To)
}

func (s *story) status(n *testNode) {
	if n.core == nil {
		s.printf("%d: down", n.id)
		return
	}
	st := n.core.Status()
	s.printf("%d: %s term=%d vote=%d leader=%d commit=%d applied=%d stable=%d last=%d",
		n.id, st.Role, st.Term, st.Vote, st.Leader, st.Commit, st.Applied, st.Stable, st.Last)
	if st.Base > 0 {
		s.printf("   base=%d", st.Base)
	}
	if st.Transfer != 0 {
		s.printf("   hands over to %d", st.Transfer)
	}
	if n.core.Removed() {
		s.printf("   removed")
	}
	for _, p := range st.Peers {
		full := ""
		if p.Full {
			full = " full"
		}
		s.printf("   %d: %s match=%d next=%d active=%v%s", p.ID, p.State, p.Match, p.Next, p.Active, full)
	}
}

// terms writes the term of every entry of a log, oldest first.
func terms(l *raftLog) string {
	var all []string
	if l.base > 0 {
		all = append(all, fmt.Sprintf("..%d", l.base))
	}
	for i := l.base + 1; i <= l.last(); i++ {
		term, _ := l.term(i)
		all = append(all, fmt.Sprint(term))
	}
	return "(" + strings.Join(all, " ") + ")"
}

func diskTerms(n *testNode) string {
	var all []string
	if n.disk.base.Index > 0 {
		all = append(all, fmt.Sprintf("..%d", n.disk.base.Index))
	}
	for _, e := range n.disk.entries {
		all = append(all, fmt.Sprint(e.Term))
	}
	return "(" + strings.Join(all, " ") + ")"
}

func id(s string) NodeID {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(fmt.Sprintf("%q is no member", s))
	}
	return NodeID(n)
}

// number is the value of an argument key=value.
func number(d *datadriven.TestData, key string, otherwise int) int {
	if value := text(d, key); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil {
			panic(fmt.Sprintf("%s=%s is no number", key, value))
		}
		return n
	}
	return otherwise
}

func text(d *datadriven.TestData, key string) string {
	for _, arg := range d.CmdArgs {
		if arg.Key == key && len(arg.Vals) > 0 {
			return arg.Vals[0]
		}
	}
	return ""
}
