package sqlgen

import (
	"fmt"

	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/sqlplan/pgfunc"
)

// noCommand is what the functions see outside of a command. Those in indexes,
// generated columns and constraints, which alone are called here, do not ask.
type noCommand struct{}

func (noCommand) NowMicros() int64 { return 0 }
func (noCommand) Uint64() uint64   { return 0 }

func (noCommand) Spend(int) error                  { return nil }
func (noCommand) Limited() bool                    { return false }
func (noCommand) Expressions() *pgfunc.Expressions { return new(pgfunc.Expressions) }

// checkIntegrity looks whether a database that is closed is sound: its pages,
// its indexes, its constraints (https://sqlite.org/pragma.html#pragma_integrity_check).
func checkIntegrity(path string) error {
	db, err := sqlite.Open(path, sqlite.Existing)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, f := range pgfunc.Implementations() {
		err := db.CreateFunction(sqlite.Function{Name: f.Name, Args: f.Args, Deterministic: f.Deterministic,
			Scalar: func(args []value.Value) (value.Value, error) { return f.Impl(noCommand{}, args) }})
		if err != nil {
			return err
		}
	}
	s, _, err := db.Prepare("PRAGMA integrity_check", false)
	if err != nil {
		return err
	}
	defer s.Finalize()
	more, err := s.Step()
	if err != nil {
		return fmt.Errorf("integrity_check: %w", err)
	}
	if !more || s.Row()[0].Text() != "ok" {
		return fmt.Errorf("integrity_check: %s", s.Row()[0].Text())
	}
	return nil
}
