package sqlfsm

import (
	"strings"

	"quorate/internal/errcode"
	"quorate/internal/sqlite"
	"quorate/internal/value"
)

// A full text index (https://sqlite.org/fts5.html) is a virtual table. Its
// module keeps things in the connection, which must not show:
//
//   - New words wait in memory for the commit, or for a savepoint to begin. How
//     many entries they are gathered from decides how the index lies on disk, and
//     an error in writing them would come up in a later entry. So each entry that
//     used an index writes them out at its end.
//   - DDL gives every index a new module object, and two of one index must not
//     both have words in memory. So they are also written out before.
//   - Cursors are numbered, and SQL can see the numbers. So they begin anew.
//   - It keeps buffers that it has made larger, which the budget counts when they are
//     made. So an entry that made a large one has the modules made anew at its end.
//   - It has statements of its own, made at first use and kept; their
//     instructions do not count towards the budget.
//
// Each instruction of the statement that uses an index may stand for much work of
// the module. So those count fullTextWeight times: such a statement ends after
// 10 million, an insert or a query of a row being ten to twenty of them.
const fullTextWeight = 20

// readFullText reads the names of the full text indexes.
func (c *connection) readFullText() error {
	c.fullText = nil
	return c.query(`SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage = 0`, func(row []value.Value) {
		if c.fullText == nil {
			c.fullText = make(map[string]bool)
		}
		c.fullText[strings.ToLower(row[0].Text())] = true
	})
}

// useFullText prepares for running a statement.
func (f *FSM) useFullText(p *prepared, s *statement) error {
	if !p.fullText && !s.schema || f.pending {
		return nil
	}
	f.pending = true
	return f.writer.db.ResetFullTextCursors()
}

// flushFullText makes the full text indexes write out what they have in memory,
// which they do when a savepoint begins.
func (f *FSM) flushFullText() error {
	if !f.pending || f.writer.db.Autocommit() {
		return nil
	}
	f.pending = false
	changes, rowid := f.writer.db.Changes(), f.writer.db.LastInsertRowID()
	err := f.runOwn(f.own.savepoint)
	if err == nil {
		err = f.runOwn(f.own.release)
	}
	f.writer.db.SetChanges(changes)
	f.writer.db.SetLastInsertRowID(rowid)
	return err
}

// forgetFullText has the indexes' modules made anew if one may keep much memory.
func (f *FSM) forgetFullText() error {
	if !f.counter.fullTextGrew {
		return nil
	}
	f.counter.fullTextGrew = false
	return f.forgetSchema()
}

// errFullTextDiffers is for what a full text index does not find in the table
// that it was made of, or the other way round. Unlike damage to a page this is
// the work of statements, which do not keep the two together, and so the same on
// all nodes.
func errFullTextDiffers(e *sqlite.Error) *errcode.Error {
	return errcode.Newf(errcode.IndexCorrupted, "a full text index and the rows that it is of differ: %s", e.Message).
		WithHint(`Make it anew: INSERT INTO the_index (the_index) VALUES ('rebuild').`)
}
