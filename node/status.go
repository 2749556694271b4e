package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"quorate/admin"
	"quorate/raft"
)

var _ admin.Source = (*Node)(nil)

// observe shows the core to the rest of the node: when something that others
// ask for has changed, and on every tick. The driver's goroutine calls it.
func (n *Node) observe(ticked bool) {
	old := n.view.Load().raft
	core := n.driver.Core()
	changed := old.Role != core.Role() || old.Term != core.Term() || old.Leader != core.Leader()
	if !changed && !ticked {
		return
	}
	n.showCore()
	if ticked {
		n.showMembers(n.view.Load().raft.Configuration)
		n.showPeers()
		n.watchRemoval()
	}
	if changed {
		n.logRole(old)
		n.endImages(old.Role)
	}
}

// removedGrace is how long a node that was removed goes on: for the answer to
// whoever has asked for it.
const removedGrace = 500 * time.Millisecond

// watchRemoval ends a node that was removed from the cluster.
func (n *Node) watchRemoval() {
	if n.removed || !n.driver.Core().Removed() {
		return
	}
	n.removed = true
	n.cfg.Logger.Warn().Str("component", "raft").Msg("this node was removed from the cluster; it stops")
	n.endSessions()
	time.AfterFunc(removedGrace, func() { n.end(errRemoved()) })
}

func (n *Node) showCore() {
	n.view.Store(&view{raft: n.driver.Core().Status(), stalls: n.driver.Stalls()})
}

// logRole tells of a change of leader; other changes are details.
func (n *Node) logRole(old raft.Status) {
	now := n.view.Load().raft
	level := n.cfg.Logger.Debug()
	if old.Leader != now.Leader {
		level = n.cfg.Logger.Info()
	}
	leader := ""
	if m, ok := n.member(now.Leader); ok {
		leader = m.Name
	}
	level.Str("component", "raft").Uint64("term", uint64(now.Term)).Stringer("role", now.Role).Str("leader", leader).Msg("role")
}

// Status describes this node.
func (n *Node) Status() admin.Status {
	v := n.view.Load().raft
	leader, _ := n.member(v.Leader)
	walBytes, _ := n.log.Size()
	return admin.Status{
		Name: n.cfg.Name, ID: n.id.String(), ClusterID: fmt.Sprintf("%x", n.cluster), PID: os.Getpid(),
		Role: v.Role.String(), Leader: leader.Name,
		Term: uint64(v.Term), LastIndex: uint64(v.Last), CommitIndex: uint64(v.Commit), AppliedIndex: uint64(n.progress.applied()),
		SchemaIndex: n.fsm.Schema().Version, DBBytes: n.fsm.Size(), WALBytes: walBytes,
		SQLAddr: n.cfg.SQLAdvertise, PeerAddr: n.cfg.PeerAdvertise, AdminAddr: n.cfg.AdminAdvertise,
		Version: n.cfg.Version, SQLite: n.engine,
		Started: n.started, UptimeSecs: time.Since(n.started).Seconds(),
		Alarms: n.alarms(), Notes: n.engineNotes(),
	}
}

// alarms are what is wrong with this node's data.
func (n *Node) alarms() []string {
	if err := n.divergenceAlarm(); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// Cluster describes what this node believes of every member.
func (n *Node) Cluster() []admin.Member {
	var out []admin.Member
	for _, m := range byName(n.members.Load().Configuration) {
		out = append(out, n.memberRow(m))
	}
	return out
}

// memberRow describes a member.
func (n *Node) memberRow(m raft.Member) admin.Member {
	v := n.view.Load().raft
	row := admin.Member{
		Name: m.Name, ID: m.ID.String(), Suffrage: m.Suffrage.String(), PeerAddr: m.Address,
		Leader: m.ID == v.Leader, Self: m.ID == n.id,
	}
	if row.Self {
		row.SQLAddr, row.AdminAddr, row.Connected = n.cfg.SQLAdvertise, n.cfg.AdminAdvertise, true
	}
	for _, p := range n.transport.Peers() {
		if p.ID == m.ID {
			row.SQLAddr, row.AdminAddr, row.Connected = p.Hello.SQLAddr, p.Hello.AdminAddr, p.Connected
		}
	}
	for _, p := range v.Peers {
		if p.ID == m.ID {
			row.Match = uint64(p.Match)
		}
	}
	return row
}

// readyTimeout bounds the question that /readyz asks the cluster.
const readyTimeout = time.Second

// Checks are the reasons for which this node is ready to serve, or not.
func (n *Node) Checks() []admin.Check {
	v := n.view.Load().raft
	var leader, applied, sessions error
	if n.draining.Load() {
		sessions = errors.New("this node is draining: it takes no sessions")
	}
	if v.Leader == 0 {
		leader = errors.New("no leader is known")
	}
	if behind := v.Commit - min(v.Commit, n.progress.applied()); behind > maxBehindReady {
		applied = fmt.Errorf("%d committed entries are not applied yet", behind)
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	read := n.CatchUp(ctx)
	if errors.Is(read, context.DeadlineExceeded) {
		read = fmt.Errorf("no read was confirmed by a quorum and ready to be answered here within %v", readyTimeout)
	}
	return []admin.Check{{Name: "leader", Err: leader}, {Name: "divergence", Err: n.divergenceAlarm()}, {Name: "engine", Note: strings.Join(n.engineNotes(), "; ")}, {Name: "applied", Err: applied}, {Name: "read_index", Err: read}, {Name: "disk", Err: n.disk.full()}, {Name: "sessions", Err: sessions}}
}

// maxBehindReady is how many committed entries a ready node may still have to
// apply: what a busy one has in its queue.
const maxBehindReady = 10_000
