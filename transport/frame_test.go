package transport

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/hashicorp/go-msgpack/v2/codec"
	"pgregory.net/rapid"

	"quorate/raft"
)

const (
	one raft.NodeID = 1
	two raft.NodeID = 2
)

// TestFrames shows the wire format byte for byte, and what becomes of bytes
// that are not in it. The transcript is the format's golden file: a change in
// it needs a new Protocol number.
func TestFrames(t *testing.T) {
	datadriven.RunTest(t, "testdata/frames", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "messages":
			return hex.Dump(appendMessages(nil, parseMessages(t, d.Input)))
		case "proposals":
			var proposals []Proposal
			for line := range strings.Lines(d.Input) {
				var p Proposal
				var data string
				scan(t, line, "origin=%d term=%d seq=%d low-water=%d data=%q", &p.Origin, &p.Term, &p.Seq, &p.LowWater, &data)
				p.Data = []byte(data)
				proposals = append(proposals, p)
			}
			return hex.Dump(appendProposals(nil, proposals))
		case "replies":
			var replies []ProposalReply
			for line := range strings.Lines(d.Input) {
				var r ProposalReply
				scan(t, line, "incarnation=%d seq=%d term=%d accepted=%t reason=%d", &r.Incarnation, &r.Seq, &r.Term, &r.Accepted, &r.Reason)
				replies = append(replies, r)
			}
			return hex.Dump(appendReplies(nil, replies))
		case "standing":
			s := Standing{Quarantined: d.HasArg("quarantined")}
			for line := range strings.Lines(d.Input) {
				var one Digest
				var sum []byte
				scan(t, line, "index=%d sum=%x", &one.Index, &sum)
				copy(one.Sum[:], sum)
				s.Digests = append(s.Digests, one)
			}
			return hex.Dump(appendStanding(nil, &s))
		case "ping":
			var stamp uint64
			scan(t, d.Input, "%d", &stamp)
			return hex.Dump(appendProbe(nil, kindPing, stamp))
		case "hello":
			b, err := encodeHello(kindHello, exampleHello(), forMessages)
			if err != nil {
				return err.Error() + "\n"
			}
			return hex.Dump(b)
		case "refusal":
			b, err := encodeRefusal(&Refusal{Code: RefusedToken, Message: "the tokens differ", Hint: "Look."})
			if err != nil {
				return err.Error() + "\n"
			}
			return hex.Dump(b)
		case "image":
			h, _ := imageOf(9, 3)
			h.SHA256 = [32]byte{1, 31: 2}
			return hex.Dump(appendImage(nil, &h))
		case "chunk":
			return hex.Dump(appendChunk(nil, 300, []byte(d.Input)))
		case "have", "done":
			kinds := map[string]frameKind{"have": kindHave, "done": kindDone}
			return hex.Dump(appendProbe(nil, kinds[d.Cmd], 303))
		case "call", "answer", "failure":
			kinds := map[string]frameKind{"call": kindCall, "answer": kindAnswer, "failure": kindFailure}
			return hex.Dump(appendBlob(nil, kinds[d.Cmd], []byte(d.Input)))
		case "decode":
			var out strings.Builder
			for line := range strings.Lines(d.Input) {
				body, err := hex.DecodeString(strings.NewReplacer(" ", "", "-", "", "\n", "").Replace(line))
				if err != nil {
					t.Fatal(err)
				}
				f, err := decodeFrame(body, false, one, two, 4)
				if err != nil {
					fmt.Fprintln(&out, err)
				} else {
					fmt.Fprintln(&out, describe(f))
				}
			}
			return out.String()
		}
		d.Fatalf(t, "unknown command %s", d.Cmd)
		return ""
	})
}

func describe(f frame) string {
	switch f.kind {
	case kindMessages:
		return fmt.Sprintf("messages %+v", f.messages)
	case kindProposals:
		return fmt.Sprintf("proposals %+v", f.proposals)
	case kindReplies:
		return fmt.Sprintf("replies %+v", f.replies)
	case kindStanding:
		return fmt.Sprintf("standing %+v", *f.standing)
	}
	return fmt.Sprintf("probe of kind %d: %d", f.kind, f.stamp)
}

func scan(t *testing.T, line, format string, into ...any) {
	t.Helper()
	if _, err := fmt.Sscanf(strings.TrimSpace(line), format, into...); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
}

// parseMessages reads one message a line, "type name=value …", and its entries
// on indented lines below it.
func parseMessages(t *testing.T, input string) []raft.Message {
	var messages []raft.Message
	for line := range strings.Lines(input) {
		if strings.HasPrefix(line, " ") {
			var e raft.Entry
			var data string
			scan(t, line, "entry term=%d index=%d type=%d data=%q", &e.Term, &e.Index, &e.Type, &data)
			e.Data = []byte(data)
			m := &messages[len(messages)-1]
			m.Entries = append(m.Entries, e)
			continue
		}
		var m raft.Message
		words := strings.Fields(line)
		for typ := raft.PreVote; typ <= newestMessageType; typ++ {
			if typ.String() == words[0] {
				m.Type = typ
			}
		}
		for _, word := range words[1:] {
			name, value, _ := strings.Cut(word, "=")
			field := map[string]any{
				"term": &m.Term, "index": &m.Index, "log-term": &m.LogTerm, "commit": &m.Commit, "reject": &m.Reject,
				"hint-index": &m.HintIndex, "hint-term": &m.HintTerm, "round": &m.Round, "request": &m.Request,
				"transfer": &m.Transfer, "full": &m.Full,
			}[name]
			if _, err := fmt.Sscan(value, field); err != nil {
				t.Fatalf("%q: %v", word, err)
			}
		}
		messages = append(messages, m)
	}
	return messages
}

func exampleHello() Hello {
	h := Hello{
		NodeID: 0x1f, Process: 77, Name: "n1", SQLAddr: "127.0.0.1:4432", PeerAddr: "127.0.0.1:7432", AdminAddr: "127.0.0.1:8432",
		Version: "0.1.0", Protocol: Protocol, Engine: "sqlite 3.53 amd64",
	}
	copy(h.ClusterID[:], "cluster id......")
	copy(h.StorageID[:], "storage id......")
	copy(h.TokenDigest[:], "digest of the cluster token.....")
	return h
}

// TestNewestTypes shows that this package knows every type that raft has: the
// number after the newest has no name. InstallSnapshot is the one that does not
// travel.
func TestNewestTypes(t *testing.T) {
	if newestMessageType+1 != raft.InstallSnapshot {
		t.Error("between the newest message type and InstallSnapshot there are others")
	}
	if name := (raft.InstallSnapshot + 1).String(); !strings.HasPrefix(name, "message type ") {
		t.Errorf("raft has a message type %s: set newestMessageType, and count Protocol up", name)
	}
	if name := (newestEntryType + 1).String(); !strings.HasPrefix(name, "entry type ") {
		t.Errorf("raft has an entry type %s: set newestEntryType, and count Protocol up", name)
	}
}

// The generators draw numbers of every length and data that is nil when empty,
// which is how it is decoded.
func drawUint[T ~uint64](t *rapid.T, name string) T {
	return T(rapid.Uint64().Draw(t, name) >> rapid.IntRange(0, 63).Draw(t, name+" shift"))
}

func drawData(t *rapid.T) []byte {
	n := rapid.SampledFrom([]int{0, 1, 31, 32, 255, 256, 65535, 65536}).Draw(t, "bytes")
	if n == 0 {
		return nil
	}
	return bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, n)
}

func drawMessage(t *rapid.T) raft.Message {
	m := raft.Message{
		Type: raft.MessageType(rapid.IntRange(1, int(newestMessageType)).Draw(t, "type")), From: one, To: two,
		Term: drawUint[raft.Term](t, "term"), Index: drawUint[raft.Index](t, "index"),
		LogTerm: drawUint[raft.Term](t, "log term"), Commit: drawUint[raft.Index](t, "commit"),
		Reject:    rapid.Bool().Draw(t, "reject"),
		HintIndex: drawUint[raft.Index](t, "hint index"), HintTerm: drawUint[raft.Term](t, "hint term"),
		Round: drawUint[uint64](t, "round"), Request: drawUint[uint64](t, "request"),
		Transfer: rapid.Bool().Draw(t, "transfer"), Full: rapid.Bool().Draw(t, "full"),
	}
	n := rapid.SampledFrom([]int{0, 0, 1, 2, 15, 16, 17}).Draw(t, "entries")
	for range n {
		e := raft.Entry{Term: drawUint[raft.Term](t, "term"), Index: drawUint[raft.Index](t, "index"),
			Type: raft.EntryType(rapid.IntRange(0, int(newestEntryType)).Draw(t, "entry type")), Data: drawData(t)}
		m.Entries = append(m.Entries, e)
	}
	return m
}

func drawProposal(t *rapid.T) Proposal {
	return Proposal{Origin: drawUint[raft.NodeID](t, "origin"), Term: drawUint[raft.Term](t, "term"),
		Seq: drawUint[uint64](t, "seq"), LowWater: drawUint[uint64](t, "low water"), Data: drawData(t)}
}

func drawReply(t *rapid.T) ProposalReply {
	return ProposalReply{Incarnation: drawUint[uint64](t, "incarnation"), Seq: drawUint[uint64](t, "seq"), Term: drawUint[raft.Term](t, "term"),
		Accepted: rapid.Bool().Draw(t, "accepted"), Reason: Reason(rapid.Byte().Draw(t, "reason"))}
}

func drawFrame(t *rapid.T) (frame, []byte) {
	f := frame{kind: rapid.SampledFrom([]frameKind{kindMessages, kindProposals, kindReplies, kindStanding, kindPing, kindPong}).Draw(t, "kind")}
	switch n := rapid.IntRange(1, 4).Draw(t, "count"); f.kind {
	case kindMessages:
		for range n {
			f.messages = append(f.messages, drawMessage(t))
		}
	case kindProposals:
		for range n {
			f.proposals = append(f.proposals, drawProposal(t))
		}
	case kindReplies:
		for range n {
			f.replies = append(f.replies, drawReply(t))
		}
	case kindStanding:
		f.standing = drawStanding(t)
	default:
		f.stamp = drawUint[uint64](t, "stamp")
	}
	return f, encodeFrame(f)
}

func drawStanding(t *rapid.T) *Standing {
	s := &Standing{Quarantined: rapid.Bool().Draw(t, "quarantined")}
	for range rapid.IntRange(0, MaxStandingDigests).Draw(t, "digests") {
		d := Digest{Index: raft.Index(drawUint[uint64](t, "index"))}
		copy(d.Sum[:], rapid.SliceOfN(rapid.Byte(), len(d.Sum), len(d.Sum)).Draw(t, "sum"))
		s.Digests = append(s.Digests, d)
	}
	return s
}

func encodeFrame(f frame) []byte {
	switch f.kind {
	case kindMessages:
		return appendMessages(nil, f.messages)
	case kindProposals:
		return appendProposals(nil, f.proposals)
	case kindReplies:
		return appendReplies(nil, f.replies)
	case kindStanding:
		return appendStanding(nil, f.standing)
	}
	return appendProbe(nil, f.kind, f.stamp)
}

// TestFrameRoundTrip shows, for any frame, that decoding gives back what was
// encoded, with and without copying; that the outbox's estimate of a message's
// size is never too small; and that the frame's memory may be used again when
// it was not given away.
func TestFrameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, encoded := drawFrame(t)
		if n := binary.BigEndian.Uint32(encoded); int(n) != len(encoded)-lengthBytes {
			t.Fatalf("length %d in a frame of %d bytes", n, len(encoded))
		}
		bound := frameMaxBytes
		for i := range want.messages {
			bound += messageBytes(&want.messages[i])
		}
		for i := range want.proposals {
			bound += proposalMaxBytes + len(want.proposals[i].Data)
		}
		bound += len(want.replies) * replyMaxBytes
		if want.kind <= kindReplies && len(encoded) > bound {
			t.Fatalf("%d bytes, estimated at most %d", len(encoded), bound)
		}
		for _, owned := range []bool{true, false} {
			body := bytes.Clone(encoded[lengthBytes:])
			got, err := decodeFrame(body, owned, one, two, defaultEntries)
			if err != nil {
				t.Fatal(err)
			}
			if !owned {
				clear(body)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("owned %t: got %+v, want %+v", owned, got, want)
			}
		}
	})
}

// TestFramesAreMsgpack shows that the frames encoded by hand are msgpack: an
// independent implementation, given the same values as plain arrays, encodes
// the same bytes, and decodes ours to the same values.
func TestFramesAreMsgpack(t *testing.T) {
	h := handle()
	h.RawToString = false
	rapid.Check(t, func(t *rapid.T) {
		f, encoded := drawFrame(t)
		var theirs []byte
		if err := codec.NewEncoderBytes(&theirs, h).Encode(plain(f)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(theirs, encoded[lengthBytes:]) {
			t.Fatalf("ours   %x\ntheirs %x", encoded[lengthBytes:], theirs)
		}
		var values []any
		d := codec.NewDecoderBytes(encoded[lengthBytes:], h)
		if err := d.Decode(&values); err != nil || d.NumBytesRead() != len(encoded)-lengthBytes {
			t.Fatalf("decoded %d of %d bytes: %v", d.NumBytesRead(), len(encoded)-lengthBytes, err)
		}
		var again []byte
		if err := codec.NewEncoderBytes(&again, h).Encode(values); err != nil || !bytes.Equal(again, theirs) {
			t.Fatalf("decoded as %v: %v", values, err)
		}
	})
}

// plain is a frame as nested arrays.
func plain(f frame) []any {
	data := func(b []byte) []byte { return append([]byte{}, b...) } // not nil
	list := []any{}
	switch f.kind {
	case kindMessages:
		for _, m := range f.messages {
			entries := []any{}
			for _, e := range m.Entries {
				entries = append(entries, []any{uint64(e.Term), uint64(e.Index), uint64(e.Type), data(e.Data)})
			}
			list = append(list, []any{uint64(m.Type), uint64(m.Term), uint64(m.Index), uint64(m.LogTerm), uint64(m.Commit),
				m.Reject, uint64(m.HintIndex), uint64(m.HintTerm), m.Round, m.Request, m.Transfer, m.Full, entries})
		}
	case kindProposals:
		for _, p := range f.proposals {
			list = append(list, []any{uint64(p.Origin), uint64(p.Term), p.Seq, p.LowWater, data(p.Data)})
		}
	case kindReplies:
		for _, r := range f.replies {
			list = append(list, []any{r.Incarnation, r.Seq, uint64(r.Term), r.Accepted, uint64(r.Reason)})
		}
	case kindStanding:
		for _, d := range f.standing.Digests {
			list = append(list, []any{uint64(d.Index), d.Sum[:]})
		}
		return []any{uint64(f.kind), []any{f.standing.Quarantined, list}}
	default:
		return []any{uint64(f.kind), f.stamp}
	}
	return []any{uint64(f.kind), list}
}

// FuzzDecodeFrame feeds arbitrary bytes. What decodes encodes to the same
// bytes again, does not depend on whether the memory was given away, and keeps
// within the limits; what does not decode leaves nothing behind.
func FuzzDecodeFrame(f *testing.F) {
	for _, seed := range exampleFrames() {
		f.Add(seed[lengthBytes:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		const maxEntries = 100
		before := bytes.Clone(body)
		got, err := decodeFrame(body, false, one, two, maxEntries)
		if !bytes.Equal(body, before) {
			t.Fatal("decoding changed the bytes")
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) || !reflect.DeepEqual(got, frame{}) {
				t.Fatalf("%v, but left %+v", err, got)
			}
			return
		}
		if again := encodeFrame(got); !bytes.Equal(again[lengthBytes:], before) {
			t.Fatalf("%x\nencodes to\n%x", before, again[lengthBytes:])
		}
		for i := range got.messages {
			if m := &got.messages[i]; m.From != one || m.To != two || len(m.Entries) > maxEntries {
				t.Fatalf("from %v to %v with %d entries", m.From, m.To, len(m.Entries))
			}
		}
		owned, err := decodeFrame(body, true, one, two, maxEntries)
		if err != nil || !reflect.DeepEqual(owned, got) {
			t.Fatalf("with memory of its own: %+v, %v", owned, err)
		}
	})
}

func exampleFrames() [][]byte {
	entries := []raft.Entry{{Term: 3, Index: 8, Data: []byte("insert")}, {Term: 3, Index: 9, Type: raft.EntryNoop}}
	return [][]byte{
		appendMessages(nil, []raft.Message{{Type: raft.Heartbeat, Term: 3, Commit: 300, Round: 70000}}),
		appendMessages(nil, []raft.Message{{Type: raft.AppendEntries, Term: 3, Index: 7, LogTerm: 2, Entries: entries}}),
		appendMessages(nil, []raft.Message{{Type: raft.AppendEntriesResponse, Term: 1 << 40, Index: 7, Reject: true, HintIndex: 4}, {Type: raft.PreVote}}),
		appendProposals(nil, []Proposal{{Origin: 1 << 60, Term: 3, Seq: 9, LowWater: 8, Data: bytes.Repeat([]byte{7}, 300)}}),
		appendReplies(nil, []ProposalReply{{Incarnation: 7, Seq: 9, Term: 3, Accepted: true}, {Seq: 10, Term: 4, Reason: Overloaded}}),
		appendStanding(nil, &Standing{Digests: []Digest{{Index: 128, Sum: [16]byte{1}}}}),
		appendProbe(nil, kindPing, 1<<33),
	}
}

// FuzzHandshake feeds arbitrary bytes to the decoders of what strangers send
// first. What decodes is within the limits and printable, and comes back from
// encoding as it was.
func FuzzHandshake(f *testing.F) {
	hello, err := encodeHello(kindHello, exampleHello(), forMessages)
	if err != nil {
		f.Fatal(err)
	}
	refusal, err := encodeRefusal(&Refusal{Code: RefusedCluster, Message: "no", Hint: "Go."})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(hello)
	f.Add(refusal)
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, value, err := readHandshake(bytes.NewReader(b))
		if err != nil {
			return
		}
		if h, p, err := decodeHello(value); err == nil && h.Protocol == Protocol {
			again, err := encodeHello(kind, h, p)
			if err != nil {
				t.Fatal(err)
			}
			_, value, err := readHandshake(bytes.NewReader(again))
			if err != nil {
				t.Fatal(err)
			}
			if h2, p2, err := decodeHello(value); err != nil || h2 != h || p2 != p {
				t.Fatalf("%+v\ncame back as\n%+v, %v", h, h2, err)
			}
		}
		if r, err := decodeRefusal(value); err == nil {
			if len(r.Message) > sentenceBytes || r.Message != printable(r.Message) || !r.ByPeer {
				t.Fatalf("%+v", r)
			}
		}
	})
}

// sixtyFour is the usual AppendEntries of a busy leader.
func sixtyFour() []raft.Message {
	m := raft.Message{Type: raft.AppendEntries, From: one, To: two, Term: 5, Index: 1_000_000, LogTerm: 5, Commit: 1_000_000}
	for i := range 64 {
		m.Entries = append(m.Entries, raft.Entry{Term: 5, Index: m.Index + raft.Index(i) + 1, Data: make([]byte, 256)})
	}
	return []raft.Message{m}
}

func BenchmarkEncode64x256(b *testing.B) {
	messages := sixtyFour()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = appendMessages(buf[:0], messages)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecode64x256(b *testing.B) {
	body := appendMessages(nil, sixtyFour())[lengthBytes:]
	for _, owned := range []bool{true, false} {
		b.Run(fmt.Sprintf("owned=%t", owned), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decodeFrame(body, owned, one, two, defaultEntries); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
