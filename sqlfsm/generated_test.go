package sqlfsm

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan"

	"pgregory.net/rapid"
)

// TestGeneratedAlike makes SQL by a grammar, plans it as a client's and applies
// it on three machines: one entry at a time, and twice in batches of any size
// with restarts, lost batches, small caches and busy readers between. Every
// result and the whole database must be equal. The grammar is rich in what
// could differ: time, randomness, triggers, views, deferred keys, generated
// columns, indexes on expressions, DDL that fails half way, runaway statements.
func TestGeneratedAlike(t *testing.T) {
	fewerChecks(t, 30)
	refused, failed, done := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		entries, want, wantDump, n := generate(t, rt)
		refused += n
		for _, result := range want {
			if strings.Contains(result, "error ") {
				failed++
			} else {
				done++
			}
			if strings.Contains(result, "XX000") {
				rt.Fatalf("an error without a name: %s", result)
			}
		}
		alike(t, rt, entries, want, wantDump)
	})
	t.Logf("%d entries applied, %d failed; %d statements refused by the planner", done, failed, refused)
	if done < failed/2 {
		t.Error("the grammar makes mostly nonsense")
	}
}

// generatedSchema is what the generated statements work on.
var generatedSchema = []string{
	`CREATE TABLE t (id serial PRIMARY KEY, a int, b text UNIQUE, at timestamptz DEFAULT CURRENT_TIMESTAMP, u uuid DEFAULT gen_random_uuid(), r float8 DEFAULT random(), n numeric(8,2), CHECK (a < 1000))`,
	`CREATE TABLE c (id bigint PRIMARY KEY, t int REFERENCES t (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, b text, wide int GENERATED ALWAYS AS (length(b)) STORED)`,
	`CREATE TABLE w (k text, j bigint, v text DEFAULT 'none', PRIMARY KEY (k, j))`,
	`CREATE UNIQUE INDEX c_b ON c (lower(b)) WHERE t IS NOT NULL`,
	`CREATE VIEW big AS SELECT a, b, random() AS r, (now() AT TIME ZONE 'Asia/Kolkata')::text AS moment FROM t WHERE a > 3`,
	`CREATE TRIGGER tr AFTER INSERT ON t WHEN NEW.a % 3 = 0 BEGIN INSERT INTO w (k, j, v) VALUES (gen_random_uuid()::text, NEW.id, (now() AT TIME ZONE 'UTC')::text); END`,
	`CREATE TRIGGER tu AFTER UPDATE OF a ON t BEGIN UPDATE c SET t = NEW.id WHERE id = NEW.a; UPDATE t SET a = a - 1 WHERE id = NEW.id AND a > 40; END`,
}

// generate draws commands, plans and applies them one by one.
func generate(t *testing.T, rt *rapid.T) (entries []Entry, results []string, database string, refused int) {
	f := openTest(t)
	defer f.Close()
	f.counter.limit = 20_000
	var l log
	commands := make([][]string, 0, 60)
	for _, sql := range generatedSchema {
		commands = append(commands, []string{sql})
	}
	g := grammar{rt}
	for range rapid.IntRange(10, 40).Draw(rt, "commands") {
		var command []string
		for range g.number(1, 3) {
			command = append(command, g.statement())
		}
		commands = append(commands, command)
	}
	for i, command := range commands {
		schema := f.Schema()
		var statements []sqlplan.Bound
		for _, sql := range command {
			p, err := schema.Plan(sql, sqlplan.Options{})
			if err != nil {
				var e *errcode.Error
				if !errors.As(err, &e) || i < len(generatedSchema) {
					rt.Fatalf("%s: %v", sql, err)
				}
				refused++
				continue
			}
			statements = append(statements, sqlplan.Bound{Plan: p, Args: sessionArgs(p)})
			schema = schema.After(p)
		}
		if len(statements) == 0 {
			continue
		}
		l.schemaVersion = f.Schema().Version
		e := l.entry(statements...)
		r, err := f.Apply([]Entry{e})
		if err != nil {
			rt.Fatalf("%q: %v", command, err)
		}
		entries, results = append(entries, e), append(results, show(r[0]))
	}
	return entries, results, everything(t, f), refused
}

// sessionArgs are what a session in Berlin binds after the parameters.
func sessionArgs(p *sqlplan.Plan) (args []value.Value) {
	for _, s := range p.Session {
		args = append(args, map[sqlplan.SessionValue]value.Value{
			sqlplan.CurrentUser:     value.String("alice"),
			sqlplan.TimeZone:        value.String("Europe/Berlin"),
			sqlplan.ApplicationName: value.String("test"),
		}[s])
	}
	return args
}

// grammar draws SQL.
type grammar struct{ rt *rapid.T }

func (g grammar) number(from, to int) int { return rapid.IntRange(from, to).Draw(g.rt, "n") }

func (g grammar) of(choices ...string) string { return rapid.SampledFrom(choices).Draw(g.rt, "of") }

func (g grammar) statement() string {
	switch g.number(0, 15) {
	case 0, 1, 2:
		return `INSERT INTO t (a, b, n) VALUES (` + g.int(2) + `, ` + g.text(2) + `, ` + g.numeric() + `)` + g.of(``, ` ON CONFLICT (b) DO UPDATE SET a = excluded.a + 1, u = gen_random_uuid()`, ` ON CONFLICT DO NOTHING`) + g.of(``, ` RETURNING *`)
	case 3:
		return `INSERT INTO t (a, b) SELECT ` + g.of(`a`, `a + 1`, `7`) + `, b || ` + g.text(1) + ` FROM ` + g.of(`t`, `big`, `(SELECT a, b FROM t ORDER BY random() LIMIT 3) x`) + g.of(``, ` ORDER BY random()`, ` ORDER BY b DESC LIMIT 2`)
	case 4:
		return `WITH x AS (SELECT random() AS r, now() AS moment, id FROM t) INSERT INTO w SELECT ` + g.of(`r::text`, `moment::text`, `'same'`) + `, id, ` + g.text(1) + ` FROM x` + g.of(``, ` ON CONFLICT DO NOTHING`)
	case 5:
		return `INSERT INTO c (id, t, b) VALUES (` + g.int(1) + `, ` + g.int(1) + `, ` + g.text(1) + `)` + g.of(``, ` RETURNING wide`)
	case 6, 7:
		return `UPDATE t SET a = ` + g.column() + `, r = random()` + g.where() + g.of(``, ` RETURNING id, a, r`)
	case 8:
		return `UPDATE c SET b = upper(b) || ` + g.text(1) + `, id = id + ` + g.int(0) + g.where()
	case 9:
		return `DELETE FROM ` + g.of(`t`, `c`) + g.where()
	case 10:
		return `DELETE FROM w WHERE j IN (SELECT j FROM w ORDER BY random() LIMIT ` + g.int(0) + `)`
	case 11:
		return `INSERT INTO w (k, j) SELECT 'series', i FROM (WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n` + g.of(` WHERE i < 30`, ` WHERE i < 1500`, ``) + `) SELECT i FROM n) s`
	case 12:
		return `INSERT INTO c (id, b) VALUES (9223372036854775` + g.of(`807`, `806`, `000`) + `, ` + g.text(0) + `)`
	case 13:
		return `UPDATE w SET v = ` + g.text(2) + `, j = j / ` + g.int(1) + ` WHERE k < ` + g.text(1)
	}
	return g.of(
		`CREATE TABLE extra (a int DEFAULT 5, at timestamptz DEFAULT now())`, `DROP TABLE extra`, `INSERT INTO extra DEFAULT VALUES RETURNING *`,
		`CREATE UNIQUE INDEX t_a ON t (a)`, `CREATE INDEX t_ab ON t ((a + length(b)))`, `DROP INDEX t_a`, `DROP INDEX t_ab`,
		`ALTER TABLE w ADD COLUMN made text DEFAULT 'x'`, `ALTER TABLE w DROP COLUMN made`, `ALTER TABLE w RENAME COLUMN v TO value`, `ALTER TABLE w RENAME COLUMN value TO v`,
		`ALTER TABLE extra RENAME TO other`, `ALTER TABLE other RENAME TO extra`, `DROP VIEW big`,
		`CREATE VIEW big AS SELECT a, b, random() AS r, (now() AT TIME ZONE 'Asia/Kolkata')::text AS moment FROM t WHERE a < 9`,
		`CREATE TRIGGER forbid BEFORE DELETE ON t WHEN OLD.a = 7 BEGIN SELECT RAISE(`+g.of(`ABORT, 'no'`, `FAIL, 'no'`, `IGNORE`)+`); END`, `DROP TRIGGER forbid ON t`,
		`TRUNCATE w`)
}

func (g grammar) where() string {
	return g.of(``, ` WHERE id < `+g.int(1), ` WHERE b > `+g.text(0), ` WHERE id IN (SELECT id FROM t ORDER BY random() LIMIT 2)`)
}

func (g grammar) column() string {
	return g.of(`a + 1`, `id`, `a / (a - 5)`, `length(b) * `+g.int(0), `(SELECT max(a) FROM t) + 1`, g.int(2))
}

func (g grammar) int(depth int) string {
	if depth == 0 || g.number(0, 2) == 0 {
		return fmt.Sprint(g.number(0, 9))
	}
	return g.of(`(`+g.int(depth-1)+g.of(` + `, ` - `, ` * `, ` / `, ` % `)+g.int(depth-1)+`)`, `length(`+g.text(depth-1)+`)`,
		`(random() * 50)::int`, `extract(second FROM now())::int`, `(SELECT count(*) FROM t)`, `(SELECT max(id) FROM c)`, `2147483647`, `NULL`)
}

func (g grammar) text(depth int) string {
	if depth == 0 || g.number(0, 2) == 0 {
		return g.of(`'x'`, `''`, `'ÄÖ'`, `'longer text'`, `'%_'`)
	}
	return g.of(g.text(depth-1)+` || `+g.text(depth-1), `upper(`+g.text(depth-1)+`)`, `random()::text`, `now()::text`, `CURRENT_DATE::text`,
		`gen_random_uuid()::text`, `md5(`+g.text(depth-1)+`)`, `(SELECT min(b) FROM t)`, `(`+g.int(depth-1)+`)::text`,
		`CURRENT_TIMESTAMP::text`, `current_user`, `(now() AT TIME ZONE 'America/New_York')::text`, `(SELECT string_agg(b, ',' ORDER BY b) FROM t)`)
}

func (g grammar) numeric() string {
	return g.of(`1.25`, `99999.999`, `random()::numeric`, `NULL`, `-0.005`, `12345.678`)
}
