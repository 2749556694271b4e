package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"quorate/node/driver"
	"quorate/raft"
	"quorate/snapshot"
	"quorate/sqlfsm"
	"quorate/transport"
)

// A member whose entries are no longer in the leader's log gets an image of the
// database. The leader makes one, or takes the one that another member is just
// being sent, and sends it on a connection of its own; the member installs it
// when its core has accepted it. docs of package snapshot say what a crash on
// the way leaves.

// imageRetry is the pause after an image that could not be made or sent. The core
// asks again as soon as it is told.
const imageRetry = time.Second

// imageOrder is a member that is to be sent an image. Without a member it says
// that all terms before term are over: whom this node sends an image that was
// ordered in one of them, the new leader looks after.
type imageOrder struct {
	to   raft.NodeID
	term raft.Term // in which this node leads
	// seed, when not 0, is an entry that the image must contain: the member itself
	// asks, because its database is wrong, and will ask again.
	seed raft.Index
}

// imageUnderWay is a member that is being sent an image.
type imageUnderWay struct {
	term   raft.Term
	ctx    context.Context // has ended when the image is there, or has failed
	cancel context.CancelFunc
}

// runImages sends images, each in a goroutine of its own: a slow member does not
// keep another one waiting. There is one image at a time on its way to a member;
// one that is cancelled reports nothing to the driver, whose question was another.
func (n *Node) runImages(ctx context.Context) error {
	var sending sync.WaitGroup
	defer sending.Wait()
	underWay := map[raft.NodeID]imageUnderWay{}
	var orders []imageOrder
	for {
		var ok bool
		if orders, ok = n.images.take(ctx, orders); !ok {
			return nil
		}
		for _, o := range orders {
			if image, busy := underWay[o.to]; busy && o.seed > 0 && image.ctx.Err() == nil {
				continue
			}
			for to, image := range underWay {
				if to == o.to || image.term < o.term {
					image.cancel()
					delete(underWay, to)
				}
			}
			if o.to == 0 {
				continue
			}
			ctx, cancel := context.WithCancel(ctx)
			underWay[o.to] = imageUnderWay{o.term, ctx, cancel}
			sending.Go(func() { defer cancel(); n.sendImage(ctx, o) })
		}
	}
}

// endImages ends the sending of images that belong to a leadership that is over.
// The driver's goroutine calls it.
func (n *Node) endImages(was raft.Role) {
	if was != raft.Leader {
		return
	}
	over := n.driver.Core().Term() // what comes before it
	if n.driver.Core().Role() != raft.Leader {
		over++
	}
	n.images.put(imageOrder{term: over})
}

// sendImage sends one image and tells the driver of the outcome.
func (n *Node) sendImage(ctx context.Context, o imageOrder) {
	log := n.cfg.Logger.With().Str("component", "snapshot").Str("peer", n.memberName(o.to)).Logger()
	n.metrics.imagesActive.WithLabelValues("sent").Inc()
	defer n.metrics.imagesActive.WithLabelValues("sent").Dec()
	began := time.Now()
	image, err := n.transferImage(ctx, o)
	if err != nil {
		n.metrics.images.WithLabelValues("sent", "failed").Inc()
		if ctx.Err() != nil {
			return
		}
		log.Warn().Err(err).Msg("an image of the database could not be sent; it is tried again")
		select {
		case <-time.After(imageRetry):
		case <-ctx.Done():
			return
		}
	} else {
		n.metrics.images.WithLabelValues("sent", "done").Inc()
		log.Info().Uint64("index", uint64(image.Snapshot.Index)).Int64("bytes", image.Bytes).Dur("took_ms", time.Since(began)).Msg("image sent")
	}
	n.inbox.put(func(e *driver.Events) {
		e.ImagesSent = append(e.ImagesSent, driver.ImageSent{To: o.to, Index: image.Snapshot.Index})
	})
}

// transferImage makes an image, or takes one that there is, and sends it.
func (n *Node) transferImage(ctx context.Context, o imageOrder) (snapshot.Image, error) {
	if n.quarantine.Load() != nil {
		return snapshot.Image{}, errQuarantined
	}
	base, _ := n.log.Base()
	out, err := n.snapshots.Outgoing(ctx, max(base, o.seed))
	if err != nil {
		return snapshot.Image{}, err
	}
	defer out.Release()
	if out.Snapshot.Term > o.term {
		return snapshot.Image{}, fmt.Errorf("node: the image was to be sent as the leader of term %d, and there is a later one", o.term)
	}
	h := transport.ImageHeader{Term: o.term, Snapshot: out.Snapshot, Bytes: out.Bytes, SHA256: out.SHA256}
	if err := n.transport.SendImage(ctx, o.to, h, out); err != nil {
		return snapshot.Image{}, err
	}
	return out.Image, nil
}

// makeImage makes an image of the database as it is.
func (n *Node) makeImage(ctx context.Context, path string) (snapshot.Image, error) {
	if n.quarantine.Load() != nil {
		return snapshot.Image{}, errQuarantined
	}
	began := time.Now()
	info, err := n.fsm.Image(ctx, path)
	if err != nil {
		return snapshot.Image{}, err
	}
	n.metrics.imageCreate.Observe(time.Since(began).Seconds())
	image := snapshot.Image{Snapshot: raft.Snapshot{Index: raft.Index(info.Index), Term: raft.Term(info.Term)}, Bytes: info.Bytes, SHA256: info.SHA256}
	asked := n.ask(ctx, func(core *raft.Raft) {
		if core.Status().Base <= image.Snapshot.Index {
			image.Snapshot.Configuration = core.ConfigurationAt(image.Snapshot.Index)
		} else {
			err = fmt.Errorf("the log was cut beyond the image's index, %d, while it was made", image.Snapshot.Index)
		}
	})
	if !asked {
		return snapshot.Image{}, errors.New("node: stopping")
	}
	n.metrics.imageIndex.Set(float64(info.Index))
	n.metrics.imageBytes.Set(float64(info.Bytes))
	return image, err
}

// imageSink takes the images that leaders send.
type imageSink struct{ node *Node }

func (s imageSink) Receive(h transport.ImageHeader) (transport.ImageWriter, error) {
	n := s.node
	if err := n.forgetImages(); err != nil {
		return nil, err
	}
	w, err := n.snapshots.Receive(snapshot.Header{From: h.From, Term: h.Term, Snapshot: h.Snapshot, Bytes: h.Bytes, SHA256: h.SHA256})
	log := n.cfg.Logger.With().Str("component", "snapshot").Str("peer", n.memberName(h.From)).Uint64("index", uint64(h.Snapshot.Index)).Logger()
	if err != nil {
		n.metrics.images.WithLabelValues("received", "failed").Inc()
		log.Warn().Err(err).Msg("an image of the database was refused")
		return nil, err
	}
	log.Info().Int64("bytes", h.Bytes).Int64("offset", w.Offset()).Msg("an image of the database is coming")
	n.receiving.Add(1)
	n.metrics.imagesActive.WithLabelValues("received").Inc()
	return &imageWriter{Writer: w, node: n}, nil
}

// imageWriter counts what becomes of an image.
type imageWriter struct {
	*snapshot.Writer
	node *Node
}

// Commit implements transport.ImageWriter.
func (w *imageWriter) Commit() error { return w.ended(w.Writer.Commit()) }

// Close implements transport.ImageWriter.
func (w *imageWriter) Close() error {
	return w.ended(errors.Join(w.Writer.Close(), errBrokenOff))
}

var errBrokenOff = errors.New("node: the image broke off")

func (w *imageWriter) ended(err error) error {
	result := "done"
	if err != nil {
		result = "failed"
	}
	w.node.receiving.Add(-1)
	w.node.metrics.imagesActive.WithLabelValues("received").Dec()
	w.node.metrics.images.WithLabelValues("received", result).Inc()
	if errors.Is(err, errBrokenOff) {
		return nil
	}
	return err
}

// received tells the driver of an image that is complete and durable.
func (n *Node) received(h snapshot.Header) {
	n.inbox.put(func(e *driver.Events) {
		e.Images = append(e.Images, driver.Image{Snapshot: h.Snapshot, From: h.From, Term: h.Term})
	})
	n.offer(h)
	n.chores.put(n.forgetImages)
}

// install replaces the database by an image. The applier's goroutine calls it.
func (n *Node) install(s *raft.Snapshot) error {
	q := n.quarantine.Load()
	if q != nil && q.final {
		return n.passImage(q, s)
	}
	path, ok := n.snapshots.Path(s.Index)
	if !ok {
		return fmt.Errorf("node: the image at index %d is gone, which the log begins with", s.Index)
	}
	began := time.Now()
	err := n.fsm.Install(path, uint64(s.Index), uint64(s.Term))
	if q != nil && errors.Is(err, sqlfsm.ErrUnfit) {
		n.cfg.Logger.Warn().Str("component", "snapshot").Err(err).Msg("an image cannot be installed; this node, which is quarantined, waits for another")
		return n.passImage(q, s)
	}
	if err != nil {
		return fmt.Errorf("node: the state machine cannot go on: %w", err)
	}
	n.cfg.Logger.Info().Str("component", "snapshot").Uint64("index", uint64(s.Index)).Dur("took_ms", time.Since(began)).Msg("image installed")
	n.progress.advance(s.Index)
	if q != nil { // whether it is right remains to be seen; then commands are recalled
		n.passedSome = true
		n.snapshots.Retire()
		q.seeded.Store(true)
	} else if err := n.recall(); err != nil {
		return err
	}
	n.tellApplied(driver.Applied{Index: s.Index, Term: s.Term})
	return n.forgetImages()
}

// forgetImages removes received images that the database has reached, by them or
// without: the core does not need every image that comes.
func (n *Node) forgetImages() error {
	applied, _ := n.fsm.Applied()
	through := raft.Index(applied)
	if q := n.discarding(); q != nil && !q.final {
		// One at the applied index may be the one that is waited for.
		through = raft.Index(max(q.floor.Load(), 1) - 1)
	}
	if err := n.snapshots.Forget(through); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	return nil
}
