package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"quorate/admin"
	"quorate/internal/errcode"
	"quorate/node/driver"
	"quorate/raft"
	"quorate/sqlfsm"
)

// All members are compared at one index, while clients go on:
//
//	coordinator                        each member
//	    │ begin: a mark will come ───────▶ opens a connection
//	    │
//	    │ the mark goes through the log ─▶ applies it, pins its database there,
//	    │                                  digests table after table
//	    │ state: what is new? ───────────▶ digests
//	    │
//	    │ where digests differ: pieces, row, find
//	    │ end ───────────────────────────▶ closes the connection
//
// The coordinator is the node that the operator has asked. A member that it leaves
// alone for too long ends its part by itself.

const (
	// verifyAnswerTimeout is how long a member may take to answer how far it is.
	verifyAnswerTimeout = 10 * time.Second
	// verifyEndTimeout is how long a member is waited for to be thanked.
	verifyEndTimeout = 2 * time.Second
	// verifyTell is how often it is told how far a comparison is.
	verifyTell = 250 * time.Millisecond
)

// comparison is a comparison under way on its coordinator.
type comparison struct {
	node *Node
	id   verifyID
	wait time.Duration

	index   raft.Index // of the mark
	members []*compared
}

// compared is a member's part.
type compared struct {
	participant
	id raft.NodeID

	mu    sync.Mutex // guards the fields below
	rows  int64      // digested
	done  int        // tables digested
	total int        // tables; 0: not known yet
	err   error      // why it is not compared
}

// Verify implements admin.Operator.
func (n *Node) Verify(ctx context.Context, options admin.VerifyOptions, progress func(admin.VerifyProgress)) (*admin.VerifyReport, error) {
	began := time.Now()
	c := &comparison{node: n, wait: options.Wait}
	if _, err := rand.Read(c.id[:]); err != nil {
		return nil, fmt.Errorf("node: draw a name for a comparison: %w", err)
	}
	for _, m := range byName(n.members.Load().Configuration) {
		p := &compared{id: m.ID, participant: participant{name: m.Name, tables: map[string]tableDigest{}}}
		p.ask = func(ctx context.Context, q verifyQuestion) (*verifyAnswer, error) {
			q.ID = c.id[:]
			return n.askVerify(ctx, m.ID, q)
		}
		c.members = append(c.members, p)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-n.stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	defer c.end()
	report, err := c.run(ctx, progress)
	if n.stopping() {
		return nil, &admin.Error{Status: http.StatusConflict, Message: n.cfg.Name + ", which was asked, is stopping", Hint: "Ask another member."}
	}
	if err != nil {
		return nil, err
	}
	report.TookSecs = time.Since(began).Seconds()
	return report, nil
}

func (c *comparison) run(ctx context.Context, progress func(admin.VerifyProgress)) (*admin.VerifyReport, error) {
	c.begin(ctx)
	// While the mark is on its way, or one member is looked at, the others must not
	// think that they are forgotten.
	reminding, stop := context.WithCancel(ctx)
	var reminder sync.WaitGroup
	reminder.Go(func() { c.remind(reminding) })
	defer reminder.Wait()
	defer stop()
	if err := c.pin(ctx); err != nil {
		return nil, err
	}
	if err := c.read(ctx, progress); err != nil {
		return nil, err
	}
	return c.report(ctx, progress)
}

// each does something for all members at once.
func (c *comparison) each(f func(p *compared)) {
	var wait sync.WaitGroup
	for _, p := range c.members {
		wait.Go(func() { f(p) })
	}
	wait.Wait()
}

// begin has the members prepare for the mark.
func (c *comparison) begin(ctx context.Context) {
	c.each(func(p *compared) {
		ctx, cancel := context.WithTimeout(ctx, min(c.wait, verifyAnswerTimeout))
		defer cancel()
		if _, err := p.ask(ctx, verifyQuestion{Op: verifyBegin}); err != nil {
			p.fail(err)
		}
	})
}

// pin puts the mark through the log and waits until this node has pinned its
// database at it.
func (c *comparison) pin(ctx context.Context) error {
	self := c.members[slices.IndexFunc(c.members, func(p *compared) bool { return p.id == c.node.id })]
	err := self.failure()
	if err == nil {
		if err := c.node.mark(ctx, c.id, c.wait); err != nil {
			return err
		}
	}
	// The applier answers a command before it pins what the command has led to.
	for c.index == 0 && err == nil {
		var answer *verifyAnswer
		if answer, err = self.ask(ctx, verifyQuestion{Op: verifyState}); err == nil {
			c.index = answer.Index
		}
	}
	if err != nil {
		return &admin.Error{Status: http.StatusConflict, Message: fmt.Sprintf("%s, which was asked, cannot take part: %v", self.name, err), Hint: "Ask another member."}
	}
	return nil
}

// mark puts a mark through the log and waits until this node has applied it.
func (n *Node) mark(ctx context.Context, id verifyID, wait time.Duration) error {
	p := n.commands.Reserve()
	data := sqlfsm.AppendCommand(nil, &sqlfsm.Header{Kind: sqlfsm.KindMark, Origin: uint64(n.id), Incarnation: n.commands.Incarnation,
		Seq: p.Seq, LowWater: p.LowWater, Time: time.Now().UnixMicro(), Seed: id}, nil)
	if !n.commands.Charge(p, data, maxPendingBytes) {
		n.commands.Remove(p)
		return &admin.Error{Status: http.StatusConflict, Message: "this node has too many writes under way", Hint: "Try again a little later, or ask another member."}
	}
	n.inbox.put(func(e *driver.Events) { e.Commands = append(e.Commands, p) })
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var out driver.Outcome
	select {
	case out = <-p.Done:
		if out.Err != nil {
			return &admin.Error{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("the mark for the comparison was not taken into the log: %v", out.Err)}
		}
	case <-ctx.Done():
		out = n.giveUp(p, errcode.CannotConnectNow, "the cluster has no quorum")
	case <-n.stopped:
		out = n.giveUp(p, errcode.AdminShutdown, "this node is shutting down")
	}
	if out.Err == nil {
		return nil
	}
	return &admin.Error{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("the mark for the comparison did not come through the log within %v", wait),
		Hint: "A majority of the voters must be up and connected, and this node must keep up; see quorate status."}
}

// read waits until all members have digested their tables, or do not go on.
func (c *comparison) read(ctx context.Context, progress func(admin.VerifyProgress)) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.each(func(p *compared) {
			if p.failure() != nil {
				return
			}
			if err := c.follow(ctx, p); err != nil {
				p.fail(err)
			}
		})
	}()
	ticker := time.NewTicker(verifyTell)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return ctx.Err()
		case <-ticker.C:
			progress(c.progress())
		}
	}
}

const (
	// verifyAttempts is how often in a row a member is asked that does not answer.
	verifyAttempts = 3
	verifyRetry    = 500 * time.Millisecond
)

// follow collects a member's digests.
func (c *comparison) follow(ctx context.Context, p *compared) error {
	deadline := time.Now().Add(c.wait)
	for attempt := 1; ; {
		answer, err := c.askState(ctx, p, p.done)
		var answered *admin.Error
		switch {
		case err != nil && (ctx.Err() != nil || errors.As(err, &answered) || p.id == c.node.id || attempt == verifyAttempts):
			return err
		case err != nil:
			attempt++
			select {
			case <-time.After(verifyRetry):
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		case answer.Index == 0 && answer.Applied > c.index:
			return fmt.Errorf("it did not stop at entry %d: an image of the database was installed there", c.index)
		case answer.Index == 0 && time.Now().After(deadline):
			return fmt.Errorf("it did not reach entry %d within %v: it has applied %d", c.index, c.wait, answer.Applied)
		case answer.Index != 0 && answer.Index != c.index:
			return fmt.Errorf("it has stopped at entry %d instead of %d", answer.Index, c.index)
		}
		attempt = 1
		if p.add(answer) {
			return nil
		}
	}
}

// askState asks for the digests of all tables but the first.
func (c *comparison) askState(ctx context.Context, p *compared, from int) (*verifyAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, verifyAnswerTimeout)
	defer cancel()
	return p.ask(ctx, verifyQuestion{Op: verifyState, From: from})
}

// add notes what a member has told and reports whether that was all.
func (p *compared) add(a *verifyAnswer) (all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range a.Tables {
		p.tables[d.Name] = d
	}
	p.done += len(a.Tables)
	p.rows, p.total = a.Rows, a.TablesTotal
	return a.Finished && p.done == p.total
}

func (p *compared) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *compared) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// progress tells how far the last of the members is.
func (c *comparison) progress() admin.VerifyProgress {
	var last *admin.VerifyProgress
	for _, p := range c.members {
		p.mu.Lock()
		now := admin.VerifyProgress{Stage: "reading", Rows: p.rows, TablesDone: p.done, TablesTotal: p.total}
		failed := p.err != nil
		p.mu.Unlock()
		if now.TablesTotal == 0 {
			now.Stage = "waiting for " + p.name
		}
		if !failed && (last == nil || now.TablesTotal == 0 || last.TablesTotal > 0 && now.Rows < last.Rows) {
			last = &now
		}
	}
	if last == nil {
		return admin.VerifyProgress{Stage: "ending"}
	}
	return *last
}

// report compares what the members have told, and looks at what differs.
func (c *comparison) report(ctx context.Context, progress func(admin.VerifyProgress)) (*admin.VerifyReport, error) {
	r := &admin.VerifyReport{Verdict: admin.VerdictEqual, Index: uint64(c.index)}
	var all []*participant
	for _, p := range c.members {
		m := admin.VerifyMember{Name: p.name, Compared: p.err == nil}
		if p.err != nil {
			m.Error = p.err.Error()
			r.Verdict = admin.VerdictIncomplete
		} else {
			all = append(all, &p.participant)
		}
		r.Members = append(r.Members, m)
	}
	for i, name := range tableNames(all) {
		t := compareTable(ctx, all, name, func() {
			progress(admin.VerifyProgress{Stage: "looking for the first difference in " + name, TablesDone: i})
		})
		if !t.Equal {
			r.Verdict = admin.VerdictDiffer
		}
		r.Tables = append(r.Tables, t)
	}
	return r, ctx.Err()
}

// remind puts off the end of the members' parts.
func (c *comparison) remind(ctx context.Context) {
	ticker := time.NewTicker(verifyLease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c.each(func(p *compared) {
			if p.failure() == nil {
				_, _ = c.askState(ctx, p, math.MaxInt32) // who does not answer will be noticed when it matters
			}
		})
	}
}

// end thanks the members. One that does not hear it notices that it is not asked
// any more.
func (c *comparison) end() {
	ctx, cancel := context.WithTimeout(context.Background(), verifyEndTimeout)
	defer cancel()
	c.each(func(p *compared) { _, _ = p.ask(ctx, verifyQuestion{Op: verifyEnd}) })
}
