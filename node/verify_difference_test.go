package node

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"quorate/internal/value"
	"quorate/sqlfsm"
)

// fakeTable is a table of a member that is made up: rows of a key and a value, in
// the order of their keys.
type fakeTable [][2]int64

func (f fakeTable) row(i int) []value.Value {
	return []value.Value{value.Int(f[i][0]), value.Int(f[i][1])}
}

// participant answers questions about the table as a member does.
func (f fakeTable) participant(name string) *participant {
	described := &sqlfsm.Table{Name: "t", Columns: []string{"id", "v"}, Key: []int{0}, Primary: []int{0}}
	ask := func(_ context.Context, q verifyQuestion) (*verifyAnswer, error) {
		a := &verifyAnswer{}
		switch q.Op {
		case verifyPieces:
			end := min(q.First+q.Rows, int64(len(f)))
			for from := q.First; from < end; from += q.Piece {
				to := min(from+q.Piece, end)
				var rows []value.Value
				for i := from; i < to; i++ {
					rows = append(rows, f.row(int(i))...)
				}
				a.Pieces = append(a.Pieces, rowsPiece{sqlfsm.DigestRow(rows), to - from})
			}
			if len(a.Pieces) > verifyPiecesMax {
				return nil, fmt.Errorf("%d pieces", len(a.Pieces))
			}
		case verifyRow:
			if q.First < int64(len(f)) {
				a.Row = showRow(described, f.row(int(q.First)))
			}
		case verifyFind:
			key, err := decodeValues(q.Key)
			if err != nil {
				return nil, err
			}
			if i := slices.IndexFunc(f, func(r [2]int64) bool { return r[0] == key[0].Int() }); i >= 0 {
				a.Row = showRow(described, f.row(i))
			}
		}
		return a, nil
	}
	return &participant{name: name, ask: ask, tables: map[string]tableDigest{"t": {Name: "t", Rows: int64(len(f))}}}
}

// TestFirstDifference: whatever differs between two tables, the row that is shown is
// the first that does: the first key that is on one side alone or has different
// values.
func TestFirstDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{0, 1, 2, 3, 4, 255, 256, 257, 3000}).Draw(t, "size")
		var a, b fakeTable
		for i := range size {
			a, b = append(a, [2]int64{int64(2 * i), 7}), append(b, [2]int64{int64(2 * i), 7})
		}
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			side := rapid.SampledFrom([]*fakeTable{&a, &b}).Draw(t, "side")
			key := rapid.Int64Range(-1, int64(2*size)).Draw(t, "key")
			i, found := slices.BinarySearchFunc(*side, key, func(r [2]int64, key int64) int { return int(r[0] - key) })
			switch {
			case !found:
				*side = slices.Insert(*side, i, [2]int64{key, 7})
			case rapid.Bool().Draw(t, "delete"):
				*side = slices.Delete(*side, i, i+1)
			default:
				(*side)[i][1]++
			}
		}
		if slices.Equal(a, b) {
			t.Skip("the changes cancel each other out")
		}
		want := 0
		for want < len(a) && want < len(b) && a[want] == b[want] {
			want++
		}
		var key int64
		missing := ""
		switch {
		case want == len(a), want < len(b) && b[want][0] < a[want][0]:
			key, missing = b[want][0], "members"
		case want == len(b), a[want][0] < b[want][0]:
			key, missing = a[want][0], "others"
		default:
			key = a[want][0]
		}
		d, err := firstDifference(context.Background(), a.participant("a"), b.participant("b"), "t")
		if err != nil {
			t.Fatal(err)
		}
		shown := d.Key[0].Members
		if shown == nil {
			shown = d.Key[0].Others
		}
		if d.Row != int64(want) || shown.SQL != fmt.Sprint(key) || d.Missing != missing {
			t.Errorf("row %d, key %s, missing %q; want row %d, key %d, missing %q", d.Row, shown.SQL, d.Missing, want, key, missing)
		}
	})
}
