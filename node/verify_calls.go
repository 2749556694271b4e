package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"quorate/admin"
	"quorate/internal/value"
	"quorate/raft"
	"quorate/sqlfsm"
)

// The questions of a comparison, which travel as orders do, but to every member.

// opVerify is a question of a comparison; what it asks is in order.Verify.
const opVerify orderOp = "verify"

// verifyQuestion is a question to one member.
type verifyQuestion struct {
	ID []byte   `json:"id"`
	Op verifyOp `json:"op"`
	// From is how many tables the coordinator knows already.
	From int `json:"from,omitempty"`
	// Table, First, Rows and Piece say which rows; see sqlfsm.Pinned.Digest.
	Table string `json:"table,omitempty"`
	First int64  `json:"first,omitempty"`
	Rows  int64  `json:"rows,omitempty"`
	Piece int64  `json:"piece,omitempty"`
	Key   []byte `json:"key,omitempty"` // encoded values
}

type verifyOp string

const (
	verifyBegin  verifyOp = "begin"  // a mark with the ID will come
	verifyState  verifyOp = "state"  // how far is it, and which digests are new?
	verifyPieces verifyOp = "pieces" // digests of pieces of a table
	verifyRow    verifyOp = "row"    // the row with number First
	verifyFind   verifyOp = "find"   // the row with Key
	verifyEnd    verifyOp = "end"    // thank you
)

const (
	// verifyTablesMax and verifyPiecesMax bound an answer, which has to fit in a
	// message between members.
	verifyTablesMax = 500
	verifyPiecesMax = 256
	// verifyShownBytes is how much of a row's values travels.
	verifyShownBytes = 256 << 10
	// verifyKeyBytesMax is how long a key may be to be looked for.
	verifyKeyBytesMax = 64 << 10
)

// verifyAnswer is a member's answer.
type verifyAnswer struct {
	Index       raft.Index    `json:"index,omitempty"`   // of the mark, when it has come
	Applied     raft.Index    `json:"applied,omitempty"` // how far the member is
	Tables      []tableDigest `json:"tables,omitempty"`
	TablesTotal int           `json:"tables_total,omitempty"`
	Rows        int64         `json:"rows,omitempty"`
	Finished    bool          `json:"finished,omitempty"` // there will be no more tables
	Pieces      []rowsPiece   `json:"pieces,omitempty"`
	Row         *shownRow     `json:"row,omitempty"`
}

// rowsPiece is the digest of some rows.
type rowsPiece struct {
	Digest sqlfsm.RowsDigest `json:"digest"`
	Rows   int64             `json:"rows"`
}

// shownRow is a row as it is shown: whole values where they are short.
type shownRow struct {
	Cells []shownCell `json:"cells"`
	// Key is by what the row is found, encoded; empty when there is no such thing,
	// or it is too long.
	Key     []byte `json:"key,omitempty"`
	Primary []int  `json:"primary,omitempty"` // the cells that people know it by
}

// shownCell is a value.
type shownCell struct {
	Column string            `json:"column"`
	Digest sqlfsm.RowsDigest `json:"digest"` // of the whole value
	Bytes  int64             `json:"bytes"`  // its length
	Shown  []byte            `json:"shown"`  // its beginning, encoded as a value
}

// answerVerify answers a question of a comparison.
func (n *Node) answerVerify(ctx context.Context, q *verifyQuestion) (*verifyAnswer, error) {
	var id verifyID
	if copy(id[:], q.ID) != len(id) {
		return nil, errors.New("the comparison has no name")
	}
	switch q.Op {
	case verifyBegin:
		if n.quarantine.Load() != nil {
			return nil, errVerifyQuarantined
		}
		return &verifyAnswer{}, n.verifications.begin(id)
	case verifyEnd:
		n.verifications.end(id)
		return &verifyAnswer{}, nil
	}
	v, err := n.verifications.get(id)
	if err != nil {
		return nil, err
	}
	// However long the answer takes, the time until the next question begins
	// behind it.
	defer func() { _, _ = n.verifications.get(id) }()
	v.lease.Stop()
	if q.Op == verifyState {
		a, err := v.state(ctx, q.From)
		if err == nil {
			a.Applied = n.progress.applied()
		}
		return a, err
	}
	t, err := v.table(q.Table)
	if err != nil {
		return nil, err
	}
	a := &verifyAnswer{}
	err = v.use(ctx, func(ctx context.Context, p *sqlfsm.Pinned) error { return a.look(ctx, p, t, q) })
	return a, err
}

// replyVerify answers another member's question.
func (n *Node) replyVerify(ctx context.Context, q *verifyQuestion) ([]byte, error) {
	answer, err := n.answerVerify(ctx, q)
	if err != nil {
		return json.Marshal(orderAnswer{Error: &admin.Error{Status: http.StatusConflict, Message: err.Error()}})
	}
	return json.Marshal(orderAnswer{Verify: answer})
}

// look answers a question about rows.
func (a *verifyAnswer) look(ctx context.Context, p *sqlfsm.Pinned, t *sqlfsm.Table, q *verifyQuestion) (err error) {
	var row []value.Value
	switch q.Op {
	case verifyPieces:
		if q.Rows < 0 || q.Piece < 1 || q.Rows/q.Piece > verifyPiecesMax {
			return fmt.Errorf("%d rows in pieces of %d are too many pieces", q.Rows, q.Piece)
		}
		return p.Digest(ctx, t, q.First, q.Rows, q.Piece, func(d sqlfsm.RowsDigest, n int64) error {
			a.Pieces = append(a.Pieces, rowsPiece{d, n})
			return nil
		})
	case verifyRow:
		row, err = p.Row(ctx, t, q.First)
	case verifyFind:
		var key []value.Value
		if key, err = decodeValues(q.Key); err == nil {
			row, err = p.Find(ctx, t, key)
		}
	default:
		return fmt.Errorf("it does not know the question %q: is it of another version?", q.Op)
	}
	if row != nil {
		a.Row = showRow(t, row)
	}
	return err
}

// showRow makes a row ready to travel.
func showRow(t *sqlfsm.Table, row []value.Value) *shownRow {
	shown := max(64, verifyShownBytes/len(row))
	r := &shownRow{Primary: t.Primary, Cells: make([]shownCell, len(row))}
	if len(r.Primary) == 0 {
		r.Primary = t.Key
	}
	for i, v := range row {
		cell := shownCell{Column: t.Columns[i], Digest: sqlfsm.DigestRow([]value.Value{v}), Bytes: int64(len(v.Bytes()))}
		switch head := v.Bytes()[:min(len(v.Bytes()), shown)]; v.Kind() {
		case value.Text:
			v = value.TextBytes(head)
		case value.Blob:
			v = value.BlobBytes(head)
		}
		cell.Shown = v.Append(nil)
		r.Cells[i] = cell
	}
	var key []byte
	for _, column := range t.Key {
		key = row[column].Append(key)
	}
	if len(key) <= verifyKeyBytesMax {
		r.Key = key
	}
	return r
}

func decodeValues(b []byte) (values []value.Value, err error) {
	for len(b) > 0 && err == nil {
		var v value.Value
		v, b, err = value.Decode(b)
		values = append(values, v)
	}
	return values, err
}

// askVerify puts a question to a member, which may be this node.
func (n *Node) askVerify(ctx context.Context, to raft.NodeID, q verifyQuestion) (*verifyAnswer, error) {
	if to == n.id {
		return n.answerVerify(ctx, &q)
	}
	request, err := json.Marshal(order{Op: opVerify, Verify: &q})
	if err != nil {
		return nil, fmt.Errorf("node: encode a question: %w", err)
	}
	reply, err := n.transport.Call(ctx, to, request)
	if err != nil {
		return nil, err
	}
	var answer orderAnswer
	if err := json.Unmarshal(reply, &answer); err != nil {
		return nil, fmt.Errorf("node: an answer cannot be read: %w", err)
	}
	switch {
	case answer.Error != nil:
		return nil, answer.Error
	case answer.Verify == nil:
		return nil, errors.New("it does not take part in comparisons: is it of another version?")
	}
	return answer.Verify, nil
}
