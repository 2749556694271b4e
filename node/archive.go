package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"quorate/admin"
	"quorate/internal/errcode"
	"quorate/snapshot"
	"quorate/snapshot/archive"
)

// SaveSnapshot gives an operator the database, as an archive. It is made like an image
// for a member, into a file first: a slow client must not keep a read transaction
// open.
func (n *Node) SaveSnapshot(ctx context.Context, stale bool) (*admin.Snapshot, error) {
	if err := n.service.refusal(stale); err != nil {
		return nil, saveError(err)
	}
	if !stale {
		if err := n.CatchUp(ctx); err != nil {
			return nil, saveError(err)
		}
	}
	applied := n.progress.applied()
	if applied == 0 {
		return nil, &admin.Error{Status: http.StatusServiceUnavailable, Message: "this node has no data yet", Hint: "Save from another member."}
	}
	out, err := n.snapshots.Outgoing(ctx, applied)
	if err != nil {
		return nil, saveError(err)
	}
	now := time.Now()
	trailer := archive.AppendTrailer(nil, &archive.Meta{
		Created: now, Snapshot: out.Snapshot, Bytes: out.Bytes, SHA256: out.SHA256,
		Cluster: n.cluster, Member: n.cfg.Name, Version: n.cfg.Version, Engine: n.engine,
	})
	n.cfg.Logger.Info().Str("component", "snapshot").Uint64("index", uint64(out.Snapshot.Index)).Int64("bytes", out.Bytes).Msg("an operator saves the database")
	return &admin.Snapshot{
		ReadCloser: &savedDatabase{io.MultiReader(io.NewSectionReader(out, 0, out.Bytes), bytes.NewReader(trailer)), out},
		Bytes:      out.Bytes + int64(len(trailer)),
		Name:       fmt.Sprintf("quorate-%s-%d.db", now.UTC().Format("20060102T150405Z"), out.Snapshot.Index),
	}, nil
}

// savedDatabase is an archive that is being read.
type savedDatabase struct {
	io.Reader
	image *snapshot.Outgoing
}

func (s *savedDatabase) Close() error {
	s.image.Release()
	return nil
}

// saveError says in an operator's words why the database cannot be saved.
func saveError(err error) error {
	var known *errcode.Error
	switch {
	case errors.Is(err, snapshot.ErrNoRoom):
		return &admin.Error{Status: http.StatusInsufficientStorage, Message: err.Error(), Hint: "The node needs room for a copy of the database while it is saved: make room, or save from another member."}
	case errors.As(err, &known):
		return &admin.Error{Status: http.StatusServiceUnavailable, Message: known.Message, Hint: "Save from another member, or with --consistency stale, which saves what this node has."}
	}
	return err
}
