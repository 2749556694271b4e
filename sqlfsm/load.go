package sqlfsm

import (
	"fmt"

	"quorate/internal/sqlite"
)

// A command of KindLoad runs statements that load a dump. Its rows come in the
// order of the tables' making, so a row may refer to one that comes later, in
// another command: foreign keys are not checked, and whoever loads looks at the end
// whether they hold (pragma_foreign_key_check). And it may write sqlite_sequence,
// so that AUTOINCREMENT goes on where it was in the database that was dumped.

// setLoading has the writer run a command that loads, or one that does not. Cached
// statements were compiled for the other kind.
func (f *FSM) setLoading(on bool) error {
	w := f.writer
	if w.guard.loading == on {
		return nil
	}
	w.cache.clear()
	if err := w.db.Configure(sqlite.ForeignKeys, !on); err != nil {
		return fmt.Errorf("foreign keys: %w", err)
	}
	w.guard.loading = on
	return nil
}
