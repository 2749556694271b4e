package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"quorate/admin"
	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/pgwire"
	"quorate/snapshot/sqldump"
	"quorate/sqlplan"
)

// Dump implements admin.Operator.
func (n *Node) Dump(ctx context.Context, w io.Writer, stale bool) (admin.DumpSummary, error) {
	s, err := n.viewAll(ctx, stale)
	if err != nil {
		return admin.DumpSummary{}, dumpError(err)
	}
	defer s.Close()
	summary, err := sqldump.Write(w, viewSource{s})
	if err != nil {
		return admin.DumpSummary{}, dumpError(err)
	}
	return admin.DumpSummary{Contents: summary.String(), LeftOut: summary.LeftOut}, nil
}

// viewAll opens a view for queries that need no plan: they do not depend on the
// schema's version.
func (n *Node) viewAll(ctx context.Context, stale bool) (pgwire.Snapshot, error) {
	if !stale {
		if err := n.CatchUp(ctx); err != nil {
			return nil, err
		}
	}
	for {
		s, err := n.Snapshot(ctx, pgwire.Stale, n.Schema().Version, true)
		if !errors.Is(err, pgwire.ErrSchemaChanged) {
			return s, err
		}
	}
}

// viewSource answers the queries of a dump.
type viewSource struct{ pgwire.Snapshot }

func (v viewSource) Query(sql string, each func(row []value.Value) error) error {
	rows, err := v.Snapshot.Query(sqlplan.Bound{Plan: &sqlplan.Plan{SQL: sql}})
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		row, err := rows.Next()
		if row == nil || err != nil {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

// dumpError is loadError for what can be asked for as stale.
func dumpError(err error) error {
	var e *errcode.Error
	if errors.As(err, &e) && strings.Contains(e.Hint, hintStale) {
		operator := *e
		operator.Hint = strings.Replace(e.Hint, hintStale, "--consistency stale takes what this node has.", 1)
		err = &operator
	}
	return loadError(err)
}

// loadError says in an operator's words what a session would be told.
func loadError(err error) error {
	var e *errcode.Error
	if !errors.As(err, &e) {
		return err
	}
	status := http.StatusConflict
	switch e.Code {
	case errcode.CannotConnectNow, errcode.AdminShutdown, errcode.DiskFull, errcode.InsufficientResources:
		status = http.StatusServiceUnavailable
	case errcode.StatementCompletionUnknown:
		status = http.StatusGatewayTimeout
	}
	refused := &admin.Error{Status: status, Message: e.Message, Hint: strings.TrimSpace(strings.Replace(e.Hint, hintStale, "", 1))}
	if e.Detail != "" {
		refused.Message += fmt.Sprintf(" (%s)", e.Detail)
	}
	return refused
}
