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
	Name            string        `key:"name" when:"the host name" kind:"NAME" help:"Name of this member." note:"Unique in the cluster and fixed for life: letters, digits, dots, dashes, underscores; at most 63."`
	DataDir         string        `key:"data-dir" default:"./quorate-data" kind:"DIR" help:"Everything this node keeps." note:"One node at a time; a second one on the same directory is refused."`
	WALDir          string        `key:"wal.dir" when:"wal in the data directory" kind:"DIR" help:"The log." note:"On a disk of its own, syncs do not wait for other writes."`
	InitialCluster  Members       `key:"cluster.initial" flag:"initial-cluster" when:"this node alone" kind:"NAME=HOST:PORT,…" help:"The members a new cluster starts with, by name and peer address." note:"The same on every member, and this node must be among them: 1 to 7, better an odd number, because an even one survives no more losses than one less. Used on the first start; afterwards the data directory knows, and if it is given it must describe the same cluster."`
	Join            Addresses     `key:"cluster.join" flag:"join" when:"not joining" kind:"HOST:PORT,…" help:"Enter a running cluster: peer addresses of members of it." note:"In place of cluster.initial. The node comes in as a learner and becomes a voter by itself when it has caught up. Used on the first start; a node that is a member does not join again."`
	Learner         bool          `key:"cluster.learner" flag:"learner" default:"false" kind:"true|false" help:"With join: stay a learner." note:"A learner has all data and serves every statement, linearizable reads too, but does not vote: writes do not wait for it, and it does not help the cluster to survive the loss of a member. quorate member promote makes it a voter."`
	ClusterToken    string        `key:"cluster.token" default:"quorate" kind:"TEXT" help:"Tells clusters apart; peers with another token are refused." note:"Give every cluster its own, so that a mistaken address cannot bring two together. It is not a secret."`
	SQLListen       Address       `key:"sql.listen" default:"localhost:4432" kind:"HOST:PORT" help:"Where PostgreSQL clients connect."`
	SQLAdvertise    Address       `key:"sql.advertise" when:"sql.listen" kind:"HOST:PORT" help:"The address for clients that others are told." note:"Needed when sql.listen is 0.0.0.0 or [::]; without it, the host of peer.advertise stands in."`
	PeerListen      Address       `key:"peer.listen" default:"localhost:7432" kind:"HOST:PORT" help:"Where other members connect."`
	PeerAdvertise   Address       `key:"peer.advertise" when:"the address in cluster.initial, else peer.listen" kind:"HOST:PORT" help:"The address that other members use."`
	AdminListen     Address       `key:"admin.listen" default:"localhost:8432" kind:"HOST:PORT" help:"HTTP for operators: health, metrics, status." note:"There is no password, and who reaches it can change the members: it must be on loopback unless insecure says that the network is trusted."`
	Insecure        bool          `key:"insecure" default:"false" kind:"true|false" help:"Listen for clients or members beyond this machine without TLS and passwords." note:"This version has neither yet, so sql.listen, peer.listen and admin.listen must be on loopback unless this says that the network is trusted."`
	Preset          Preset        `key:"raft.preset" default:"lan" kind:"lan|wan" help:"Timeouts for members in one place or far apart." note:"lan is for one data centre or neighbouring zones. wan sets raft.heartbeat to 250ms and raft.election to 1s-2s, for round trips of up to 100 ms: an election timeout of ten round trips leaves room for a lost message and a slow disk, and the price is a failover that takes seconds. Either setting, if given, wins over the preset."`
	Heartbeat       time.Duration `key:"raft.heartbeat" default:"50ms" kind:"DURATION" help:"How often a leader tells the others that it lives." note:"Less than the shortest election timeout, better a third of it. Shorter costs messages, longer leaves no room for a lost one. The same on every member."`
	Election        Range         `key:"raft.election" default:"150ms-300ms" kind:"MIN-MAX" help:"A follower that hears no leader for a random time in this range calls an election." note:"Shorter heals faster and tolerates less: a pause of the process, disk or network longer than this costs an election. Ten times the round trip between members is enough. The same on every member."`
	BatchEntries    Count         `key:"raft.max-batch-entries" default:"1024" kind:"NUMBER" help:"The most statements that one batch takes to the log." note:"Statements that wait at the same time are written and flushed together. More makes a busy cluster faster and the slowest of a batch later; 1 shows what batching is worth."`
	BatchBytes      Size          `key:"raft.max-batch-bytes" default:"1MiB" kind:"SIZE" help:"The most bytes of statements in one batch." note:"A larger statement goes alone."`
	BatchDelay      Delay         `key:"raft.max-batch-delay" default:"0s" kind:"DURATION" help:"How long a statement may wait for others to share its batch." note:"0s is right almost always: while one batch is flushed the next one gathers by itself. A delay adds to every write, and pays only where the disk can do few flushes and the clients are many."`
	QuorumTimeout   time.Duration `key:"quorum-timeout" default:"10s" kind:"DURATION" help:"How long a statement waits when there is no quorum." note:"Then it fails: with 57P03 when it was never proposed, with 40003 when it may be in the log."`
	SnapshotEntries Count         `key:"snapshot.entries" default:"10000" kind:"NUMBER" help:"How many applied entries the log keeps for followers that are behind." note:"The log is cut when it has twice as many, by whole segments (wal.segment-bytes), so it may keep up to a segment more. A follower that was away for longer gets a whole image of the database instead of the entries it missed. More costs disk, and a longer start; fewer makes images likelier."`
	SnapshotBytes   Size          `key:"snapshot.bytes" default:"64MiB" kind:"SIZE" help:"The size of the log at which it is cut even if it has fewer entries." note:"Whole segments are removed, so at least two of wal.segment-bytes remain."`
	SnapshotRate    Size          `key:"snapshot.rate" default:"64MiB" kind:"SIZE" help:"How many bytes a second an image may take on its way to a follower." note:"So that it leaves room for the log on network and disk. A 4 GiB database takes about a minute; half the network's speed is a good upper end."`
	SegmentBytes    Size          `key:"wal.segment-bytes" default:"16MiB" kind:"SIZE" help:"The size of the log's files." note:"From 12KiB to 1GiB. A new file costs three flushes, about a millisecond, so larger ones cost less; smaller ones let old entries go sooner. Two are kept ready, and count against free space."`
	MinFreeBytes    Size          `key:"disk.min-free-bytes" default:"32MiB" kind:"SIZE" help:"With less free space than this, the node takes no more writes." note:"Of the disks of data-dir and wal.dir. A leader hands over to a member that has room; when all are full, writes fail with 53100 and reads go on. Writes resume by themselves when there is room again. What is kept free lets the node record elections and lets an operator work."`
	ReaderAgeBytes  Size          `key:"reader.age-bytes" default:"1GiB" kind:"SIZE" help:"How much may be written to the database while one query reads it." note:"Then the query ends with 57014: what is written while it reads needs space on the disk, beside the database, that is free again only when no query from before is left. The age of a query is in bytes, because where nobody writes an old one costs nothing. More lets longer queries run beside many writes."`
	LogLevel        Level         `key:"log.level" default:"info" kind:"debug|info|warn|error" help:"The least important lines that are logged."`
	LogFormat       Format        `key:"log.format" default:"auto" kind:"auto|json|console" help:"The form of log lines." note:"auto is console on a terminal, JSON elsewhere."`
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
