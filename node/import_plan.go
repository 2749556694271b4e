package node

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"quorate/admin"
	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/snapshot/sqldump"
	"quorate/sqlplan"
	"quorate/sqlplan/pgtype"
)

const (
	// importBlockRows is how many rows one statement of a command takes. Rows come as
	// arguments of a statement that is the same from block to block, so that every
	// node compiles it once.
	importBlockRows = 64
	// importBlockArgs is SQLite's limit, which the state machine sets.
	importBlockArgs = 32766
)

// importPlanner makes one command of a batch's statements. What a dump of ours and
// of SQLite's says is carried out as it stands, because it is SQLite's SQL already;
// anything else is planned like a session's.
type importPlanner struct {
	schema    *sqlplan.Schema
	format    sqldump.Format
	blockRows int

	bound   []sqlplan.Bound
	lines   []origin // of each
	analyze bool

	block importBlock
	plans map[string]*sqlplan.Plan // of blocks, by SQL
}

// origin is where in the file a statement of the command comes from.
type origin struct {
	line int // 0: it is ours
	rows int
	text string
	// state: it changes what the database keeps of itself, not rows.
	state bool
}

func (o origin) wrap(e *errcode.Error) error {
	problem := e.Message
	if e.Detail != "" {
		problem += " (" + e.Detail + ")"
	}
	return &sqldump.LineError{Line: o.line, Problem: problem + ", in: " + sqldump.Abbreviate(o.text), Hint: e.Hint}
}

// importBlock is rows for the same columns that wait to become one statement.
type importBlock struct {
	head string // INSERT INTO t (a, b)
	args []value.Value
	from origin
	rows int
}

// changed counts the rows that the file's statements have changed.
func (p *importPlanner) changed(results []value.Result) (rows int64) {
	for i, from := range p.lines {
		if from.line > 0 && !from.state && i < len(results) {
			rows += results[i].Affected
		}
	}
	return rows
}

// add adds a statement to the command.
func (p *importPlanner) add(from origin, plan *sqlplan.Plan, args ...value.Value) {
	p.endBlock()
	p.bound = append(p.bound, sqlplan.Bound{Plan: plan, Args: args})
	p.lines = append(p.lines, from)
}

// verbatim is a plan that carries SQLite's SQL out as it stands.
func (p *importPlanner) verbatim(sql string, schema bool, types ...sqlplan.TypeChange) *sqlplan.Plan {
	return &sqlplan.Plan{Kind: sqlplan.Write, Source: sql, SQL: sql, Schema: schema, Types: types, SchemaVersion: p.schema.Version}
}

// planProgress begins the command with the record of how far it gets.
func (p *importPlanner) planProgress(batch *admin.ImportBatch) error {
	if p.schema.Relations[sqldump.ProgressTable] == nil {
		plan, err := p.schema.Plan(createProgress, sqlplan.Options{})
		if err != nil {
			return err
		}
		p.add(origin{}, plan)
		p.schema = p.schema.After(plan)
	}
	p.add(origin{}, p.verbatim(recordProgress, false), value.String(batch.Name), value.Int(batch.Position),
		value.Int(batch.Reached.Position), value.Int(int64(batch.Reached.Line)), value.String(batch.Reached.SHA256))
	return nil
}

// plan plans one statement of the file.
func (p *importPlanner) plan(s *sqldump.Statement) error {
	from := origin{line: s.Line, rows: 1, text: s.Text}
	if p.format == sqldump.PostgreSQL {
		return p.planSession(from)
	}
	kind, why := sqldump.Classify(s.Text)
	switch kind {
	case sqldump.Skip:
	case sqldump.Refuse:
		why.Line = s.Line
		return why
	case sqldump.Analyze:
		p.analyze = true
	case sqldump.Types:
		return p.planTypes(from)
	case sqldump.Sequence:
		return p.planSequence(from)
	case sqldump.Define:
		p.add(from, p.verbatim(s.Text, true, droppedTypes(s.Text)...))
	default:
		return p.planRows(from)
	}
	return nil
}

// planRows plans a change of rows.
func (p *importPlanner) planRows(from origin) error {
	if p.format != sqldump.Quorate && p.mustConvert(sqldump.ChangedTable(from.text)) {
		return p.planSession(from)
	}
	insert, ok := sqldump.ParseInsert(from.text)
	if !ok {
		p.add(from, p.verbatim(from.text, false))
		return nil
	}
	head := insertHead(insert)
	for i := range insert.Rows() {
		row := insert.Values[i*insert.Width : (i+1)*insert.Width]
		if p.block.head != head || p.block.rows == p.blockRows || len(p.block.args)+len(row) > importBlockArgs {
			p.endBlock()
			p.block.head, p.block.from = head, origin{line: from.line + insert.Lines[i], text: from.text}
			if p.blockRows == 1 {
				p.block.from.text = head + " VALUES " + string(sqldump.AppendRow(nil, row))
			}
		}
		p.block.args = append(p.block.args, row...)
		p.block.rows++
	}
	return nil
}

// droppedTypes are the changes to the type table that go with DROP.
func droppedTypes(text string) []sqlplan.TypeChange {
	if name := sqldump.ChangedTable(text); name != "" {
		return []sqlplan.TypeChange{{Op: sqlplan.DropRelation, Relation: name}}
	}
	return nil
}

// mustConvert reports that a table has columns whose values have one stored form,
// which text of SQLite's may not be in. Of the other types, the table's own
// constraints keep everything away that does not belong there.
func (p *importPlanner) mustConvert(table string) bool {
	relation := p.schema.Relations[strings.ToLower(table)]
	if relation == nil {
		return false
	}
	for _, c := range relation.Columns {
		switch c.Type.OID {
		case 0, pgtype.Bool, pgtype.Int2, pgtype.Int4, pgtype.Int8, pgtype.OID, pgtype.Float8, pgtype.Text, pgtype.Varchar, pgtype.Bytea:
		default:
			return true
		}
	}
	return false
}

func insertHead(insert *sqldump.Insert) string {
	head := "INSERT INTO " + quoteIdentifier(insert.Table)
	if insert.Columns == nil {
		return head
	}
	quoted := make([]string, len(insert.Columns))
	for i, c := range insert.Columns {
		quoted[i] = quoteIdentifier(c)
	}
	return head + " (" + strings.Join(quoted, ", ") + ")"
}

func quoteIdentifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// endBlock makes a statement of the rows that wait.
func (p *importPlanner) endBlock() {
	b := p.block
	if b.rows == 0 {
		return
	}
	p.block = importBlock{}
	sql := b.sql()
	plan := p.plans[sql]
	if plan == nil {
		if p.plans == nil {
			p.plans = make(map[string]*sqlplan.Plan)
		}
		plan = p.verbatim(sql, false)
		p.plans[sql] = plan
	}
	b.from.rows = b.rows
	p.bound = append(p.bound, sqlplan.Bound{Plan: plan, Args: b.args})
	p.lines = append(p.lines, b.from)
}

func (b *importBlock) sql() string {
	width := len(b.args) / b.rows
	var sql strings.Builder
	sql.WriteString(b.head)
	for i := range b.args {
		switch {
		case i == 0:
			sql.WriteString(" VALUES (?")
		case i%width == 0:
			sql.WriteString("), (?")
		default:
			sql.WriteString(", ?")
		}
	}
	sql.WriteByte(')')
	return sql.String()
}

// noDefinition is DDL that does nothing: it carries changes to the type table.
const noDefinition = `DROP VIEW IF EXISTS "quorate import"`

// planTypes plans rows of the type table.
func (p *importPlanner) planTypes(from origin) error {
	insert, ok := sqldump.ParseInsert(from.text)
	if !ok || insert.Width != 4 {
		return &sqldump.LineError{Line: from.line, Problem: "these are no rows of the type table: " + sqldump.Abbreviate(from.text)}
	}
	var types []sqlplan.TypeChange
	for i := range insert.Rows() {
		row := insert.Values[i*4 : i*4+4]
		line := from.line + insert.Lines[i]
		change := sqlplan.TypeChange{Op: sqlplan.SetType, Relation: row[0].Text(), Column: row[1].Text()}
		oid, ok := pgtype.ByName(row[2].Text())
		if !ok {
			return &sqldump.LineError{Line: line, Problem: fmt.Sprintf("there is no type %q", row[2].Text()), Hint: "Is the dump of a newer version of quorate?"}
		}
		change.Type = pgtype.Type{OID: oid, Mod: int32(row[3].Int())}
		if err := p.checkType(line, &change); err != nil {
			return err
		}
		types = append(types, change)
	}
	p.add(from, p.verbatim(noDefinition, true, types...))
	return nil
}

// checkType refuses to give a column that is in use another type.
func (p *importPlanner) checkType(line int, change *sqlplan.TypeChange) error {
	relation := p.schema.Relations[strings.ToLower(change.Relation)]
	if relation == nil {
		return nil
	}
	for _, c := range relation.Columns {
		if strings.EqualFold(c.Name, change.Column) && relation.Kind == sqlplan.Table && c.Type.OID != 0 && c.Type != change.Type {
			return &sqldump.LineError{Line: line, Problem: fmt.Sprintf("column %s of table %s is there already, with another type", change.Column, change.Relation)}
		}
	}
	return nil
}

// planSequence plans rows of sqlite_sequence. Its row for a table is there when the
// table has had rows; in SQLite's dumps it comes after them, in ours before.
func (p *importPlanner) planSequence(from origin) error {
	insert, ok := sqldump.ParseInsert(from.text)
	if !ok {
		return &sqldump.LineError{Line: from.line, Problem: "these are no rows of sqlite_sequence: " + sqldump.Abbreviate(from.text)}
	}
	name, seq := 0, 1
	for i, c := range insert.Columns {
		switch strings.ToLower(c) {
		case "name":
			name = i
		case "seq":
			seq = i
		}
	}
	if seq >= insert.Width {
		return &sqldump.LineError{Line: from.line, Problem: "these are no rows of sqlite_sequence: " + sqldump.Abbreviate(from.text)}
	}
	for i := range insert.Rows() {
		row := insert.Values[i*insert.Width : (i+1)*insert.Width]
		at := origin{line: from.line + insert.Lines[i], rows: 1, text: from.text, state: true}
		if row[seq].Kind() == value.Integer && row[seq].Int() == math.MaxInt64 {
			return &sqldump.LineError{Line: at.line, Problem: fmt.Sprintf("AUTOINCREMENT of table %s has given out the highest number", row[name].Text()), Hint: "No row could follow it. Give it a lower one."}
		}
		p.add(at, p.verbatim(`UPDATE main.sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1`, false), row[name], row[seq])
		p.add(at, p.verbatim(`INSERT INTO main.sqlite_sequence (name, seq) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM main.sqlite_sequence WHERE name = ?1)`, false), row[name], row[seq])
	}
	return nil
}

// planSession plans a statement as a session would, if it is more than a session's
// own matter.
func (p *importPlanner) planSession(from origin) error {
	if sqldump.SessionOnly(from.text) {
		return nil
	}
	plan, err := p.schema.Plan(from.text, sqlplan.Options{})
	var refused *errcode.Error
	if errors.As(err, &refused) {
		return from.wrap(refused)
	}
	if err != nil {
		return err
	}
	switch {
	case plan.Kind == sqlplan.Transaction && plan.Tag == "ROLLBACK":
		return &sqldump.LineError{Line: from.line, Problem: "ROLLBACK: the file takes back what it has written"}
	case plan.Kind != sqlplan.Write:
		return nil
	case len(plan.Params) > 0:
		return &sqldump.LineError{Line: from.line, Problem: "there is no value for $1, in: " + sqldump.Abbreviate(from.text)}
	}
	args := make([]value.Value, len(plan.Session))
	for i, v := range plan.Session {
		switch v {
		case sqlplan.CurrentUser, sqlplan.ApplicationName:
			args[i] = value.String("quorate")
		case sqlplan.TimeZone:
			args[i] = value.String("UTC")
		default:
			return &sqldump.LineError{Line: from.line, Problem: "what depends on a session cannot be imported: " + sqldump.Abbreviate(from.text)}
		}
	}
	p.add(from, plan, args...)
	p.schema = p.schema.After(plan)
	return nil
}
