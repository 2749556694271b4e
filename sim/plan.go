package sim

import (
	"math/rand/v2"

	"quorate/raft"
	"quorate/raft/wal"
)

// plan is what a seed draws before its run begins: how large the cluster is,
// how it is set, how often what goes wrong, and what the clients do. Seeds are
// different on purpose (swarm testing): where everything goes wrong at once,
// some faults keep others from having any effect.
type plan struct {
	nodes    int
	duration Time // of the part with faults

	raft     raft.Config // ID and Rand are each node's
	wal      wal.Options // FS and Dir are each node's
	interval Time        // of ticks

	faults Faults
	every  [32]Time // mean time between faults of a kind

	lossPercent, duplicatePercent, delayPercent int
	latency                                     Time // mean of one message's way
	maxDelay                                    Time // of a delayed message
	fsync                                       Time // mean
	repair                                      Time // mean time that a node stays down
	partitionTime                               Time // mean
	pauseTime                                   Time // mean
	churnTime                                   Time // mean time that a leader lasts
	checkpointEvery                             int  // entries between two of the state machine's checkpoints

	batchEntries, snapshotEntries int
	snapshotBytes                 int64
	imageTime                     Time // mean

	clients     int
	thinkTime   Time // mean, between a client's operations
	patience    Time // how long a client waits
	keys        int
	readPercent int
}

// drawFaults draws which faults a run may have: each is left out of half
// of the runs, and one run in eight has none.
func drawFaults(r *rand.Rand) Faults {
	if r.IntN(8) == 0 {
		return 0
	}
	var f Faults
	(AllFaults &^ restlessFaults &^ laterFaults).each(func(kind Faults) {
		if r.IntN(2) == 0 {
			f |= kind
		}
	})
	return f
}

// drawPlan draws everything, in an order that depends on nothing, so that a
// fault that is turned off changes nothing else.
func drawPlan(r *rand.Rand, o *Options) plan {
	between := func(lo, hi Time) Time { return lo + Time(r.Int64N(int64(hi-lo)+1)) }
	p := plan{
		nodes:    []int{1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7}[r.IntN(12)],
		duration: between(10*Second, 40*Second),
		interval: 10 * Millisecond,
		faults:   drawFaults(r),
	}
	p.raft = raft.Config{
		ElectionTicks: 10 + r.IntN(10), HeartbeatTicks: 2 + r.IntN(4),
		MaxEntriesPerMessage: 1 + r.IntN([]int{1, 8, 64}[r.IntN(3)]), MaxInflightMessages: 1 + r.IntN(16),
		MaxBytesPerMessage: 200 + r.IntN(5000), MaxInflightBytes: 1000 + r.IntN(50_000),
		MaxUncommittedBytes: 2000 + r.IntN(60_000), MaxUnappliedBytes: 1000 + r.IntN(100_000), MaxCachedBytes: 1 + r.IntN(20_000),
	}
	p.wal = wal.Options{
		SegmentBytes: []int64{12 << 10, 16 << 10, 64 << 10}[r.IntN(3)], CacheBytes: 1 + r.IntN(10_000),
		SegmentsAhead: 1 + r.IntN(2), InlineAhead: true,
	}
	for i := range p.every {
		p.every[i] = between(300*Millisecond, 6*Second)
	}
	p.lossPercent, p.duplicatePercent, p.delayPercent = r.IntN(31), r.IntN(51), r.IntN(30)
	p.latency = []Time{50, 300, 2000, 10_000}[r.IntN(4)]
	p.maxDelay = between(50*Millisecond, 3*Second)
	p.fsync = []Time{100, 500, 3000, 15_000}[r.IntN(4)]
	p.repair = between(20*Millisecond, 3*Second)
	p.partitionTime = between(100*Millisecond, 4*Second)
	p.pauseTime = between(50*Millisecond, 2*Second)
	// From before a new leader's first message arrives to after it has committed.
	p.churnTime = (p.latency + p.fsync) * []Time{1, 3, 10, 50}[r.IntN(4)]
	p.batchEntries = 1 + r.IntN(200)
	p.snapshotEntries, p.snapshotBytes = []int{1, 10, 50, 200, 0}[r.IntN(5)], []int64{30 << 10, 100 << 10, 0}[r.IntN(3)]
	p.imageTime = between(5*Millisecond, 800*Millisecond)
	p.checkpointEvery = 1 + r.IntN(300)
	p.clients = 1 + r.IntN(8)
	p.thinkTime = between(2*Millisecond, 60*Millisecond)
	p.patience = between(200*Millisecond, 6*Second)
	p.keys = 1 + r.IntN(5)
	p.readPercent = 10 + r.IntN(60)

	// From a source of its own: a seed that is not restless is the run that it
	// would be without this.
	if own := rand.New(rand.NewPCG(o.Seed, 2)); o.Restless || own.IntN(4) == 0 {
		p.makeRestless(own)
	}
	if own := rand.New(rand.NewPCG(o.Seed, 3)); p.faults != 0 && own.IntN(2) == 0 {
		p.faults |= Repeats
	}
	if p.faults&Membership != 0 {
		// A damaged member and a removed one could be too many together.
		p.faults &^= BitFlips
	}
	p.faults &= o.Faults
	if o.Nodes > 0 {
		p.nodes = o.Nodes
	}
	if o.Duration > 0 {
		p.duration = o.Duration
	}
	return p
}

// makeRestless makes leaders follow each other quickly and leave their entries
// on few nodes, one message an entry: the histories in which the rules matter
// that most runs never need.
func (p *plan) makeRestless(r *rand.Rand) {
	p.nodes = []int{3, 3, 4, 5, 5}[r.IntN(5)]
	p.duration = 2*Second + Time(r.Int64N(int64(8*Second)))
	p.raft.ElectionTicks, p.raft.HeartbeatTicks = 3+r.IntN(4), 1+r.IntN(2)
	p.raft.MaxEntriesPerMessage = 1 + r.IntN(2)
	p.latency = []Time{300, 2000, 5000}[r.IntN(3)]
	p.fsync = []Time{100, 500, 3000}[r.IntN(3)]
	p.lossPercent, p.maxDelay = r.IntN(10), 50*Millisecond+Time(r.Int64N(int64(500*Millisecond)))
	// Many commands that nobody waits for: those who are cut off go on writing.
	p.clients, p.thinkTime = 4+r.IntN(12), 2*Millisecond+Time(r.Int64N(int64(20*Millisecond)))
	p.patience = 20*Millisecond + Time(r.Int64N(int64(500*Millisecond)))
	p.readPercent = 10 + r.IntN(30)
	p.faults |= restlessFaults | GiveUps
	if r.IntN(2) == 0 { // nothing else, for other faults hide these
		p.faults &= restlessFaults | GiveUps | Delays | Duplicates | Crashes | TornWrites | Stalls | Membership
	}
}

// calm is the plan of a scenario: nothing happens that it does not ask for.
func calm(nodes int) plan {
	return plan{
		nodes:    nodes,
		interval: 10 * Millisecond,
		raft:     raft.Config{ElectionTicks: 15, HeartbeatTicks: 5},
		wal:      wal.Options{SegmentBytes: 16 << 10, InlineAhead: true},
		latency:  300 * Microsecond, fsync: 500 * Microsecond,
		imageTime: 20 * Millisecond, checkpointEvery: 100, patience: 5 * Second, keys: 3,
	}
}
