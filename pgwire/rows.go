package pgwire

import (
	"encoding/binary"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan"
	"quorate/sqlplan/pgtype"
)

// formatCode says how a value is written: the wire's 0 and 1.
type formatCode = int16

// Rows are the hot path: their messages are written by hand, straight from
// the engine's values into the output, and sent piece by piece. A result is
// never held as a whole.

// begin sends what goes before a portal's first row: the plan's notices, and in
// the simple protocol the description.
func (s *session) begin(p *portal) {
	for _, notice := range p.plan.Warnings {
		if s.env.minNotice == 0 {
			s.out = appendError(s.out, severityNotice, errcode.Newf(codeNotice, "%s", notice))
		}
	}
	if p.described && p.plan.Columns != nil {
		s.out = appendRowDescription(s.out, p.plan.Columns, p.formats)
	}
}

// sendRows sends rows of a portal, at most maxRows of them if that is not
// zero, and what ends them. done is false when the portal is suspended. A
// portal that has been at its end is at its end again.
func (s *session) sendRows(p *portal, maxRows uint32) (done bool, err error) {
	if p.state == portalDone {
		s.out = appendCommandComplete(s.out, p.plan.Tag, max(p.affected, 0))
		return true, nil
	}
	count := int64(0)
	for maxRows == 0 || count < int64(maxRows) {
		row, err := p.rows.Next()
		if err != nil {
			return false, err
		}
		if row == nil {
			p.rows.Close()
			p.state = portalDone
			if p.affected != countRows {
				count = p.affected
			}
			s.out = appendCommandComplete(s.out, p.plan.Tag, count)
			return true, nil
		}
		s.takeRoom()
		start := len(s.out)
		s.out, err = appendDataRow(s.out, p.plan.Columns, p.formats, row, &p.env.encoding)
		if err != nil {
			s.out = s.out[:start]
			return false, err
		}
		count++
		if len(s.out) >= flushBytes {
			if err := s.ctx.Err(); err != nil {
				return false, err
			}
			if err := s.flush(); err != nil {
				return false, err
			}
		}
	}
	s.out = appendMessage(s.out, &pgproto3.PortalSuspended{})
	return false, nil
}

// formatOf applies the rule of Bind: no codes means text, one is for all.
func formatOf(formats []formatCode, i int) formatCode {
	switch len(formats) {
	case 0:
		return pgproto3.TextFormat
	case 1:
		return formats[0]
	}
	return formats[i]
}

// appendDataRow writes a DataRow after dst.
func appendDataRow(dst []byte, columns []sqlplan.ResultColumn, formats []formatCode, row []value.Value,
	encoding *pgtype.Encoding) ([]byte, error) {
	if len(columns) == 0 {
		row = nil // SELECT without a list; SQLite has no such rows and sends a NULL
	}
	if len(row) != len(columns) {
		return dst, errcode.Newf(errcode.InternalError, "a row has %d values for %d columns", len(row), len(columns))
	}
	dst, start := beginMessage(dst, 'D')
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(row)))
	var err error
	for i, v := range row {
		if v.IsNull() {
			dst = append(dst, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		at := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		t := columns[i].Type
		if formatOf(formats, i) == pgproto3.BinaryFormat && t.OID != 0 {
			dst, err = pgtype.AppendBinary(dst, t, v)
		} else {
			dst, err = pgtype.AppendText(dst, t, v, encoding)
		}
		if err != nil {
			return dst, err
		}
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	if len(dst)-start > hugeMessageBytes {
		return dst, errcode.Newf(errcode.ProgramLimitExceeded, "a row takes more than %d bytes", hugeMessageBytes)
	}
	return endMessage(dst, start), nil
}

// typeModifier is what RowDescription says of a column's modifier. The planner
// gives a numeric expression one so that its scale is kept; PostgreSQL has none
// for expressions.
func typeModifier(c *sqlplan.ResultColumn) int32 {
	if c.Attribute == 0 && c.Type.OID == pgtype.Numeric {
		return -1
	}
	return max(c.Type.Mod, -1)
}

// appendRowDescription writes a RowDescription after dst.
func appendRowDescription(dst []byte, columns []sqlplan.ResultColumn, formats []formatCode) []byte {
	dst, start := beginMessage(dst, 'T')
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(columns)))
	for i := range columns {
		c := &columns[i]
		dst = append(dst, c.Name...)
		dst = append(dst, 0)
		dst = binary.BigEndian.AppendUint32(dst, c.Relation)
		dst = binary.BigEndian.AppendUint16(dst, uint16(c.Attribute))
		dst = binary.BigEndian.AppendUint32(dst, c.Type.OID)
		dst = binary.BigEndian.AppendUint16(dst, uint16(pgtype.Size(c.Type.OID)))
		dst = binary.BigEndian.AppendUint32(dst, uint32(typeModifier(c)))
		dst = binary.BigEndian.AppendUint16(dst, uint16(formatOf(formats, i)))
	}
	return endMessage(dst, start)
}

// appendCommandComplete writes a CommandComplete after dst. The count goes
// with the tags that have one (PostgreSQL manual, section 55.7).
func appendCommandComplete(dst []byte, tag string, count int64) []byte {
	dst, start := beginMessage(dst, 'C')
	dst = append(dst, tag...)
	switch tag {
	case "INSERT":
		dst = append(dst, " 0 "...)
		dst = strconv.AppendInt(dst, count, 10)
	case "SELECT", "UPDATE", "DELETE", "MERGE":
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, count, 10)
	}
	dst = append(dst, 0)
	return endMessage(dst, start)
}
