package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
)

// sessionStatement is one that never reaches SQLite: it is a plan already.
type sessionStatement struct {
	kind    Kind
	tag     string
	setting Setting
}

func (*sessionStatement) statement() {}

// set reads SET in all its forms (PostgreSQL manual, SET, SET TRANSACTION,
// SET ROLE, SET CONSTRAINTS).
func (p *parser) set() statement {
	p.expect("set")
	s := &sessionStatement{kind: Set, tag: "SET"}
	pos := p.tok.pos
	switch {
	case p.is("session") && p.peek().is("characteristics"):
		p.advance()
		p.advance()
		p.expect("as", "transaction")
		s.setting = p.transactionModes("default_transaction_")
		return s
	case p.accept("transaction"):
		s.setting = p.transactionModes("transaction_")
		return s
	case p.is("constraints"):
		p.unsupported(pos, "SET CONSTRAINTS")
		return s
	case p.is("local"):
		p.advance()
		s.setting.Local = true
	case p.is("session") && !p.peek().isOp("=") && !p.peek().is("to"):
		p.advance()
	}
	switch {
	case p.accept2("time", "zone"):
		s.setting.Name = "timezone"
		p.timeZoneValue(&s.setting)
		return s
	case p.is("names"):
		p.advance()
		s.setting.Name = "client_encoding"
	case p.is("role") || p.is("authorization"):
		p.unsupported(p.tok.pos, "SET %s", strings.ToUpper(p.tok.text))
		return s
	default:
		s.setting.Name = p.settingName()
		if !p.accept("to") {
			p.expectOp("=")
		}
	}
	p.settingValue(&s.setting)
	return s
}

// settingName reads a name that may have dots.
func (p *parser) settingName() string {
	name := p.label()
	for p.acceptOp(".") {
		name += "." + p.label()
	}
	return strings.ToLower(name)
}

func (p *parser) settingValue(s *Setting) {
	if p.accept("default") {
		s.Default = true
		return
	}
	s.Value = p.settingItem()
	for p.acceptOp(",") {
		s.Value += ", " + p.settingItem()
	}
}

func (p *parser) settingItem() string {
	sign := ""
	if p.isOp("-") || p.isOp("+") {
		sign = strings.TrimPrefix(p.tok.text, "+")
		p.advance()
		if p.tok.kind != tokInt && p.tok.kind != tokNumber {
			p.unexpected()
		}
	}
	switch p.tok.kind {
	case tokWord, tokQuoted, tokString, tokInt, tokNumber:
		text := sign + p.tok.text
		p.advance()
		return text
	}
	p.unexpected()
	return ""
}

func (p *parser) timeZoneValue(s *Setting) {
	switch {
	case p.accept("local"), p.accept("default"):
		s.Default = true
	case p.is("interval"):
		p.unsupported(p.tok.pos, "SET TIME ZONE with an interval").WithHint("Name the zone, as in 'Europe/Berlin'.")
	default:
		s.Value = p.settingItem()
	}
}

// transactionModes reads the modes of SET TRANSACTION and of SET SESSION
// CHARACTERISTICS. They name the setting of the last mode; the isolation level
// is always serializable, so that its setting only records what was asked.
func (p *parser) transactionModes(prefix string) Setting {
	var s Setting
	for first := true; p.err == nil && p.tok.kind != tokEnd; first = false {
		if !first {
			p.acceptOp(",")
		}
		switch {
		case p.accept2("isolation", "level"):
			s.Name, s.Value = prefix+"isolation", p.isolationLevel()
		case p.accept2("read", "only"):
			s.Name, s.Value = prefix+"read_only", "on"
		case p.accept2("read", "write"):
			s.Name, s.Value = prefix+"read_only", "off"
		case p.accept("deferrable"):
			s.Name, s.Value = prefix+"deferrable", "on"
		case p.accept2("not", "deferrable"):
			s.Name, s.Value = prefix+"deferrable", "off"
		default:
			p.unexpected()
		}
	}
	if s.Name == "" {
		p.unexpected()
	}
	return s
}

func (p *parser) isolationLevel() string {
	switch {
	case p.accept("serializable"):
		return "serializable"
	case p.accept2("repeatable", "read"):
		return "repeatable read"
	case p.accept2("read", "committed"):
		return "read committed"
	case p.accept2("read", "uncommitted"):
		return "read uncommitted"
	}
	p.unexpected()
	return ""
}

func (p *parser) reset() statement {
	p.expect("reset")
	return &sessionStatement{kind: Set, tag: "RESET", setting: Setting{Name: p.showName(), Default: true}}
}

func (p *parser) show() statement {
	p.expect("show")
	return &sessionStatement{kind: Show, tag: "SHOW", setting: Setting{Name: p.showName()}}
}

// showName reads what SHOW and RESET name, with the spellings in words.
func (p *parser) showName() string {
	switch {
	case p.accept("all"):
		return "all"
	case p.accept2("time", "zone"):
		return "timezone"
	case p.is("transaction") && p.peek().is("isolation"):
		p.advance()
		p.advance()
		p.expect("level")
		return "transaction_isolation"
	case p.accept2("session", "authorization"):
		return "session_authorization"
	}
	return p.settingName()
}

// transaction reads BEGIN, COMMIT, ROLLBACK, SAVEPOINT and their like. The tag
// says which; a savepoint's name is in the setting's name (ROLLBACK with a name
// is ROLLBACK TO), and the modes of BEGIN in its value ("" or "read only").
func (p *parser) transaction() statement {
	s := &sessionStatement{kind: Transaction}
	word := p.tok.text
	p.advance()
	switch word {
	case "begin", "start":
		s.tag = "BEGIN"
		if word == "start" {
			s.tag = "START TRANSACTION"
			p.expect("transaction")
		} else if !p.accept("work") {
			p.accept("transaction")
		}
		p.beginModes(&s.setting)
	case "commit", "end":
		s.tag = "COMMIT"
		if p.is("prepared") {
			p.unsupported(p.tok.pos, "COMMIT PREPARED")
		}
		p.endWords()
	case "abort":
		s.tag = "ROLLBACK"
		p.endWords()
	case "rollback":
		s.tag = "ROLLBACK"
		if p.is("prepared") {
			p.unsupported(p.tok.pos, "ROLLBACK PREPARED")
		}
		if !p.accept("work") {
			p.accept("transaction")
		}
		if p.accept("to") {
			p.accept("savepoint")
			s.setting.Name = p.name()
		} else {
			p.chain()
		}
	case "savepoint":
		s.tag = "SAVEPOINT"
		s.setting.Name = p.name()
	case "release":
		s.tag = "RELEASE"
		p.accept("savepoint")
		s.setting.Name = p.name()
	}
	return s
}

func (p *parser) beginModes(s *Setting) {
	for p.err == nil && p.tok.kind != tokEnd {
		switch {
		case p.accept2("isolation", "level"):
			p.isolationLevel()
		case p.accept2("read", "only"):
			s.Value = "read only"
		case p.accept2("read", "write"):
			s.Value = ""
		case p.accept("deferrable"), p.accept2("not", "deferrable"):
		default:
			p.unexpected()
		}
		p.acceptOp(",")
	}
}

func (p *parser) endWords() {
	if !p.accept("work") {
		p.accept("transaction")
	}
	p.chain()
}

func (p *parser) chain() {
	if p.is("and") {
		pos := p.tok.pos
		p.advance()
		no := p.accept("no")
		p.expect("chain")
		if !no {
			p.unsupported(pos, "AND CHAIN")
		}
	}
}

func (p *parser) deallocate() statement {
	p.expect("deallocate")
	if p.is("prepare") && p.peek().kind != tokEnd {
		p.advance()
	}
	s := &sessionStatement{kind: Deallocate, tag: "DEALLOCATE"}
	if p.accept("all") {
		s.tag = "DEALLOCATE ALL"
		return s
	}
	s.setting.Name = p.name()
	return s
}

func (p *parser) discard() statement {
	p.expect("discard")
	s := &sessionStatement{kind: Discard, tag: "DISCARD ALL"}
	switch {
	case p.accept("all"):
	case p.accept("plans"), p.accept("sequences"), p.accept("temp"), p.accept("temporary"):
		p.unsupported(p.last, "DISCARD of a part").WithHint("Use DISCARD ALL.")
	default:
		p.unexpected()
	}
	return s
}

// refusals are statements that PostgreSQL has and Quorate does not, with what
// to do instead.
var refusals = map[string]string{
	"copy":       "Use INSERT with many rows in one statement.",
	"listen":     "",
	"unlisten":   "",
	"notify":     "",
	"grant":      "",
	"revoke":     "",
	"prepare":    "Use the driver's prepared statements.",
	"execute":    "Use the driver's prepared statements.",
	"declare":    "Use the driver's cursor over a portal, or LIMIT.",
	"fetch":      "Use the driver's cursor over a portal, or LIMIT.",
	"move":       "",
	"close":      "",
	"lock":       "A statement is atomic, and transactions are serializable.",
	"explain":    "",
	"reindex":    "",
	"cluster":    "",
	"comment":    "",
	"merge":      "Use INSERT … ON CONFLICT.",
	"call":       "",
	"do":         "",
	"load":       "",
	"checkpoint": "",
	"refresh":    "",
	"security":   "",
	"import":     "",
	"reassign":   "",
	"attach":     "There is one database.",
	"detach":     "There is one database.",
	"pragma":     "Settings are changed with SET.",
	"replace":    "Use INSERT … ON CONFLICT.",
}

func (p *parser) refuse() {
	word := p.tok.text
	err := p.fail(p.tok.pos, errcode.FeatureNotSupported, "%s is not supported", strings.ToUpper(word))
	if hint := refusals[word]; hint != "" {
		err.WithHint("%s", hint)
	}
	p.stop(err)
}
