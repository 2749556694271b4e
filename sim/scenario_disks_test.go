package sim

import (
	"math/rand/v2"
	"syscall"
	"testing"

	"quorate/internal/vfs"
	"quorate/raft"
)

// behind makes a follower miss so much that its leader has cut what it misses.
func (s *scenario) behind() (leader, follower *node) {
	leader = s.elect()
	follower = s.others(leader)[0]
	follower.crash(powerLoss, s.rand)
	s.confirmMany(leader, 400)
	s.await("the log to be cut", 5*Second, func() bool { return leader.core.Status().Base > follower.machine.index })
	return leader, follower
}

func cutting(nodes int) plan {
	p := calm(nodes)
	p.snapshotEntries, p.wal.SegmentBytes = 10, 12<<10
	return p
}

// 21. A follower was away until the log was cut. It gets an image; the connection
// breaks again and again; writes are not held up. (Chunks are the transport's:
// TestImageResumes there.)
func TestScenario21FollowerGetsImage(t *testing.T) {
	p := cutting(3)
	p.imageTime = 100 * Millisecond
	playWith(t, p, func(s *scenario) {
		leader, follower := s.behind()
		follower.start()
		for range 5 {
			s.run(40 * Millisecond)
			s.cutLink(leader, follower)
			s.run(30 * Millisecond)
			s.healLinks()
		}
		call := s.begin(leader)
		s.await("a write while an image is on its way", 200*Millisecond, func() bool { return call.settled })
		s.await("the follower to be up to date", 10*Second, func() bool { return follower.machine.index == leader.machine.index })
		s.end()
	})
}

// 22. A crash at every moment between an image's arrival and its installation,
// while logs are cut.
func TestScenario22CrashWhileInstalling(t *testing.T) {
	for crashAfter := range Time(24) {
		playWith(t, cutting(3), func(s *scenario) {
			leader, follower := s.behind()
			follower.start()
			s.await("an image", 5*Second, func() bool { return len(follower.images) > 0 })
			s.run(crashAfter * 150 * Microsecond)
			follower.crash(crashMode(crashAfter%2), rand.New(rand.NewPCG(uint64(crashAfter), 0)))
			follower.start()
			s.await("the follower to be up to date", 10*Second, func() bool { return follower.machine.index == leader.machine.index })
			s.end()
		})
	}
}

// 23. The log's end is torn in any way. (raft/wal tries every one.)
func TestScenario23TornTail(t *testing.T) {
	p := calm(3)
	p.faults = TornWrites
	p.clients, p.thinkTime, p.readPercent = 10, 2*Millisecond, 20
	playWith(t, p, func(s *scenario) {
		s.startClients()
		for i := range 60 {
			s.run(Time(50+s.rand.IntN(100)) * Millisecond)
			n := s.nodes[i%3]
			n.crash(powerLoss, s.rand)
			n.start()
			if n.dead {
				s.fail("%v does not start after a torn write", n)
			}
		}
		s.healing = true
		s.end()
	})
}

// 24. A bit flips in what a follower has acknowledged: it refuses to start, and
// the others go on. (Pages of the database: sqlfsm.)
func TestScenario24BitFlip(t *testing.T) {
	p := calm(3)
	p.wal.SegmentBytes = 12 << 10
	playWith(t, p, func(s *scenario) {
		leader := s.elect()
		s.confirmMany(leader, 200)
		victim := s.others(leader)[0]
		victim.crash(powerLoss, s.rand)
		s.oracle.of(victim).damaged = true
		const inTheFirstRecords = 4096 + 100
		if err := victim.disk.FlipBit(logDir+"/0000000000000001.wal", inTheFirstRecords, 3); err != nil {
			t.Fatal(err)
		}
		victim.start()
		if victim.up || !victim.dead {
			s.fail("a node starts with a damaged log")
		}
		s.confirmMany(leader, 10)
		s.end()
	})
}

// 25. An fsync fails once. The node stops at once and acknowledges nothing of it;
// the next fsync would have said that all is well.
func TestScenario25SyncFailsOnce(t *testing.T) {
	play(t, 3, func(s *scenario) {
		leader := s.elect()
		victim := s.others(leader)[0]
		victim.fault = func(op vfs.Op) vfs.Fault {
			if op.Kind != vfs.OpSync {
				return vfs.Fault{}
			}
			victim.fault = nil
			return vfs.Fault{Err: syscall.EIO, Forget: true}
		}
		call := s.begin(leader)
		s.await("the node to stop", Second, func() bool { return !victim.up })
		s.await("the write", Second, func() bool { return call.settled })
		s.end()
	})
}

// 26. The leader's disk is full: leadership moves. All disks are full: writes
// fail, at once, and reads work. There is room again: writes go on by themselves.
func TestScenario26DisksFull(t *testing.T) {
	p := calm(3)
	p.wal.SegmentBytes = 12 << 10
	playWith(t, p, func(s *scenario) {
		leader := s.elect()
		// Room for what is under way, and for elections, as the reserve that a node
		// keeps free.
		fill := func(n *node) { n.disk.SetCapacity(used(n.disk) + minFree - 1) }
		fill(leader)
		s.await("leadership to move", 3*Second, func() bool { l := s.leader(); return l != nil && l != leader })
		for _, n := range s.nodes {
			fill(n)
		}
		refused := false
		for range 20 {
			call := s.begin(s.nodes[0])
			s.runUntil(2*Second, func() bool { return call.settled })
			if refused = s.oracle.never[call.op.command]; refused {
				break
			}
		}
		if !refused {
			s.fail("no write was refused though all disks are full:%s", s.describe())
		}
		read := s.probe(s.leader()) // a follower needs room for what it lacks
		s.await("a read while all disks are full", 2*Second, func() bool { return read.over })
		for _, n := range s.nodes {
			n.disk.SetCapacity(0)
		}
		s.run(2 * Second)
		s.confirm(s.nodes[0])
		s.end()
	})
}

// 27. The leader's disk hangs for 30 seconds.
func TestScenario27LeaderDiskHangs(t *testing.T) {
	play(t, 3, func(s *scenario) {
		leader := s.elect()
		leader.stalledUntil = s.now + 30*Second
		call := s.begin(leader)
		s.await("another leader", 2*Second, func() bool { l := s.leader(); return l != nil && l != leader && leader.core.Role() != raft.Leader })
		s.confirm(s.leader())
		s.run(30 * Second)
		s.await("the write", 2*Second, func() bool { return call.settled })
		s.end()
	})
}
