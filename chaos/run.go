package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"quorate/chaos/cluster"
	"quorate/chaos/proxy"
)

// run is one run under way.
type run struct {
	config    Config
	network   *proxy.Network
	cluster   *cluster.Cluster
	workloads []*workload
	recorder  *recorder
	random    *rand.Rand // of the faults; the main goroutine's
	keys      int64
	report    *Report
	stop      context.CancelFunc // ends the hurting
	// clients run until clientsCtx ends; clientID is the next one's.
	clients    sync.WaitGroup
	clientsCtx context.Context
	clientID   int

	mu         sync.Mutex // guards violations
	violations []string
}

// Run carries out a run. An error says that it could not be carried out; what
// is wrong with the database is in the Report.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	r := &run{config: c, recorder: newRecorder(), random: rand.New(rand.NewPCG(c.Seed, 0)), report: newReport(&c)}
	for _, w := range workloads() {
		if slices.Contains(c.Workloads, w.name) {
			r.workloads = append(r.workloads, w)
		}
	}
	// Each client carries out one operation a pause at most; see workload.key.
	operations := int64(c.Nodes*c.Clients) * int64(c.Duration/max(c.Pause, time.Millisecond))
	r.keys = operations/operationsPerKey + 2*keysAtOnce
	r.network = proxy.New(c.Seed)
	defer r.network.Close()
	var err error
	r.cluster, err = cluster.New(cluster.Config{
		Binary: c.Binary, Dir: c.Dir, Nodes: c.Nodes, Network: r.network, Disks: slices.Contains(c.Faults, "full"),
		Flags: append(r.settings(), c.Flags...),
	})
	if err != nil {
		return nil, err
	}
	err = r.phases(ctx)
	r.report.Operations, r.report.Unknown, r.report.Failed = r.recorder.counts()
	r.report.Took = r.recorder.now()
	r.report.Elections = r.cluster.Logged(`"role":"leader"`)
	r.report.Images = r.cluster.Logged(`"image installed"`)
	r.report.Violations = r.violations
	for _, fallen := range r.cluster.Fallen() {
		r.report.Violations = append(r.report.Violations, fallen.Error())
	}
	closeErr := r.cluster.Close(err != nil || !r.report.OK())
	if err = errors.Join(err, closeErr); err != nil {
		return nil, err
	}
	return r.report, r.keep()
}

// settings are the flags of all members. Most runs have short logs, which are
// cut all the time, so that who was away needs an image of the database.
func (r *run) settings() []string {
	flags := []string{"--quorum-timeout", quorumTimeout.String()}
	const longLogs = 4 // one run in so many
	if r.random.IntN(longLogs) == 0 {
		r.report.note("members run with their usual settings")
		return flags
	}
	short := []string{"--snapshot-entries", "200", "--snapshot-bytes", "2MiB", "--wal-segment-bytes", "1MiB"}
	r.report.note("members run with %s", strings.Join(short, " "))
	return append(flags, short...)
}

// phases carries out what doc.go lists.
func (r *run) phases(ctx context.Context) error {
	for _, n := range r.cluster.Nodes {
		if err := n.Start(); err != nil {
			return err
		}
	}
	if _, err := r.awaitService(ctx); err != nil {
		return fmt.Errorf("chaos: the cluster does not start: %w", err)
	}
	if err := r.makeTables(ctx); err != nil {
		return err
	}
	var stopClients context.CancelFunc
	r.clientsCtx, stopClients = context.WithCancel(ctx)
	for _, n := range r.cluster.Nodes {
		r.startClients(n)
	}
	r.hurt(ctx)
	stopClients()
	r.clients.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.conclude(ctx)
}

// violation notes something that must not be, and ends the hurting: what is
// there now tells more than what comes after.
func (r *run) violation(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, err.Error())
	if r.stop != nil {
		r.stop()
	}
}

// hurt lets faults happen until the time is over or something is wrong.
func (r *run) hurt(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, r.config.Duration)
	defer stop()
	r.mu.Lock()
	r.stop = stop
	if len(r.violations) > 0 {
		stop()
	}
	r.mu.Unlock()
	go func() {
		select {
		case <-r.cluster.Fell():
			stop()
		case <-ctx.Done():
		}
	}()
	deck := newDeck(r)
	for ctx.Err() == nil {
		pause(ctx, quietMin+time.Duration(r.random.Int64N(int64(quietMax-quietMin))))
		if ctx.Err() == nil {
			r.inject(ctx, deck.draw())
		}
	}
}

// makeTables makes the tables of all workloads.
func (r *run) makeTables(ctx context.Context) error {
	conn, err := r.cluster.Nodes[0].Connect()
	if err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	defer conn.Close(ctx)
	for _, w := range r.workloads {
		for _, sql := range w.tables(r.keys) {
			if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
				return fmt.Errorf("chaos: make the tables of %s: %w", w.name, err)
			}
		}
	}
	return nil
}

// startClients starts clients of each workload on one member.
func (r *run) startClients(n *cluster.Node) {
	for _, w := range r.workloads {
		for range r.config.Clients {
			c := &client{run: r, workload: w, id: r.clientID, node: n, random: rand.New(rand.NewPCG(r.config.Seed, uint64(r.clientID)+1))}
			r.clientID++
			r.clients.Go(func() { c.loop(r.clientsCtx) })
		}
	}
}

// keep writes the histories beside logs and data when something was wrong.
func (r *run) keep() error {
	if r.report.OK() {
		return nil
	}
	dir := filepath.Join(r.config.Dir, "history")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	if err := r.recorder.write(dir); err != nil {
		return fmt.Errorf("chaos: keep the histories: %w", err)
	}
	return nil
}
