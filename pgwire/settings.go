package pgwire

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"quorate/internal/errcode"
	"quorate/sqlplan/pgtype"
)

// setting is a row of the table of settings.
type setting struct {
	name    string // as SHOW writes it
	initial string
	// check returns the canonical form of a value. nil: nobody may change it.
	check func(value string) (string, *errcode.Error)
	about string // the third column of SHOW ALL
}

// reported are the settings that the client is kept informed of by
// ParameterStatus, in the order in which PostgreSQL sends them.
var reported = []string{
	"application_name", "client_encoding", "DateStyle", "default_transaction_read_only", "in_hot_standby",
	"integer_datetimes", "IntervalStyle", "is_superuser", "server_encoding", "server_version",
	"session_authorization", "standard_conforming_strings", "TimeZone",
}

// settingTable has the settings that there are, in the order of SHOW ALL. Settings whose value a session
// or its server makes up are in session.setting.
var settingTable = []setting{
	{"application_name", "", anyName, "Sets the application name to be reported in statistics and logs."},
	{"backslash_quote", "safe_encoding", oneOf("safe_encoding", "on", "off"), `Sets whether "\'" is allowed in string literals.`},
	{"bytea_output", "hex", oneOf("hex", "escape"), "Sets the output format for bytea."},
	{"check_function_bodies", "on", boolean, "Accepted for dump files; there are no functions to check."},
	{"client_encoding", "UTF8", clientEncoding, "Sets the client's character set encoding: UTF8."},
	{"client_min_messages", "notice", oneOf("debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"),
		"Sets the message levels that are sent to the client."},
	{"DateStyle", "ISO, MDY", dateStyle, "Sets the display format for date and time values: ISO."},
	{"default_table_access_method", "heap", oneOf("heap"), "Accepted for dump files."},
	{"default_tablespace", "", oneOf(""), "Accepted for dump files; there are no tablespaces."},
	{"default_transaction_deferrable", "off", boolean, "Has no effect: no transaction waits for another."},
	{"default_transaction_isolation", "serializable", isolation, "Every isolation level is answered with serializable."},
	{"default_transaction_read_only", "off", boolean, "Refuses statements that write."},
	{"escape_string_warning", "on", boolean, "Has no effect."},
	{"extra_float_digits", "1", integer(-15, 3), "Sets the number of digits displayed for floating-point values."},
	{"idle_in_transaction_session_timeout", "0", duration, "Ends a session that leaves a pipeline open for this long."},
	{"idle_session_timeout", "0", duration, "Ends a session that asks nothing for this long."},
	{"in_hot_standby", "", nil, "Shows whether this node is a follower."},
	{"integer_datetimes", "on", nil, "Shows whether datetimes are integer based."},
	{"IntervalStyle", "postgres", only("IntervalStyle", "postgres"), "Sets the display format for interval values: postgres."},
	{"is_superuser", "on", nil, "Shows whether the current user is a superuser."},
	{"jit", "off", boolean, "Has no effect."},
	{"lc_collate", "C", nil, "Shows the collation order locale."},
	{"lc_ctype", "C", nil, "Shows the character classification and case conversion locale."},
	{"lock_timeout", "0", duration, "Has no effect: no statement waits for a lock."},
	{"max_connections", "", nil, "Shows the maximum number of sessions."},
	{"max_identifier_length", strconv.Itoa(nameMaxBytes), nil, "Shows the maximum identifier length."},
	{"quorate.quorum_timeout", "", nil, "Shows how long a statement waits for a quorum."},
	{"quorate.read_consistency", "linearizable", readConsistency, "Sets how fresh a read must be: linearizable or stale."},
	{"quote_all_identifiers", "off", boolean, "Has no effect."},
	{"role", "none", oneOf("none"), "Sets the current role."},
	{"row_security", "on", boolean, "Has no effect: there are no policies."},
	{"search_path", `"$user", public`, anyText, "Has no effect: there is one schema, public."},
	{"server_encoding", "UTF8", nil, "Shows the server's character set encoding."},
	{"server_version", "", nil, "Shows the server version."},
	{"server_version_num", "150000", nil, "Shows the server version as an integer."},
	{"session_authorization", "", nil, "Shows the session user."},
	{"standard_conforming_strings", "on", only("standard_conforming_strings", "on"), "Causes '...' strings to treat backslashes literally: on."},
	{"statement_timeout", "0", duration, "Cancels any statement that takes longer than this."},
	{"synchronous_commit", "on", oneOf("local", "remote_write", "remote_apply", "on", "off"),
		"Has no effect: a commit is answered when a majority has it on disk."},
	{"TimeZone", "UTC", timeZone, "Sets the time zone for displaying and interpreting time stamps."},
	{"transaction_deferrable", "off", boolean, "Has no effect: no transaction waits for another."},
	{"transaction_isolation", "serializable", isolation, "Every isolation level is answered with serializable."},
	{"transaction_read_only", "", boolean, "Refuses statements that write, until the end of the transaction."},
	{"xmloption", "content", oneOf("content", "document"), "Accepted for dump files."},
}

// settingByName finds a row by its name in lower case.
var settingByName = func() map[string]*setting {
	byName := make(map[string]*setting, len(settingTable))
	for i := range settingTable {
		byName[strings.ToLower(settingTable[i].name)] = &settingTable[i]
	}
	return byName
}()

// settings are a session's values where they differ from the table's: first
// what its startup packet said, and over it what SET said. Names are in lower
// case; names with a dot that are not in the table are the client's own.
type settings struct {
	startup map[string]string
	session map[string]string
}

func newSettings() *settings {
	return &settings{startup: map[string]string{}, session: map[string]string{}}
}

// get returns the value of a setting, and false if there is none of that name.
func (s *settings) get(name string) (string, bool) {
	name = strings.ToLower(name)
	if value, ok := s.session[name]; ok {
		return value, true
	}
	if value, ok := s.startup[name]; ok {
		return value, true
	}
	if def := settingByName[name]; def != nil {
		return def.initial, true
	}
	return "", false
}

// set changes a value for the session.
func (s *settings) set(name, value string) *errcode.Error {
	return assign(s.session, name, value)
}

// setDefault changes the value that RESET goes back to.
func (s *settings) setDefault(name, value string) *errcode.Error {
	return assign(s.startup, name, value)
}

// reset goes back to the default.
func (s *settings) reset(name string) *errcode.Error {
	name = strings.ToLower(name)
	if def := settingByName[name]; def != nil && def.check == nil {
		return cannotChange(def)
	} else if def == nil && !isCustom(name) {
		return unrecognized(name)
	}
	delete(s.session, name)
	return nil
}

func (s *settings) resetAll() { clear(s.session) }

// save returns what restore goes back to.
func (s *settings) save() map[string]string { return maps.Clone(s.session) }

func (s *settings) restore(saved map[string]string) { s.session = saved }

// hide remembers a session's value in local, if it is the first of its name.
func (s *settings) hide(name string, local map[string]*string) {
	if _, done := local[name]; done {
		return
	}
	local[name] = nil
	if value, ok := s.session[name]; ok {
		local[name] = &value
	}
}

// restoreLocal brings back what hide remembered.
func (s *settings) restoreLocal(local map[string]*string) {
	for name, value := range local {
		if value == nil {
			delete(s.session, name)
		} else {
			s.session[name] = *value
		}
	}
}

func assign(values map[string]string, name, value string) *errcode.Error {
	name = strings.ToLower(name)
	def := settingByName[name]
	if def == nil {
		if !isCustom(name) {
			return unrecognized(name)
		}
		values[name] = value
		return nil
	}
	if def.check == nil {
		return cannotChange(def)
	}
	canonical, err := def.check(value)
	if err != nil {
		if err.Message == "" {
			err.Message = "invalid value for parameter " + strconv.Quote(def.name) + ": " + strconv.Quote(value)
		}
		return err
	}
	values[name] = canonical
	return nil
}

// isCustom reports whether a name has the form that PostgreSQL takes for a
// setting of some extension: words with a dot. The prefix quorate is ours.
func isCustom(name string) bool {
	prefix, rest, ok := strings.Cut(name, ".")
	return ok && prefix != "" && rest != "" && prefix != "quorate"
}

func unrecognized(name string) *errcode.Error {
	return errcode.Newf(errcode.UndefinedObject, "unrecognized configuration parameter %q", name)
}

func cannotChange(def *setting) *errcode.Error {
	return errcode.Newf(errcode.CantChangeRuntimeParam, "parameter %q cannot be changed", def.name)
}

// environment is what statements take from the settings: made anew at every
// SET, and kept by the statements that were bound before it.
type environment struct {
	timeZone         string
	applicationName  string
	encoding         pgtype.Encoding
	consistency      Consistency
	readOnly         bool
	statementTimeout time.Duration
	idleTimeout      time.Duration
	idleInTxTimeout  time.Duration
	minNotice        int // rank of client_min_messages
}

func (s *settings) environment() *environment {
	value := func(name string) string {
		v, _ := s.get(name)
		return v
	}
	env := &environment{
		timeZone:         value("TimeZone"),
		applicationName:  value("application_name"),
		readOnly:         s.readOnly(),
		statementTimeout: durationOf(value("statement_timeout")),
		idleTimeout:      durationOf(value("idle_session_timeout")),
		idleInTxTimeout:  durationOf(value("idle_in_transaction_session_timeout")),
		minNotice:        noticeRank(value("client_min_messages")),
	}
	if value("quorate.read_consistency") == "stale" {
		env.consistency = Stale
	}
	env.encoding.ByteaEscape = value("bytea_output") == "escape"
	env.encoding.ExtraFloatDigits, _ = strconv.Atoi(value("extra_float_digits"))
	// Both were checked when they were set.
	env.encoding.Location, _ = pgtype.LoadLocation(env.timeZone)
	return env
}

// readOnly reports whether statements that write are refused.
func (s *settings) readOnly() bool {
	if own, _ := s.get("transaction_read_only"); own != "" {
		return own == "on"
	}
	byDefault, _ := s.get("default_transaction_read_only")
	return byDefault == "on"
}

// noticeRank orders the levels of client_min_messages as far as they matter
// here: everything up to "notice" lets notices through.
func noticeRank(level string) int {
	switch level {
	case "error":
		return 2
	case "warning":
		return 1
	}
	return 0
}
