package wal

// FuzzOpen gives Open arbitrary bytes as a segment, as the last one and as one
// before it. It never panics; what it accepts is consistent, and is still there
// when the log is opened again and gone on with; and when the bytes are a real
// segment with some of them changed, nothing comes back that was not written.
//
// FuzzOpenCut does the latter with logs that were cut or reset by a snapshot, to
// which a removed segment may have come back.
//
// FuzzReplay gives it records whose checksums are right but which say anything:
// what a mistake in the code that writes could leave.
//
// FuzzRecord shows that a record comes back as it was written, at its own place
// and at no other, and that no changed bit goes unnoticed.

import (
	"bytes"
	"reflect"
	"testing"

	"quorate/internal/vfs"
	"quorate/raft"
)

func FuzzOpen(f *testing.F) {
	real := twoSegments(f, testIdentity)
	first := contents(f, real, segmentPath("/data/wal", 1))
	second := contents(f, real, segmentPath("/data/wal", 2))
	written := make(map[raft.Index][]raft.Entry) // in this log's life
	for _, e := range append(entries(1, 1, 6, 1500), append(entries(1, 6, 8, 300), entries(2, 7, 8, 300)...)...) {
		written[e.Index] = append(written[e.Index], e)
	}

	// patch is laid over the real segment from at on, unless whole says that it
	// is all there is.
	f.Add(true, false, uint16(0), second)
	f.Add(false, false, uint16(0), first)
	f.Add(true, false, uint16(0), []byte{})
	f.Add(true, true, uint16(4096), []byte{})
	f.Add(true, true, uint16(4096), make([]byte, 100))
	f.Add(false, true, uint16(4100), []byte{1, 2, 3})
	f.Add(true, true, uint16(0), second[4096:4500])
	f.Add(true, true, uint16(4500), []byte("quorwal\n"))
	f.Fuzz(func(t *testing.T, last, real bool, at uint16, patch []byte) {
		const most = 1 << 16
		segments := [][]byte{first, second}
		n := 0
		if last {
			n = 1
		}
		if len(patch) > most {
			return
		}
		if real {
			changed := bytes.Clone(segments[n])
			if int(at) < len(changed) {
				copy(changed[at:], patch)
			}
			segments[n] = changed
		} else {
			segments[n] = patch
		}
		disk := vfs.NewMem()
		for i, b := range segments {
			put(t, disk, segmentPath("/data/wal", SegmentNumber(i+1)), b)
		}
		l, err := Open(memOptions(disk))
		if err != nil {
			return
		}
		s := mustWholeState(t, l)
		if s.HardState.Commit > s.Last || len(s.Entries) != int(s.Last-s.Base) {
			t.Fatalf("accepted %+v with %d entries, last %d", s.HardState, len(s.Entries), s.Last)
		}
		if real {
			for _, e := range s.Entries {
				if !contains(written[e.Index], e) {
					t.Fatalf("invented entry %d of term %d", e.Index, e.Term)
				}
			}
		}
		if err := goOn(l, memOptions(disk), modelOf(s)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzOpenCut(f *testing.F) {
	logs := []*vfs.Mem{cutLog(f), resetLog(f)}
	old := contents(f, twoSegments(f, testIdentity), segmentPath("/data/wal", 1))
	// What the logs held when they were whole, and what they held before.
	var whole [2]modelState
	for i, disk := range logs {
		l := mustOpen(f, memOptions(disk.CrashClone(vfs.DropUnsynced)))
		whole[i] = modelOf(mustWholeState(f, l))
	}
	f.Add(false, true, uint8(0), uint16(5000), []byte{1})
	f.Add(true, true, uint8(0), uint16(4100), []byte{0})
	f.Add(false, false, uint8(1), uint16(130), []byte{1})
	f.Add(false, true, uint8(0), uint16(9000), make([]byte, 3000))
	f.Fuzz(func(t *testing.T, reset, back bool, segment uint8, at uint16, patch []byte) {
		n := 0
		if reset {
			n = 1
		}
		disk := logs[n].CrashClone(vfs.DropUnsynced)
		numbers, err := listSegments(disk, "/data/wal")
		if err != nil {
			t.Fatal(err)
		}
		path := segmentPath("/data/wal", numbers[int(segment)%len(numbers)])
		changed := contents(t, disk, path)
		if int(at) < len(changed) {
			copy(changed[at:], patch)
		}
		put(t, disk, path, changed)
		if back {
			put(t, disk, segmentPath("/data/wal", 1), old)
		}
		l, err := Open(memOptions(disk))
		if err != nil {
			return
		}
		s := mustWholeState(t, l)
		if m := whole[n]; s.Base != m.base || s.BaseTerm != m.baseTerm || s.Last > m.last() || !equalEntries(s.Entries, m.entries[:s.Last-s.Base]) {
			t.Fatalf("%d to %d of %d to %d, or other entries", s.Base, s.Last, m.base, m.last())
		}
		if err := goOn(l, memOptions(disk), modelOf(s)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzReplay(f *testing.F) {
	f.Add([]byte{2, 0, 0, 1, 0, 0, 1, 1, 1, 1, 0, 9})
	f.Add([]byte{1, 1, 1, 1, 0, 0, 2, 0, 1, 1, 0, 0})
	f.Add([]byte{1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 255, 0, 9, 9, 9, 9, 9, 9})
	f.Add([]byte{2, 0, 0, 1, 0, 0, 3, 0, 0, 0, 1, 0, 2, 0, 0, 1, 1, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		disk := vfs.NewMem()
		l := mustCreate(t, memOptions(disk))
		// Six bytes make a record: type, more, index, term, synced, length.
		for ; len(script) >= 6 && l.end() < minSegmentBytes-1000; script = script[6:] {
			length := int(script[5])
			switch recordType(script[0]) {
			case hardStateRecord:
				length = voteBytes
			case cutRecord:
				length = keptBytes
			}
			l.buffer = appendRecord(l.buffer, l.place(), &record{
				kind:   recordType(script[0]),
				more:   script[1]%2 == 1,
				index:  raft.Index(script[2]),
				term:   raft.Term(script[3]),
				synced: blockBytes + Offset(script[4])*recordAlignment,
			}, make([]byte, length))
		}
		if err := l.flush(); err != nil {
			t.Fatal(err)
		}
		if err := l.lock.Close(); err != nil {
			t.Fatal(err)
		}
		l, err := Open(memOptions(disk))
		if err != nil {
			return
		}
		s := mustWholeState(t, l)
		if err := l.history.complete(); err != nil || len(s.Entries) != int(s.Last-s.Base) {
			t.Fatalf("accepted %+v with %d entries, last %d: %v", s.HardState, len(s.Entries), s.Last, err)
		}
		if err := goOn(l, memOptions(disk), modelOf(s)); err != nil {
			t.Fatal(err)
		}
	})
}

func contains(among []raft.Entry, e raft.Entry) bool {
	for i := range among {
		if equalEntries(among[i:i+1], []raft.Entry{e}) {
			return true
		}
	}
	return false
}

func FuzzRecord(f *testing.F) {
	f.Add(uint64(1), uint64(1), []byte("INSERT INTO t VALUES (1)"), uint32(7), uint16(4096), uint16(9))
	f.Add(uint64(1<<63), uint64(0), []byte{}, uint32(0), uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, index, term uint64, data []byte, seed uint32, block, bit uint16) {
		p := place{segment: 3, seed: seed, offset: Offset(block) * recordAlignment}
		in := record{
			kind:      entryRecord,
			more:      term%2 == 0,
			entryType: raft.EntryType(index % 7),
			index:     raft.Index(index),
			term:      raft.Term(term),
			synced:    p.offset / 2,
		}
		b := appendRecord(nil, p, &in, data)
		out, reason := decodeRecord(b[:recordHeaderBytes], p)
		if reason != "" || !out.dataMatches(b[recordHeaderBytes:]) || out.bytes() != int64(len(b)) {
			t.Fatalf("%q, %+v", reason, out)
		}
		in.dataBytes, in.dataChecksum = out.dataBytes, out.dataChecksum
		if out != in || !bytes.Equal(out.entry(b[recordHeaderBytes:recordHeaderBytes+len(data)]).Data, data) {
			t.Fatalf("%+v came back as %+v", in, out)
		}

		elsewhere := p
		elsewhere.offset += recordAlignment
		if _, reason := decodeRecord(b[:recordHeaderBytes], elsewhere); reason == "" {
			t.Fatal("valid in another place")
		}
		at := int(bit) % (len(b) * 8)
		b[at/8] ^= 1 << (at % 8)
		if changed, reason := decodeRecord(b[:recordHeaderBytes], p); reason == "" && changed.dataMatches(b[recordHeaderBytes:]) {
			t.Fatalf("bit %d changed, and nobody noticed", at)
		}
	})
}

func FuzzHeader(f *testing.F) {
	h := header{identity: testIdentity, number: 1, bytes: minSegmentBytes, first: 1, kept: 1}
	f.Add(h.encode())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		size, reason := headerSize(b)
		if reason != "" || size > int64(len(b)) {
			return
		}
		h, version, reason := decodeHeader(b[:size])
		if reason != "" || version != formatVersion {
			return
		}
		again := h
		if encoded := again.encode(); again.seed == h.seed && !bytes.Equal(encoded, b[:size]) {
			t.Fatal("the same checksum for other bytes")
		}
		if c, err := raft.DecodeConfiguration(h.configuration); err == nil {
			if back, err := raft.DecodeConfiguration(raft.AppendConfiguration(nil, c)); err != nil || !reflect.DeepEqual(back, c) {
				t.Fatalf("%+v came back as %+v, %v", c, back, err)
			}
		}
	})
}
