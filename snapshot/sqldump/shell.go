package sqldump

import (
	"slices"
	"strings"

	"quorate/internal/value"
)

// shellText is what sqlite3 gets of an object.
type shellText struct {
	sql      string // "" when it gets none
	notes    []string
	computed []computedColumn
}

// computedColumn is a generated column that is an ordinary one in sqlite3, with the
// values as they are.
type computedColumn struct {
	name    string // quoted
	virtual bool   // computed when it is read
}

// edit is a part of a text and what stands there instead.
type edit struct {
	start, end int
	text       string
}

func applied(sql string, edits []edit) string {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.start - b.start })
	var b strings.Builder
	at := 0
	for _, e := range edits {
		b.WriteString(sql[at:e.start])
		b.WriteString(e.text)
		at = e.end
	}
	b.WriteString(sql[at:])
	return b.String()
}

// forShell writes an object in words that sqlite3 has. functions are the source's.
func forShell(o object, virtual bool, functions isFunction) (out shellText) {
	sql := statementText(o.sql)
	switch {
	case virtual:
		out = virtualForShell(o, sql)
	case o.kind == "table":
		t := tableEditor{object: o, sql: sql, tokens: placedTokens(sql), functions: functions}
		out = t.edit()
	case o.kind == "index":
		out = indexForShell(o, sql, functions)
	default:
		out = programForShell(o, sql, functions)
	}
	out.sql = typed(out.sql, virtual)
	return out
}

// programForShell is for a view or a trigger. sqlite3 looks functions up when they
// are used: what it does not have stays as it is, to say which function is missing.
func programForShell(o object, sql string, functions isFunction) shellText {
	x := newTranslation(sql, functions)
	tokens := placedTokens(sql)
	text := x.expression(tokens)
	switch {
	case len(x.syntax) > 0:
		return shellText{notes: []string{"there is no " + o.kind + " " + o.name + ": " + x.why()}}
	case len(x.missing) > 0:
		return shellText{sql: sql, notes: []string{o.kind + " " + o.name + " fails when it is used: " + x.why()}}
	}
	return shellText{sql: applied(sql, []edit{{tokens[0].start, tokens[len(tokens)-1].end, text}})}
}

// virtualForShell leaves out options of fts5 that sqlite3 3.40 does not have
// (https://sqlite.org/fts5.html, sections 4.3 to 4.8).
func virtualForShell(o object, sql string) shellText {
	tokens := placedTokens(sql)
	open := slices.IndexFunc(tokens, func(t placed) bool { return t.text == "(" })
	out := shellText{sql: sql}
	if open < 0 {
		return out
	}
	close := closing(tokens, open)
	var kept []string
	for _, part := range commaSeparated(tokens[open+1 : close]) {
		if len(part) == 0 {
			return out
		}
		text := sql[part[0].start:part[len(part)-1].end]
		if len(part) > 2 && part[1].text == "=" {
			name, values := nameOf(part[0].text), part[2:]
			switch {
			case isOneOf(name, "contentless_delete", "contentless_unindexed", "locale", "tokendata"):
				out.notes = append(out.notes, "table "+o.name+" is without the option "+name)
				continue
			case isOneOf(name, "tokenize") && len(values) == 1:
				if tokenizer, changed := trigram(nameOf(values[0].text)); changed {
					out.notes = append(out.notes, "table "+o.name+" is without the tokenizer's option remove_diacritics")
					text = "tokenize = " + quoteText(tokenizer)
				}
			}
		}
		kept = append(kept, text)
	}
	if len(out.notes) > 0 {
		out.sql = applied(sql, []edit{{tokens[open].end, tokens[close].start, strings.Join(kept, ", ")}})
	}
	return out
}

// trigram leaves out the option that the tokenizer has since SQLite 3.45.
func trigram(tokenizer string) (without string, changed bool) {
	words := strings.Fields(tokenizer)
	if len(words) == 0 || !strings.EqualFold(words[0], "trigram") {
		return tokenizer, false
	}
	kept := words[:1:1]
	for i := 1; i < len(words); i += 2 {
		if strings.EqualFold(words[i], "remove_diacritics") {
			changed = true
			continue
		}
		kept = append(kept, words[i:min(i+2, len(words))]...)
	}
	return strings.Join(kept, " "), changed
}

// indexForShell is for CREATE [UNIQUE] INDEX name ON table (keys) [WHERE …].
func indexForShell(o object, sql string, functions isFunction) shellText {
	tokens := placedTokens(sql)
	on := slices.IndexFunc(tokens, func(t placed) bool { return strings.EqualFold(t.text, "ON") })
	open := on + 2
	if on < 0 || open >= len(tokens) || tokens[open].text != "(" {
		return shellText{sql: sql}
	}
	var edits []edit
	unique := strings.EqualFold(tokens[1].text, "UNIQUE")
	distinct := true // keys that differ differ in sqlite3 too
	close := closing(tokens, open)
	parts := commaSeparated(tokens[open+1 : close])
	keys := len(parts)
	if close+2 < len(tokens) {
		parts = append(parts, tokens[close+2:]) // behind WHERE
	}
	for i, part := range parts {
		x := newTranslation(sql, functions)
		text := x.expression(part)
		if !x.ok() {
			return shellText{notes: []string{"there is no index " + o.name + ": " + x.why()}}
		}
		distinct = distinct && (x.fidelity == exact || i < keys && foldsCase(sql, part, functions))
		if from, to := part[0].start, part[len(part)-1].end; text != sql[from:to] {
			edits = append(edits, edit{from, to, text})
		}
	}
	out := shellText{}
	if unique && !distinct {
		edits = append(edits, edit{tokens[0].end, tokens[1].end, ""})
		out.notes = []string{"index " + o.name + " is not UNIQUE: sqlite3 may take keys for equal that are not"}
	}
	out.sql = applied(sql, edits)
	return out
}

// foldsCase reports a key that is lower(x) or upper(x) and no more: sqlite3's know only ASCII, so what
// they make equal is equal for ours too.
func foldsCase(sql string, key []placed, functions isFunction) bool {
	if !isOneOf(functionName(key), "lower", "upper") {
		return false
	}
	close := closing(key, 1)
	for i := close + 1; i < len(key); i++ {
		switch {
		case isOneOf(key[i].text, "COLLATE"):
			i++
		case !isOneOf(key[i].text, "ASC", "DESC"):
			return false
		}
	}
	x := newTranslation(sql, functions)
	x.text(key[2:close])
	return x.ok() && x.fidelity == exact
}

// tableEditor changes a CREATE TABLE.
type tableEditor struct {
	object
	sql       string
	tokens    []placed
	functions isFunction
	edits     []edit
	out       shellText
}

func (t *tableEditor) edit() shellText {
	open := slices.IndexFunc(t.tokens, func(t placed) bool { return t.text == "(" })
	if open < 0 {
		return shellText{sql: t.sql}
	}
	at := open + 1
	for _, part := range commaSeparated(t.tokens[at:closing(t.tokens, open)]) {
		t.definition(at, at+len(part))
		at += len(part) + 1
	}
	t.out.sql = applied(t.sql, t.edits)
	return t.out
}

// definition looks through the tokens of a column, or of a constraint of the table.
func (t *tableEditor) definition(from, to int) {
	i, column := from, ""
	if !isOneOf(t.tokens[from].text, "CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN") {
		column = nameOf(t.tokens[from].text)
		i++
	}
	start := i // of the constraint, with its name
	for i < to {
		open := t.opens(i)
		if open == 0 {
			if c := t.tokens[i]; c.text[0] >= '0' && c.text[0] <= '9' {
				t.replace(edit{c.start, c.end, withoutUnderscores(c.text)})
			}
			if strings.EqualFold(t.tokens[i].text, "CONSTRAINT") {
				start = i
				i += 2
				continue
			}
			if t.tokens[i].text == "(" {
				i = closing(t.tokens, i)
			}
			i++
			start = i
			continue
		}
		end := closing(t.tokens, open)
		switch first := strings.ToUpper(t.tokens[i].text); first {
		case "CHECK":
			end = t.check(from, start, open, end)
		case "DEFAULT":
			t.defaultValue(column, start, open, end)
		default:
			end = t.generated(column, start, open, end)
		}
		i = end + 1
		start = i
	}
}

// opens returns where the parenthesis of the expression is that begins at i; 0 when
// none does.
func (t *tableEditor) opens(i int) int {
	words := func(list ...string) int {
		for n, w := range list {
			if i+n >= len(t.tokens) || !strings.EqualFold(t.tokens[i+n].text, w) {
				return 0
			}
		}
		return i + len(list) - 1
	}
	return max(words("CHECK", "("), words("DEFAULT", "("), words("AS", "("), words("GENERATED", "ALWAYS", "AS", "("))
}

// translate changes the expression between two parentheses, where sqlite3 has
// something for all of it.
func (t *tableEditor) translate(open, end int) (x *translation, e edit) {
	x = newTranslation(t.sql, t.functions)
	inside := t.tokens[open+1 : end]
	e = edit{inside[0].start, inside[len(inside)-1].end, x.expression(inside)}
	return x, e
}

func (t *tableEditor) replace(e edit) {
	if t.sql[e.start:e.end] != e.text {
		t.edits = append(t.edits, e)
	}
}

// remove takes tokens out, with what is before them.
func (t *tableEditor) remove(first, last int) {
	t.edits = append(t.edits, edit{t.tokens[first-1].end, t.tokens[last].end, ""})
}

// check returns the constraint's last token.
func (t *tableEditor) check(from, start, open, end int) int {
	x, e := t.translate(open, end)
	if end+2 < len(t.tokens) && strings.EqualFold(t.tokens[end+1].text, "ON") && strings.EqualFold(t.tokens[end+2].text, "CONFLICT") {
		end += 3
	}
	if x.asksTime {
		x.lose(&x.missing, "the time, which SQLite does not allow there")
	}
	if x.ok() {
		t.replace(e)
		return end
	}
	what := "CHECK"
	if strings.EqualFold(t.tokens[start].text, "CONSTRAINT") {
		what += " " + nameOf(t.tokens[start+1].text)
	}
	t.note("is without " + what + ": " + x.why())
	if start == from {
		if next := t.tokens[end+1].text; next != "," && next != ")" {
			// SQLite needs no comma before the next constraint of the table.
			t.edits = append(t.edits, edit{t.tokens[start].start, t.tokens[end].end, "CHECK (1)"})
			return end
		}
		start-- // all of a constraint of the table goes, with its comma
	}
	t.remove(start, end)
	return end
}

func (t *tableEditor) defaultValue(column string, start, open, end int) {
	x, e := t.translate(open, end)
	if x.ok() {
		t.replace(e)
		return
	}
	if len(x.syntax) > 0 {
		t.remove(start, end)
	}
	t.note("has no DEFAULT for column " + column + ", a value must be given: " + x.why())
}

// generated returns the last token of what says that a column is generated.
func (t *tableEditor) generated(column string, start, open, end int) int {
	x, e := t.translate(open, end)
	virtual := true
	if end+1 < len(t.tokens) && isOneOf(t.tokens[end+1].text, "STORED", "VIRTUAL") {
		end++
		virtual = strings.EqualFold(t.tokens[end].text, "VIRTUAL")
	}
	if x.ok() && x.fidelity == exact {
		t.replace(e)
		return end
	}
	t.out.computed = append(t.out.computed, computedColumn{quoteName(column), virtual})
	t.note("has its values in column " + column + ", which is not computed")
	t.remove(start, end)
	return end
}

func (t *tableEditor) note(what string) {
	t.out.notes = append(t.out.notes, "table "+t.name+" "+what)
}

// translate finds what sqlite3 gets of each object.
func (s *schema) translate(src Source) error {
	known := make(map[string]bool)
	err := src.Query(`SELECT DISTINCT lower(name) FROM pragma_function_list`, func(row []value.Value) error {
		known[row[0].Text()] = true
		return nil
	})
	if err != nil {
		return err
	}
	functions := func(name string) bool {
		return known[name] || s.restored && (strings.HasPrefix(name, "q_") || name == "regexp")
	}
	missing := make(map[string]bool) // views
	for _, t := range s.tables {
		t.shell = forShell(t.object, t.virtual, functions)
		t.keepComputed(src)
	}
	for i := range s.rest {
		o := &s.rest[i]
		o.shell = forShell(*o, false, functions)
		if missing[strings.ToLower(o.table)] && o.kind == "trigger" {
			o.shell = shellText{notes: []string{"there is no trigger " + o.name + ": its view is not there"}}
		}
		if o.kind == "view" && o.shell.sql == "" {
			missing[strings.ToLower(o.name)] = true
		}
	}
	return nil
}

// keepComputed sorts the generated columns whose values are dumped behind the
// others. One that cannot be computed for every row has none.
func (t *table) keepComputed(src Source) {
	for _, c := range t.shell.computed {
		t.columns = slices.DeleteFunc(t.columns, func(name string) bool { return strings.EqualFold(name, c.name) })
	}
	if len(t.columns) == 0 && t.rowID == "" {
		return // rows of which nothing can be said have no other values either
	}
	for _, c := range t.shell.computed {
		if c.virtual {
			err := src.Query("SELECT count("+c.name+") FROM main."+quoteName(t.name), func([]value.Value) error { return nil })
			if err != nil {
				t.shell.notes = append(t.shell.notes, "table "+t.name+" has no values in column "+nameOf(c.name)+": "+err.Error())
				continue
			}
		}
		t.computed = append(t.computed, c.name)
	}
}
