package pgwire

import (
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan"
	"quorate/sqlplan/pgtype"
)

// isQueued reports whether statements of a kind wait for Sync. All others
// concern only the session and are carried out at once.
func isQueued(kind sqlplan.Kind) bool { return kind == sqlplan.Read || kind == sqlplan.Write }

// runPortal gives a portal its turn. several is true for one of several
// statements of a simple query.
func (s *session) runPortal(p *portal, maxRows uint32, several bool) error {
	if isQueued(p.plan.Kind) {
		return s.enqueue(p, maxRows)
	}
	p.state = portalDone
	started := time.Now()
	err := s.sessionCommand(p, several)
	if err != nil {
		told, _ := clientError(s.ctx, err)
		s.server.Metrics.failed(kindSession, told.Code)
		return err
	}
	s.server.Metrics.succeeded(kindSession, time.Since(started))
	return nil
}

// sessionCommand carries out a statement that concerns only the session.
func (s *session) sessionCommand(p *portal, several bool) error {
	plan := p.plan
	switch plan.Kind {
	case sqlplan.Empty:
		s.send(&pgproto3.EmptyQueryResponse{})
		return nil
	case sqlplan.Show:
		return s.show(p)
	}
	tag := plan.Tag
	var err error
	switch plan.Kind {
	case sqlplan.Set:
		err = s.set(plan.Setting, several)
	case sqlplan.Transaction:
		err = s.transactionCommand(tag, plan.Setting.Name)
	case sqlplan.Deallocate:
		err = s.deallocate(plan.Setting.Name)
	case sqlplan.Discard:
		if several {
			err = errcode.Newf(errcode.ActiveSQLTransaction, "%s cannot run inside a transaction block", tag)
		} else {
			s.discard(tag)
		}
	default:
		panic("pgwire: a plan of a kind that is not known")
	}
	if err != nil {
		return err
	}
	out := s.queue()
	*out = appendCommandComplete(*out, tag, 0)
	return nil
}

// set carries out SET and RESET. An error later in the transaction undoes it.
func (s *session) set(setting sqlplan.Setting, several bool) error {
	name := strings.ToLower(setting.Name)
	if s.tx.saved == nil {
		s.tx.saved = s.settings.save()
	}
	local := setting.Local
	switch name {
	case "transaction_isolation", "transaction_read_only", "transaction_deferrable":
		local = true
	}
	if local {
		if !several {
			s.notice(severityWarning, errcode.Newf(errcode.NoActiveSQLTransaction, "SET LOCAL can only be used in transaction blocks"))
		}
		if s.tx.local == nil {
			s.tx.local = map[string]*string{}
		}
		s.settings.hide(name, s.tx.local)
	} else {
		delete(s.tx.local, name) // this one is to stay
	}
	var err *errcode.Error
	switch {
	case setting.Default && name == "all":
		s.settings.resetAll()
	case setting.Default:
		err = s.settings.reset(name)
	default:
		err = s.settings.set(name, setting.Value)
	}
	if err != nil {
		return err
	}
	s.settingsChanged()
	return nil
}

// settingsChanged makes what hangs on the settings anew.
func (s *session) settingsChanged() {
	s.env = s.settings.environment()
	s.statusStale = true
}

// transactionCommand carries out BEGIN and its kin, outside a transaction
// block: there are none yet. savepoint is what it names.
func (s *session) transactionCommand(tag, savepoint string) error {
	if tag == "ROLLBACK" && savepoint != "" {
		tag = "ROLLBACK TO SAVEPOINT"
	}
	switch tag {
	case "BEGIN", "START TRANSACTION":
		return errcode.Newf(errcode.FeatureNotSupported, "interactive transactions are not supported yet").
			WithHint("Send the statements of a transaction as one query string, or in one pipeline before Sync: they are carried out together or not at all.")
	case "COMMIT", "ROLLBACK":
		if s.tx.writes {
			return errcode.Newf(errcode.FeatureNotSupported, "%s after a statement that writes, in the same query string or pipeline, is not supported yet", tag)
		}
		if tag == "ROLLBACK" && s.tx.saved != nil {
			s.settings.restore(s.tx.saved)
			s.settingsChanged()
		}
		s.tx.saved = nil
		s.notice(severityWarning, errcode.Newf(errcode.NoActiveSQLTransaction, "there is no transaction in progress"))
		return nil
	}
	if tag == "RELEASE" {
		tag = "RELEASE SAVEPOINT"
	}
	return errcode.Newf(errcode.NoActiveSQLTransaction, "%s can only be used in transaction blocks", tag)
}

// deallocate carries out DEALLOCATE. "" means all.
func (s *session) deallocate(name string) error {
	if name == "" {
		for name := range s.statements {
			s.dropStatement(name)
		}
		return nil
	}
	if s.statements[name] == nil {
		return errcode.Newf(errcode.InvalidSQLStatementName, "prepared statement %q does not exist", name)
	}
	s.dropStatement(name)
	return nil
}

// discard carries out DISCARD. Only ALL has something to forget: plans are
// shared, and there are neither temporary tables nor session sequences.
func (s *session) discard(tag string) {
	if tag != "DISCARD ALL" {
		return
	}
	s.settings.resetAll()
	s.settingsChanged()
	s.deallocate("")
}

// show answers SHOW.
func (s *session) show(p *portal) error {
	columns := resultColumns(p.plan)
	var rows [][]value.Value
	if p.plan.Setting.Name == "all" {
		for i := range settingTable {
			def := &settingTable[i]
			current, _ := s.setting(def.name)
			rows = append(rows, []value.Value{value.String(def.name), value.String(current), value.String(def.about)})
		}
	} else {
		current, ok := s.setting(p.plan.Setting.Name)
		if !ok {
			return unrecognized(p.plan.Setting.Name)
		}
		rows = [][]value.Value{{value.String(current)}}
	}
	out := s.queue()
	if p.described {
		*out = appendRowDescription(*out, columns, p.formats)
	}
	for _, row := range rows {
		var err error
		if *out, err = appendDataRow(*out, columns, p.formats, row, &p.env.encoding); err != nil {
			return err
		}
	}
	*out = appendCommandComplete(*out, "SHOW", 0)
	return nil
}

// resultColumns describe a plan's result. The names that SHOW knows are here
// and not in the planner.
func resultColumns(plan *sqlplan.Plan) []sqlplan.ResultColumn {
	if plan.Kind != sqlplan.Show {
		return plan.Columns
	}
	column := func(name string) sqlplan.ResultColumn {
		return sqlplan.ResultColumn{Name: name, Type: pgtype.Of(pgtype.Text)}
	}
	name := plan.Setting.Name
	if name == "all" {
		return []sqlplan.ResultColumn{column("name"), column("setting"), column("description")}
	}
	if def := settingByName[strings.ToLower(name)]; def != nil {
		name = def.name
	}
	return []sqlplan.ResultColumn{column(name)}
}

// setting returns a setting as SHOW shows it, and false if there is none of
// that name.
func (s *session) setting(name string) (string, bool) {
	switch strings.ToLower(name) {
	case "in_hot_standby":
		return onOff(s.server.Backend.InRecovery()), true
	case "max_connections":
		return strconv.Itoa(s.server.MaxConnections), true
	case "quorate.quorum_timeout":
		canonical, _ := duration(strconv.FormatInt(s.server.QuorumTimeout.Milliseconds(), 10))
		return canonical, true
	case "server_version":
		return "15.0 (Quorate " + s.server.Version + ")", true
	case "session_authorization":
		return s.user, true
	case "transaction_read_only":
		return onOff(s.settings.readOnly()), true
	}
	return s.settings.get(name)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// reportSettings sends the parameter statuses that the client does not know
// yet.
func (s *session) reportSettings() {
	for _, name := range reported {
		current, _ := s.setting(name)
		if known, ok := s.statusSent[name]; !ok || known != current {
			s.out = appendMessage(s.out, &pgproto3.ParameterStatus{Name: name, Value: current})
			s.statusSent[name] = current
		}
	}
	s.standbySent = s.statusSent["in_hot_standby"] == "on"
	s.statusStale = false
}
