package node

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"quorate/internal/exitcode"
	"quorate/internal/vfs"
	"quorate/raft"
	"quorate/raft/wal"
	"quorate/sqlfsm"
)

// Recovery from a lost quorum: when a majority of the voters is gone for good,
// nothing can be committed any more, not even a change of the members. Then an
// operator may decide that what one survivor has is the truth from now on, and
// make it a cluster of one. This is the only place where Quorate lets go of
// what a majority has promised, so nothing but quorate recover calls it.
// docs/operate/recover.md says when, and what is lost.

// Remains is what one member still has of its cluster. While it is open, no
// node can run on the directory.
type Remains struct {
	Self          raft.Member
	Cluster       [16]byte
	Configuration raft.Configuration // the newest that this member knows and is in
	// Term is the highest term that it has seen; LastTerm that of its last entry.
	// Of two survivors, the one with the higher LastTerm knows more and, of equal
	// ones, the one with the higher Last.
	Term, LastTerm raft.Term
	// Last is its last entry; Commit is known to be committed, later ones may be;
	// Applied is what its database contains.
	Last, Commit, Applied raft.Index

	options wal.Options
	lock    io.Closer
}

// OpenRemains looks at the data directory of a node that does not run. Errors
// are *exitcode.Error.
func OpenRemains(dataDir, walDir string) (*Remains, error) {
	return openRemains(vfs.OS{}, dataDir, walDir)
}

func openRemains(fsys vfs.FS, dataDir, walDir string) (r *Remains, err error) {
	unusable := func(err error, hint string) error {
		return &exitcode.Error{Code: exitcode.DataDir, Err: fmt.Errorf("data directory %s: %w", dataDir, err), Hint: hint}
	}
	exists, err := wal.Exists(fsys, walDir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !exists {
		return nil, unusable(fmt.Errorf("there is no log in %s", walDir), "Give the --data-dir, and the --wal-dir if it has one, of a member that has survived.")
	}
	if err != nil {
		return nil, unusable(err, "")
	}
	r = &Remains{options: wal.Options{FS: fsys, Dir: walDir}}
	if r.lock, err = fsys.Lock(filepath.Join(dataDir, "LOCK")); err != nil {
		if errors.Is(err, vfs.ErrLocked) {
			err = errors.New("a process is using it")
		}
		return nil, unusable(err, "Stop the node first: recovery is for a node that does not run.")
	}
	if m, err := readMemory(fsys, dataDir); err != nil || m.Quarantined {
		r.Close()
		return nil, unusable(cmp.Or(err, errQuarantined), "Recover another survivor, if there is one: this one's database is not what a majority had.")
	}
	if err := r.read(filepath.Join(dataDir, "db", "quorate.db")); err != nil {
		r.Close()
		hint := "Recover another survivor, if there is one."
		if errors.Is(err, errApart) {
			hint = "Start the node once, so that it installs an image that it may have received, and stop it again. If that does not help, recover another survivor."
		}
		return nil, unusable(err, hint)
	}
	if r.Self.ID == 0 {
		r.Close()
		return nil, unusable(errors.New("this node is no member of the cluster that it knows: it never joined, or was removed"), "Recover a member that has survived.")
	}
	return r, nil
}

// read fills in what database and log say.
func (r *Remains) read(database string) error {
	applied, appliedTerm, err := databasePosition(r.options.FS, database)
	if err != nil {
		return err
	}
	log, err := wal.Open(r.options)
	if err != nil {
		return err
	}
	defer log.Close() // nothing was appended
	state, err := log.State(applied)
	if err != nil {
		return fmt.Errorf("%w: the database ends at entry %d: %w", errApart, applied, err)
	}
	if own := termAt(&state, applied); applied > state.Base && own != appliedTerm {
		return fmt.Errorf("the database belongs to another log: it has applied entry %d of term %d, which here has term %d", applied, appliedTerm, own)
	}
	identity := log.Identity()
	r.Cluster = identity.Cluster
	r.findSelf(identity.Node, &state)
	r.Term, r.Commit = state.HardState.Term, max(state.HardState.Commit, applied)
	r.Last, r.LastTerm, r.Applied = state.Last, state.BaseTerm, applied
	if n := len(state.Runs); n > 0 {
		r.LastTerm = state.Runs[n-1].Term
	}
	return nil
}

// errApart says that the log does not go on where the database ends.
var errApart = errors.New("database and log do not fit together")

// findSelf takes the newest configuration that has this member. One without it
// that is not known to be committed may never have been: the lost majority
// cannot say.
func (r *Remains) findSelf(id raft.NodeID, state *raft.State) {
	for _, c := range slices.Backward(state.Configurations) {
		r.Configuration = c.Configuration
		if r.Self, _ = c.Configuration.Member(id); r.Self.ID != 0 || c.Index <= state.HardState.Commit {
			return
		}
	}
}

// databasePosition returns the last entry that a database contains; 0 if there
// is none yet.
func databasePosition(fsys vfs.FS, path string) (raft.Index, raft.Term, error) {
	if _, err := fsys.Size(path); errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	} else if err != nil {
		return 0, 0, err
	}
	fsm, err := sqlfsm.Open(path, sqlfsm.Options{})
	if err != nil {
		return 0, 0, err
	}
	index, term := fsm.Applied()
	return raft.Index(index), raft.Term(term), fsm.Close()
}

// Others are the members that will be gone, sorted by name.
func (r *Remains) Others() []raft.Member {
	others := slices.DeleteFunc(slices.Clone(r.Configuration.Members), func(m raft.Member) bool { return m.ID == r.Self.ID })
	slices.SortFunc(others, func(a, b raft.Member) int { return cmp.Compare(a.Name, b.Name) })
	return others
}

// Force makes a cluster of this member alone. Everything in its log counts as
// committed from now on. The others are removed for good: one that comes back
// is told so, and must begin anew with an empty directory.
func (r *Remains) Force() (raft.Index, error) {
	self := r.Self
	self.Suffrage = raft.Voter
	alone := raft.Configuration{Members: []raft.Member{self}, Removed: slices.Clone(r.Configuration.Removed)}
	for _, m := range r.Others() {
		alone.Removed = append(alone.Removed, m.ID)
	}
	alone.Removed = alone.Removed[max(0, len(alone.Removed)-removedMax):]
	index, err := wal.ForceConfiguration(r.options, alone)
	if err != nil {
		return 0, exitError(fmt.Errorf("recover: %w", err))
	}
	return index, nil
}

// removedMax is how many removed members a configuration names at most
// (raft.Configuration).
const removedMax = 64

// Close lets go of the directory.
func (r *Remains) Close() {
	r.lock.Close() // the kernel lets go of it anyway
}
