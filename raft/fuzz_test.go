package raft

import "testing"

// FuzzStep lets other members lie. Whatever arrives, in whatever order, with
// proposals, reads, ticks and writes in between, a core answers or refuses; it
// does not panic, its invariants hold, its term and commit index do not go
// back, and a refused message leaves log and commit index alone. (That lies cannot
// break more is beyond Raft: it trusts votes and acknowledgements.)
func FuzzStep(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08"))
	f.Add([]byte{2, 2, 1, 0, 0, 0, 0, 4, 2, 1, 0, 0, 0, 0, 1, 250, 5, 2, 1, 1, 1, 1, 3, 250})
	f.Fuzz(func(t *testing.T, data []byte) {
		in := lies{data}
		config := testConfig(1)
		config.MaxCachedBytes, config.MaxEntriesPerMessage, config.MaxInflightMessages = 100, 2, 2
		disk := diskOf(2, 1, 2, 2)
		r, err := New(config, disk.recovered([]Member{{ID: 1}, {ID: 2}, {ID: 3}}, 1))
		if err != nil {
			t.Fatal(err)
		}
		behind := r.log.applied
		for request := uint64(0); len(in.data) > 0; request++ {
			term, commit := r.Term(), r.Commit()
			switch choice := in.next(28); choice {
			case 0, 1:
				r.Tick()
			case 2:
				_, _, _ = r.Propose([][]byte{{1}, {2}})
			case 3:
				_ = r.ReadIndex(request)
			case 4:
				r.ReportUnreachable(NodeID(in.next(4)))
			case 5:
				r.StepDown()
			case 6:
				r.Fetched(NodeID(in.next(4)), in.entries(Index(in.next(4))))
			case 7, 8, 9:
				if rd, ok := r.Ready(); ok {
					if rd.Seq != 0 {
						r.Persisted(rd.Seq)
					}
					if rd.Install != nil {
						behind = rd.Install.Index
					}
					if n := len(rd.Committed); n > 0 {
						behind = rd.Committed[n-1].Index
					}
				}
			case 10, 11:
				r.Applied(behind)
			case 12:
				_, _, _ = r.ProposeConfChange(ConfChange{
					Op: ConfChangeOp(in.next(6)), Member: Member{ID: NodeID(in.next(5)), Suffrage: Suffrage(in.next(4))}, Force: in.next(2) == 0,
				})
			case 13:
				_ = r.TransferLeadership(NodeID(in.next(4)))
			case 14:
				r.Compact(min(Index(in.next(8)), r.log.applied))
			case 15:
				r.ImageSent(NodeID(in.next(4)), min(Index(in.next(8)), r.log.commit))
			case 16:
				r.SetFull(in.next(2) == 0)
			default:
				last, lastTerm := r.Last(), r.log.lastTerm()
				if err := r.Step(in.message()); err != nil && (r.Last() != last || r.log.lastTerm() != lastTerm || r.Commit() != commit) {
					t.Fatalf("refused (%v), but the log ends at %d instead of %d, commit %d instead of %d", err, r.Last(), last, r.Commit(), commit)
				}
			}
			if r.Term() < term || r.Commit() < commit {
				t.Fatalf("term %d and commit %d go back to %d and %d", term, commit, r.Term(), r.Commit())
			}
		}
	})
}

// lies makes messages from bytes. Small numbers come often, so that many lies
// are nearly true.
type lies struct{ data []byte }

func (l *lies) next(n int) int {
	if len(l.data) == 0 {
		return 0
	}
	b := int(l.data[0])
	l.data = l.data[1:]
	return b % n
}

// number is small, or rarely at the end of the range.
func (l *lies) number() uint64 {
	switch n := l.next(64); n {
	case 63:
		return 1<<64 - 1
	case 62:
		return 1 << 62
	default:
		return uint64(n % 8)
	}
}

func (l *lies) entries(after Index) []Entry {
	var entries []Entry
	for i := range l.next(4) {
		e := Entry{Term: Term(l.next(6)), Index: after + 1 + Index(i), Type: EntryType(l.next(30) / 9)}
		if e.Type == EntryConfiguration {
			e.Data = AppendConfiguration(nil, l.configuration())
		}
		entries = append(entries, e)
	}
	return entries
}

func (l *lies) configuration() (c Configuration) {
	for id := range l.next(5) {
		c.Members = append(c.Members, Member{ID: NodeID(id + l.next(20)/19), Suffrage: Suffrage(l.next(10) / 3)})
	}
	for range l.next(3) {
		c.Removed = append(c.Removed, NodeID(l.next(6)))
	}
	return c
}

func (l *lies) message() Message {
	m := Message{
		Type: MessageType(l.next(14)), From: NodeID(l.next(4)), To: 1, Term: Term(l.number()),
		Index: Index(l.number()), LogTerm: Term(l.number()), Commit: Index(l.number()), Reject: l.next(3) == 0,
		HintIndex: Index(l.number()), HintTerm: Term(l.number()), Round: l.number(), Request: l.number(),
	}
	m.Entries = l.entries(m.Index)
	m.Transfer, m.Full = l.next(2) == 0, l.next(2) == 0
	if m.Type == InstallSnapshot && l.next(8) > 0 {
		m.Snapshot = &Snapshot{Index: Index(l.number()), Term: Term(l.number())}
		m.Snapshot.Configuration = ConfigurationAt{Index: Index(l.next(4)), Configuration: l.configuration()}
	}
	return m
}
