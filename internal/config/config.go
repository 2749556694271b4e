package config

import (
	"reflect"
	"strings"
	"time"
)

// Config are the settings of one node. The tags of a field:
//
//	key      path in the YAML file
//	flag     when it is not the key with dashes for dots
//	default  as it would be written
//	when     in place of a default: what an empty value comes to mean
//	kind     the form of the value, for people
//	help     one sentence, for --help and the manual
//	note     what else the manual should say: what more or less of it costs
type Config struct {
	Name           string        `key:"name" when:"the host name" kind:"NAME" help:"Name of this member." note:"Unique in the cluster and fixed for life: letters, digits, dots, dashes, underscores; at most 63."`
	DataDir        string        `key:"data-dir" default:"./quorate-data" kind:"DIR" help:"Everything this node keeps." note:"One node at a time; a second one on the same directory is refused."`
	WALDir         string        `key:"wal.dir" when:"wal in the data directory" kind:"DIR" help:"The log." note:"On a disk of its own, syncs do not wait for other writes."`
	InitialCluster Members       `key:"cluster.initial" flag:"initial-cluster" when:"this node alone" kind:"NAME=HOST:PORT,…" help:"The members a new cluster starts with, by name and peer address." note:"The same on every member, and this node must be among them: 1 to 7, better an odd number, because an even one survives no more losses than one less. Used on the first start; afterwards the data directory knows, and if it is given it must describe the same cluster."`
	ClusterToken   string        `key:"cluster.token" default:"quorate" kind:"TEXT" help:"Tells clusters apart; peers with another token are refused." note:"Give every cluster its own, so that a mistaken address cannot bring two together. It is not a secret."`
	SQLListen      Address       `key:"sql.listen" default:"localhost:4432" kind:"HOST:PORT" help:"Where PostgreSQL clients connect."`
	SQLAdvertise   Address       `key:"sql.advertise" when:"sql.listen" kind:"HOST:PORT" help:"The address for clients that others are told." note:"Needed when sql.listen is 0.0.0.0 or [::]; without it, the host of peer.advertise stands in."`
	PeerListen     Address       `key:"peer.listen" default:"localhost:7432" kind:"HOST:PORT" help:"Where other members connect."`
	PeerAdvertise  Address       `key:"peer.advertise" when:"the address in cluster.initial, else peer.listen" kind:"HOST:PORT" help:"The address that other members use."`
	AdminListen    Address       `key:"admin.listen" default:"localhost:8432" kind:"HOST:PORT" help:"HTTP for operators: health, metrics, status." note:"There is no password; it answers questions and changes nothing."`
	Insecure       bool          `key:"insecure" default:"false" kind:"true|false" help:"Listen for clients or members beyond this machine without TLS and passwords." note:"This version has neither yet, so sql.listen and peer.listen must be on loopback unless this says that the network is trusted."`
	Heartbeat      time.Duration `key:"raft.heartbeat" default:"50ms" kind:"DURATION" help:"How often a leader tells the others that it lives." note:"Less than the shortest election timeout, better a third of it. Shorter costs messages, longer leaves no room for a lost one."`
	Election       Range         `key:"raft.election" default:"150ms-300ms" kind:"MIN-MAX" help:"A follower that hears no leader for a random time in this range calls an election." note:"Shorter heals faster and tolerates less: a pause of the process, disk or network longer than this costs an election. Across data centres use ten times the round trip."`
	QuorumTimeout  time.Duration `key:"quorum-timeout" default:"10s" kind:"DURATION" help:"How long a statement waits when there is no quorum." note:"Then it fails: with 57P03 when it was never proposed, with 40003 when it may be in the log."`
	LogLevel       Level         `key:"log.level" default:"info" kind:"debug|info|warn|error" help:"The least important lines that are logged."`
	LogFormat      Format        `key:"log.format" default:"auto" kind:"auto|json|console" help:"The form of log lines." note:"auto is console on a terminal, JSON elsewhere."`
}

// Setting is the declaration of one field of Config, read from its tags.
type Setting struct {
	Key     string
	Flag    string // without the dashes
	Env     string
	Default string // "" when When says more
	When    string
	Kind    string
	Help    string
	Note    string

	field int // index in Config
}

// Settings returns the declarations in the order of Config.
func Settings() []Setting {
	t := reflect.TypeFor[Config]()
	settings := make([]Setting, t.NumField())
	for i := range settings {
		tag := t.Field(i).Tag
		s := Setting{
			Key: tag.Get("key"), Flag: tag.Get("flag"), Default: tag.Get("default"),
			When: tag.Get("when"), Kind: tag.Get("kind"), Help: tag.Get("help"), Note: tag.Get("note"), field: i,
		}
		if s.Flag == "" {
			s.Flag = strings.ReplaceAll(s.Key, ".", "-")
		}
		s.Env = envPrefix + strings.ToUpper(strings.ReplaceAll(s.Flag, "-", "_"))
		settings[i] = s
	}
	return settings
}

// Usage is the help text of the setting's flag.
func (s Setting) Usage() string {
	text := strings.TrimSuffix(s.Help, ".")
	if s.When != "" {
		text += " (default " + s.When + ")"
	}
	return text
}
