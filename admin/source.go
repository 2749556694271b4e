package admin

import "time"

// Source is what the admin endpoints need from the node.
type Source interface {
	// Status describes this node.
	Status() Status
	// Cluster describes what this node believes of every member, itself
	// included, in the order of their names.
	Cluster() []Member
	// Checks are the reasons for which the node is ready to serve, or not.
	Checks() []Check
}

// Status is the answer of /status: this node. Fields are only ever added.
type Status struct {
	Name         string    `json:"name"`
	ID           string    `json:"id"` // hexadecimal
	ClusterID    string    `json:"cluster_id"`
	PID          int       `json:"pid"`
	Role         string    `json:"role"`   // leader, follower, candidate, pre-candidate
	Leader       string    `json:"leader"` // member name, "" when unknown
	Term         uint64    `json:"term"`
	LastIndex    uint64    `json:"last_index"`
	CommitIndex  uint64    `json:"commit_index"`
	AppliedIndex uint64    `json:"applied_index"`
	SchemaIndex  uint64    `json:"schema_index"` // the entry that last changed the schema
	DBBytes      int64     `json:"db_bytes"`
	WALBytes     int64     `json:"wal_bytes"`
	SQLAddr      string    `json:"sql_addr"`
	PeerAddr     string    `json:"peer_addr"`
	AdminAddr    string    `json:"admin_addr"`
	Version      string    `json:"version"`
	SQLite       string    `json:"sqlite_version"`
	Started      time.Time `json:"started"`
	UptimeSecs   float64   `json:"uptime_seconds"`
	// Alarms say in sentences what is wrong with this node's data, or with the
	// cluster as this node sees it.
	Alarms []string `json:"alarms,omitempty"`
	// Notes say what is not wrong, but not as it should stay.
	Notes []string `json:"notes,omitempty"`
}

// Member is one member as this node sees it: a row of /cluster.
type Member struct {
	Name      string `json:"name"`
	ID        string `json:"id"`
	Suffrage  string `json:"suffrage"` // voter, learner, staging: a learner that becomes a voter by itself
	PeerAddr  string `json:"peer_addr"`
	SQLAddr   string `json:"sql_addr"`   // "" until the member was connected once
	AdminAddr string `json:"admin_addr"` // likewise
	Connected bool   `json:"connected"`
	Leader    bool   `json:"leader"`
	Self      bool   `json:"self"`
	Match     uint64 `json:"match,omitempty"` // on the leader: replicated up to
}

// Check is one line of /readyz.
type Check struct {
	Name string // one word
	Err  error  // nil: ok
	Note string // when ok: what should not stay so, "" nothing
}
