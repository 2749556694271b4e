package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"quorate/admin"
	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/pgwire"
	"quorate/snapshot/sqldump"
	"quorate/sqlfsm"
	"quorate/sqlplan"
)

// importAttempts bounds how often a batch is planned again because the schema has
// changed meanwhile.
const importAttempts = 10

// createProgress makes the table in which imports keep how far they are. It is an
// ordinary table, so that everybody can see what is under way; the last import that
// ends removes it.
const createProgress = `CREATE TABLE ` + sqldump.ProgressTable + ` (name text PRIMARY KEY, position bigint NOT NULL, line bigint NOT NULL, sha256 text NOT NULL)`

// recordProgress moves an import from position ?2 to ?3. From any other position it
// fails, and the batch with it, because the position may not be NULL.
const recordProgress = `INSERT OR REPLACE INTO main.` + sqldump.ProgressTable + ` (name, position, line, sha256)
SELECT ?1, CASE coalesce((SELECT position FROM main.` + sqldump.ProgressTable + ` WHERE name = ?1), 0) WHEN ?2 THEN ?3 END, ?4, ?5`

// ImportProgress implements admin.Operator.
func (n *Node) ImportProgress(ctx context.Context, name string) (p admin.ImportProgress, err error) {
	if err := n.CatchUp(ctx); err != nil {
		return p, loadError(err)
	}
	if n.Schema().Relations[sqldump.ProgressTable] == nil {
		return p, nil
	}
	s, err := n.viewAll(ctx, true)
	if err != nil {
		return p, loadError(err)
	}
	defer s.Close()
	err = viewSource{s}.Query(`SELECT position, line, sha256, name FROM main.`+sqldump.ProgressTable, func(row []value.Value) error {
		if row[3].Text() == name {
			p = admin.ImportProgress{Position: row[0].Int(), Line: int(row[1].Int()), SHA256: row[2].Text()}
		}
		return nil
	})
	return p, loadError(err)
}

// Import implements admin.Operator.
func (n *Node) Import(ctx context.Context, batch admin.ImportBatch) (admin.ImportResult, error) {
	statements, err := readStatements(&batch)
	if err != nil {
		return admin.ImportResult{}, importError(err)
	}
	for attempt := 0; ; attempt++ {
		result, err := n.importBatch(ctx, &batch, statements)
		if !errors.Is(err, pgwire.ErrSchemaChanged) || attempt == importAttempts {
			return result, importError(err)
		}
		if err := n.CatchUp(ctx); err != nil {
			return result, importError(err)
		}
	}
}

// readStatements cuts the text into statements.
func readStatements(batch *admin.ImportBatch) ([]sqldump.Statement, error) {
	var statements []sqldump.Statement
	r := sqldump.NewReader(bytes.NewReader(batch.Text), sqldump.Format(batch.Format), batch.Position, batch.Line)
	for {
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			return statements, nil
		}
		if err != nil {
			return nil, err
		}
		statements = append(statements, s)
	}
}

// importBatch plans a batch and carries it out. When a row of many is refused, the
// batch is tried again row by row, which fails too but says which row it is.
func (n *Node) importBatch(ctx context.Context, batch *admin.ImportBatch, statements []sqldump.Statement) (admin.ImportResult, error) {
	for _, blockRows := range []int{importBlockRows, 1} {
		p := importPlanner{schema: n.Schema(), format: sqldump.Format(batch.Format), blockRows: blockRows}
		if err := p.planProgress(batch); err != nil {
			return admin.ImportResult{}, err
		}
		for i := range statements {
			if err := p.plan(&statements[i]); err != nil {
				return admin.ImportResult{}, err
			}
		}
		p.endBlock()
		results, err := n.execute(ctx, sqlfsm.KindLoad, p.bound)
		if err == nil {
			return admin.ImportResult{Statements: len(statements), Rows: p.changed(results)}, n.analyze(ctx, p.analyze)
		}
		var refused *errcode.Error
		if !errors.As(err, &refused) || len(results) >= len(p.bound) {
			return admin.ImportResult{}, err
		}
		failing := p.lines[len(results)]
		if refused.Code == errcode.NotNullViolation && failing.line == 0 {
			return admin.ImportResult{}, errMoved(batch.Name)
		}
		if failing.line == 0 || lost(refused) {
			return admin.ImportResult{}, err
		}
		if failing.rows == 1 {
			return admin.ImportResult{}, failing.wrap(refused)
		}
	}
	panic("node: a row failed in a batch, but not by itself")
}

// lost reports an error that is not about any statement of the command.
func lost(e *errcode.Error) bool {
	switch e.Code {
	case errcode.CannotConnectNow, errcode.AdminShutdown, errcode.DiskFull, errcode.InsufficientResources,
		errcode.StatementCompletionUnknown, errcode.ProgramLimitExceeded:
		return true
	}
	return false
}

func errMoved(name string) error {
	return &admin.Error{Status: http.StatusConflict, Message: fmt.Sprintf("the import %q is not where this batch begins", name),
		Hint: "Is it running twice? If not, begin again: it goes on where it is."}
}

// analyze makes statistics, which must be alone in its command.
func (n *Node) analyze(ctx context.Context, wanted bool) error {
	if !wanted {
		return nil
	}
	for attempt := 0; ; attempt++ {
		b := sqlplan.Bound{Plan: &sqlplan.Plan{Kind: sqlplan.Write, Tag: "ANALYZE", SQL: "ANALYZE", Schema: true, SchemaVersion: n.Schema().Version}}
		_, err := n.Execute(ctx, []sqlplan.Bound{b})
		if !errors.Is(err, pgwire.ErrSchemaChanged) || attempt == importAttempts {
			return err
		}
		if err := n.CatchUp(ctx); err != nil {
			return err
		}
	}
}

// violationsShown is how many rows with a broken foreign key are named.
const violationsShown = 5

// FinishImport implements admin.Operator.
func (n *Node) FinishImport(ctx context.Context, name string) (f admin.ImportFindings, err error) {
	if err := n.CatchUp(ctx); err != nil {
		return f, loadError(err)
	}
	others, err := n.inspectImport(ctx, name, &f)
	if err != nil {
		return f, loadError(err)
	}
	for attempt := 0; n.Schema().Relations[sqldump.ProgressTable] != nil; attempt++ {
		statements := []sqlplan.Bound{{Plan: &sqlplan.Plan{Kind: sqlplan.Write, SQL: "DELETE FROM main." + sqldump.ProgressTable + " WHERE name = ?1", SchemaVersion: n.Schema().Version},
			Args: []value.Value{value.String(name)}}}
		if others == 0 {
			plan, err := n.Schema().Plan("DROP TABLE "+sqldump.ProgressTable, sqlplan.Options{})
			if err != nil {
				return f, loadError(err)
			}
			statements = append(statements, sqlplan.Bound{Plan: plan})
		}
		_, err := n.Execute(ctx, statements)
		if !errors.Is(err, pgwire.ErrSchemaChanged) || attempt == importAttempts {
			return f, loadError(err)
		}
		if err := n.CatchUp(ctx); err != nil {
			return f, loadError(err)
		}
	}
	return f, nil
}

// inspectImport finds rows that refer to rows that are not there, and counts the
// other imports under way.
func (n *Node) inspectImport(ctx context.Context, name string, f *admin.ImportFindings) (others int, err error) {
	s, err := n.viewAll(ctx, true)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	err = viewSource{s}.Query(`SELECT "table", rowid, parent FROM pragma_foreign_key_check`, func(row []value.Value) error {
		if f.Violating++; f.Violating <= violationsShown {
			which := "a row"
			if !row[1].IsNull() {
				which = fmt.Sprintf("row %d", row[1].Int())
			}
			f.Violations = append(f.Violations, fmt.Sprintf("%s of %s refers to a row of %s that is not there", which, row[0].Text(), row[2].Text()))
		}
		return nil
	})
	if err == nil && n.Schema().Relations[sqldump.ProgressTable] != nil {
		err = viewSource{s}.Query(`SELECT name FROM main.`+sqldump.ProgressTable, func(row []value.Value) error {
			if row[0].Text() != name {
				others++
			}
			return nil
		})
	}
	return others, err
}

// importError says what is wrong, and in which line.
func importError(err error) error {
	var line *sqldump.LineError
	if errors.As(err, &line) {
		return &admin.Error{Status: http.StatusConflict, Message: line.Error(), Hint: line.Hint}
	}
	return loadError(err)
}
