package main

import "quorate/sim/planted"

// bugs are ways in which replicas of SQL come apart, planted in the state
// machine one at a time. Each is one that a replicated SQLite was seen with, or
// that a line of ours stands against.
var bugs = []planted.Bug{
	{
		Name: "seed-of-the-connection",
		Rule: "each command's random stream starts from its own seed",
		File: "sqlfsm/apply.go",
		Old:  "	f.writer.random.Seed(r.Header.Seed)\n",
		New:  "",
	},
	{
		Name: "clock-of-the-machine",
		Rule: "the clock is the command's",
		File: "internal/sqlite/vfs.go",
		Old:  "c != nil && c.clock != 0 {",
		New:  "c != nil && c.clock == 1 {",
	},
	{
		Name: "clock-of-the-batch",
		Rule: "each command of a batch has its own time",
		File: "sqlfsm/apply.go",
		Old:  "	f.writer.setClock(f.meta.clock)\n",
		New:  "	if f.writer.micros == 0 || e.Index%3 == 0 {\n		f.writer.setClock(f.meta.clock)\n	}\n",
	},
	{
		Name: "clock-forgotten",
		Rule: "that the clock does not go back holds across restarts",
		File: "sqlfsm/fsm.go",
		Old:  "clock: row[2].Int(), ",
		New:  "",
	},
	{
		Name: "time-zone-of-the-machine",
		Rule: "localtime is UTC whatever TZ says",
		File: "internal/sqlite/vfs.go",
		Old:  "int32(2), funcPtr(utcAsLocaltime)",
		New:  "int32(0), funcPtr(utcAsLocaltime)",
	},
	{
		Name: "last-rowid-stays",
		Rule: "last_insert_rowid() starts anew with each command",
		File: "sqlfsm/apply.go",
		Old:  "	f.writer.db.SetLastInsertRowID(0)\n",
		New:  "",
	},
	{
		Name: "changes-stay",
		Rule: "changes() starts anew with each command",
		File: "sqlfsm/apply.go",
		Old:  "	f.writer.db.SetChanges(0)\n",
		New:  "",
	},
	{
		Name: "total-changes-answered",
		Rule: "what a connection has counted is not for commands",
		File: "sqlfsm/connection.go",
		Old:  `{"total_changes", 0},`,
		New:  "",
	},
	{
		Name: "highest-rowid-used",
		Rule: "behind the highest rowid SQLite draws random ones, so it is refused",
		File: "sqlfsm/apply.go",
		Old:  "if p.NewRowID == math.MaxInt64 && p.Op != sqlite.RowDelete {",
		New:  "if p.NewRowID == math.MaxInt64 && p.Op == sqlite.RowDelete {",
	},
	{
		Name: "deferred-keys-at-commit",
		Rule: "deferred foreign keys are checked at the end of the command",
		File: "sqlfsm/apply.go",
		Old:  "	if f.writer.db.DeferredForeignKeys() {",
		New:  "	if false {",
	},
	{
		Name: "copies-applied-after-restart",
		Rule: "what commands were seen is part of the database",
		File: "sqlfsm/origins.go",
		Old:  "		return f.runOwn(f.own.setOrigin,",
		New:  "		if r.Low%2 == 0 {\n			return nil\n		}\n		return f.runOwn(f.own.setOrigin,",
	},
	{
		Name: "rows-only-when-asked",
		Rule: "what a command does is the same for those who want its rows and those who do not",
		File: "sqlfsm/apply.go",
		Old:  "		f.effects.resultRow(row)\n		if collect {\n",
		New:  "		if collect {\n			f.effects.resultRow(row)\n",
	},
	{
		Name: "batch-undone-with-its-entry",
		Rule: "an entry that fails takes nothing of others with it",
		File: "sqlfsm/apply.go",
		Old:  "	r.Err = verdict\n	if err := f.runOwn(f.own.rollbackTo); err != nil {",
		New:  "	r.Err = verdict\n	if err := errors.Join(f.runOwn(f.own.rollback), f.runOwn(f.own.begin), f.runOwn(f.own.savepoint)); err != nil {",
	},
	{
		Name: "steps-of-the-statement-before",
		Rule: "a statement's budget starts anew with it",
		File: "sqlfsm/apply.go",
		Old:  "	f.counter.reset()\n	f.writer.guard.start(cl)\n",
		New:  "	f.writer.guard.start(cl)\n",
	},
	{
		Name: "load-leaves-its-mark",
		Rule: "a command that loads changes nothing of how later ones run",
		File: "sqlfsm/load.go",
		Old:  "	if w.guard.loading == on {\n",
		New:  "	if w.guard.loading || !on {\n",
	},
	{
		Name: "cursors-of-the-connection",
		Rule: "the cursors of full text indexes, whose numbers SQL can see, are numbered anew in each command",
		File: "sqlfsm/fulltext.go",
		Old:  "	return f.writer.db.ResetFullTextCursors()\n",
		New:  "	return nil\n",
	},
}
