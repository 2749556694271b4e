package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"quorate/admin"
	"quorate/internal/value"
	"quorate/sqlfsm"
)

// Comparing what members have found, and looking for the first row in which two
// of them differ.

// participant is a member that is compared.
type participant struct {
	name   string
	tables map[string]tableDigest
	ask    func(ctx context.Context, q verifyQuestion) (*verifyAnswer, error)
}

// tableNames are the tables of any participant: the schema, then by name.
func tableNames(all []*participant) (names []string) {
	for _, p := range all {
		for name := range p.tables {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if i := slices.Index(names, sqlfsm.SchemaTable); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, sqlfsm.SchemaTable)
	}
	return names
}

// tableCopy is a table as some participants have it.
type tableCopy struct {
	admin.VerifyCopy
	holders []*participant
}

func (c *tableCopy) readable() bool { return !c.Missing && c.Error == "" }

// copiesOf groups participants by what they have of a table: those that most have
// come first.
func copiesOf(all []*participant, table string) (copies []*tableCopy) {
	for _, p := range all {
		d, ok := p.tables[table]
		c := &tableCopy{VerifyCopy: admin.VerifyCopy{Missing: !ok, Error: d.Error}}
		if c.readable() {
			c.Rows, c.Digest = d.Rows, d.Digest.String()
		}
		i := slices.IndexFunc(copies, func(x *tableCopy) bool {
			return x.Digest == c.Digest && x.Missing == c.Missing && x.Error == c.Error
		})
		if i < 0 {
			i, copies = len(copies), append(copies, c)
		}
		copies[i].holders, copies[i].Members = append(copies[i].holders, p), append(copies[i].Members, p.name)
	}
	slices.SortStableFunc(copies, func(a, b *tableCopy) int { return cmp.Compare(len(b.holders), len(a.holders)) })
	return copies
}

// compareTable says whether a table is equal everywhere, and if not, finds the first
// row in which the others differ from those that agree with the most. It tells when
// it begins to look for one.
func compareTable(ctx context.Context, all []*participant, table string, looking func()) admin.VerifyTable {
	copies := copiesOf(all, table)
	t := admin.VerifyTable{Name: table, Equal: len(copies) == 1 && copies[0].readable()}
	var reference *tableCopy
	for _, c := range copies {
		t.Copies = append(t.Copies, c.VerifyCopy)
		switch {
		case !c.readable():
		case reference == nil:
			reference = c
		default:
			looking()
			d, err := firstDifference(ctx, reference.holders[0], c.holders[0], table)
			if err != nil {
				d.Error = err.Error()
			}
			d.Members, d.Others = reference.Members, c.Members
			t.Differences = append(t.Differences, d)
		}
	}
	return t
}

// firstDifference finds the first row in which two copies of a table differ: the
// first of some pieces that differ, the first of its pieces, and so on.
func firstDifference(ctx context.Context, a, b *participant, table string) (d admin.VerifyDifference, err error) {
	first, rows := int64(0), max(a.tables[table].Rows, b.tables[table].Rows)
	for rows > 1 {
		piece := (rows + verifyPiecesMax - 1) / verifyPiecesMax
		i, err := differingPiece(ctx, a, b, verifyQuestion{Op: verifyPieces, Table: table, First: first, Rows: rows, Piece: piece})
		if err != nil {
			return d, err
		}
		first, rows = first+int64(i)*piece, min(piece, rows-int64(i)*piece)
	}
	answers, err := askBoth(ctx, a, b, verifyQuestion{Op: verifyRow, Table: table, First: first})
	if err != nil {
		return d, err
	}
	d.Row = first
	ours, theirs := answers[0].Row, answers[1].Row
	if ours == nil && theirs == nil {
		return d, errNoDifference
	}
	if ours != nil && theirs != nil && len(ours.Key) > 0 && len(theirs.Key) > 0 && !slices.Equal(ours.Key, theirs.Key) {
		inB, err := find(ctx, b, table, ours.Key)
		if err != nil {
			return d, err
		}
		inA, err := find(ctx, a, table, theirs.Key)
		switch {
		case err != nil:
			return d, err
		case inA == nil && (inB != nil || before(theirs.Key, ours.Key)):
			ours = nil // a lacks it
		case inB == nil:
			theirs = nil
		}
	}
	describeDifference(&d, ours, theirs)
	return d, nil
}

// before reports whether a row comes first in the table, as far as that can be seen
// from its key: that of texts is their collations' business, and of two rows that
// are on one side each, either is a difference.
func before(a, b []byte) bool {
	x, err := decodeValues(a)
	y, errY := decodeValues(b)
	return err == nil && errY == nil && x[0].Kind() == value.Integer && y[0].Kind() == value.Integer && x[0].Int() < y[0].Int()
}

// errNoDifference says that copies with different digests have equal rows: a
// member reads otherwise than before.
var errNoDifference = errors.New("the digests differ, and when the rows were read again they were equal: look at the disks")

// differingPiece returns the first piece that differs.
func differingPiece(ctx context.Context, a, b *participant, q verifyQuestion) (int, error) {
	answers, err := askBoth(ctx, a, b, q)
	if err != nil {
		return 0, err
	}
	ours, theirs := answers[0].Pieces, answers[1].Pieces
	for i := range max(len(ours), len(theirs)) {
		if i >= len(ours) || i >= len(theirs) || ours[i] != theirs[i] {
			return i, nil
		}
	}
	return 0, errNoDifference
}

// askBoth asks two participants the same.
func askBoth(ctx context.Context, a, b *participant, q verifyQuestion) (answers [2]*verifyAnswer, err error) {
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range []*participant{a, b} {
		group.Go(func() (err error) {
			if answers[i], err = p.ask(ctx, q); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			return nil
		})
	}
	return answers, group.Wait()
}

// find returns a participant's row with the key.
func find(ctx context.Context, p *participant, table string, key []byte) (*shownRow, error) {
	answer, err := p.ask(ctx, verifyQuestion{Op: verifyFind, Table: table, Key: key})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return answer.Row, nil
}

// describeDifference says how two rows differ; nil: there is no such row.
func describeDifference(d *admin.VerifyDifference, ours, theirs *shownRow) {
	known := ours
	switch {
	case ours == nil:
		d.Missing, known = "members", theirs
	case theirs == nil:
		d.Missing = "others"
	}
	for _, i := range known.Primary {
		d.Key = append(d.Key, admin.VerifyColumn{Name: known.Cells[i].Column, Members: ours.value(i), Others: theirs.value(i)})
	}
	for i, cell := range known.Cells {
		j := theirs.column(cell.Column)
		if ours == nil {
			d.Columns = append(d.Columns, admin.VerifyColumn{Name: cell.Column, Others: theirs.value(i)})
		} else if j < 0 || theirs.Cells[j].Digest != cell.Digest {
			d.Columns = append(d.Columns, admin.VerifyColumn{Name: cell.Column, Members: ours.value(i), Others: theirs.value(j)})
		}
	}
	if ours == nil || theirs == nil {
		return
	}
	for j, cell := range theirs.Cells {
		if ours.column(cell.Column) < 0 {
			d.Columns = append(d.Columns, admin.VerifyColumn{Name: cell.Column, Others: theirs.value(j)})
		}
	}
}

// column returns the number of a column, -1 if there is none.
func (r *shownRow) column(name string) int {
	if r == nil {
		return -1
	}
	return slices.IndexFunc(r.Cells, func(c shownCell) bool { return c.Column == name })
}

// value shows a cell; nil if there is none.
func (r *shownRow) value(i int) *admin.VerifyValue {
	if r == nil || i < 0 || i >= len(r.Cells) {
		return nil
	}
	return r.Cells[i].show()
}
