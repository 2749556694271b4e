package sqlfsm

import (
	"context"
	"strings"
	"testing"

	"quorate/internal/value"
	"quorate/sqlplan"
)

// TestPlanned runs SQL as clients send it, through the planner: what the planner
// promises of DDL, types and constraints, and what the state machine makes of
// it, fit together.
func TestPlanned(t *testing.T) {
	f := openTest(t)
	var l log
	run := func(sql string, args ...value.Value) string {
		p, err := f.Schema().Plan(sql, sqlplan.Options{})
		if err != nil {
			return showError(err)
		}
		b := sqlplan.Bound{Plan: p, Args: args}
		if p.Kind == sqlplan.Read {
			s, err := f.Snapshot(context.Background(), p.SchemaVersion, true)
			if err != nil {
				return showError(err)
			}
			defer s.Close()
			rows, err := s.Query(b)
			if err != nil {
				return showError(err)
			}
			return strings.Join(collect(t, rows), " ")
		}
		l.schemaVersion = p.SchemaVersion
		return show(apply(t, f, l.entry(b))[0])
	}
	for _, test := range []struct{ sql, want string }{
		{`CREATE TABLE users (id serial PRIMARY KEY, name varchar(5) NOT NULL UNIQUE, age smallint, score numeric(4,2), made timestamptz DEFAULT now())`, "0"},
		{`INSERT INTO users (name, age, score) VALUES ('ann', 30, 1.25) RETURNING id, name, score`, "1 (1, 'ann', 1.25)"},
		{`INSERT INTO users (name) VALUES ('ann')`, `error 23505: duplicate key value violates unique constraint "users_name_key" [table users] [constraint users_name_key]`},
		{`INSERT INTO users (id, name) VALUES (1, 'bob')`, `error 23505: duplicate key value violates unique constraint "users_pkey" [table users] [constraint users_pkey]`},
		{`INSERT INTO users (name, age) VALUES ('bob', 5 + 32767)`, "error 22003: smallint out of range"},
		{`INSERT INTO users (age) SELECT age FROM users`, `error 23502: null value in column "name" of relation "users" violates not-null constraint [table users] [column name]`},
		{`SELECT made FROM users WHERE name = 'ann'`, "('2026-01-02 03:04:07.678907')"},
		{`INSERT INTO users (name) VALUES ('bob')`, "1"},
		{`UPDATE users SET age = 1 / (age - 30) WHERE age IS NOT NULL`, "error 22012: division by zero"},
		{`CREATE TABLE pets (id int PRIMARY KEY, owner int REFERENCES users (id))`, "0"},
		{`INSERT INTO pets VALUES (1, 99)`, `error 23503: insert or update on table "pets" violates a foreign key constraint [table pets]`},
		{`INSERT INTO pets VALUES (1, 1)`, "1"},
		{`DELETE FROM users WHERE id = 1`, `error 23503: update or delete on table "users" violates a foreign key constraint [table users]`},
		{`CREATE VIEW adults AS SELECT id, name FROM users WHERE age > 17`, "0"},
		{`SELECT * FROM adults`, "(1, 'ann')"},
		{`ALTER TABLE users RENAME COLUMN name TO nick`, "0"},
		{`SELECT nick FROM users ORDER BY id`, "('ann') ('bob')"},
		{`DROP TABLE pets`, "0"},
		{`DROP VIEW adults`, "0"},
		{`DROP TABLE users`, "0"},
		{`SELECT type FROM _quorate_types`, ""},
	} {
		if got := run(test.sql); got != test.want {
			t.Errorf("%s\nanswers %s\nwant    %s", test.sql, got, test.want)
		}
	}
}
