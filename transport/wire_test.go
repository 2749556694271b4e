package transport

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"reflect"
	"runtime"
	"testing"

	"pgregory.net/rapid"

	"quorate/raft"
)

// pieces is a stream that arrives in pieces of chance.
type pieces struct {
	t    *rapid.T
	rest []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := min(len(b), len(p.rest), rapid.SampledFrom([]int{1, 3, 4, 100, 4096, 1 << 20}).Draw(p.t, "piece"))
	copy(b, p.rest[:n])
	p.rest = p.rest[n:]
	return n, nil
}

// TestFrameReader shows that a stream of frames, smaller than the buffer, just
// as large, and larger, is cut where the frames end, whatever pieces it
// arrives in; and that a stream which breaks off ends with all its whole frames
// and then an error that tells whether it was between two.
func TestFrameReader(t *testing.T) {
	const buffer = 4096
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		var want []frame
		ends := []int{0}
		for range rapid.IntRange(0, 6).Draw(t, "frames") {
			f := frame{kind: kindProposals, proposals: []Proposal{{Origin: two, Term: 1, Seq: uint64(len(want))}}}
			without := len(encodeFrame(f))
			size := rapid.SampledFrom([]int{0, 10, buffer - without - 2, buffer - without - 1, buffer - without, buffer, 3 * buffer}).Draw(t, "size")
			if size > 0 {
				f.proposals[0].Data = bytes.Repeat([]byte{byte(len(want))}, size)
			}
			stream = append(stream, encodeFrame(f)...)
			ends = append(ends, len(stream))
			want = append(want, f)
		}
		cut := len(stream)
		if rapid.Bool().Draw(t, "breaks off") {
			cut = rapid.IntRange(0, len(stream)).Draw(t, "after")
		}
		whole, between := 0, false
		for i, end := range ends {
			if end <= cut {
				whole, between = i, end == cut
			}
		}

		r := frameReader{buffered: bufio.NewReaderSize(&pieces{t, stream[:cut]}, buffer),
			from: two, to: one, maxFrameBytes: 1 << 20, maxEntries: 10}
		for i := range whole {
			f, err := r.next()
			if err != nil || !reflect.DeepEqual(f, want[i]) {
				t.Fatalf("frame %d: %v", i, err)
			}
		}
		_, err := r.next()
		if between && err != io.EOF || !between && err != io.ErrUnexpectedEOF {
			t.Fatalf("at the end, between frames %t: %v", between, err)
		}
	})
}

// TestFrameLimit shows that the limit holds for a frame's whole length, and
// before anything of it is read.
func TestFrameLimit(t *testing.T) {
	f := appendMessages(nil, []raft.Message{{Type: raft.Heartbeat}})
	for _, c := range []struct {
		limit int
		want  error
	}{{len(f), nil}, {len(f) - 1, ErrFrameTooLarge}} {
		r := frameReader{buffered: bufio.NewReader(bytes.NewReader(f)), maxFrameBytes: c.limit}
		if _, err := r.next(); !errors.Is(err, c.want) {
			t.Errorf("limit %d: %v", c.limit, err)
		}
	}
}

// TestReadBody shows that an announced length costs memory only as bytes come.
func TestReadBody(t *testing.T) {
	if body, err := readBody(bytes.NewReader(make([]byte, 5<<20)), 5<<20); err != nil || len(body) != 5<<20 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := readBody(bytes.NewReader(make([]byte, 10)), 64<<20); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 8*writeChunkBytes {
		t.Errorf("10 bytes of 64 MiB came, and %d were allocated", n)
	}
}
