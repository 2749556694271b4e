package sim

import "fmt"

// Totals add up results.
type Totals struct {
	Seeds, Events, Elections, Crashes, Writes, Reads, Recalled int
	Time                                                       Time
	Injected                                                   FaultCounts
	Violations                                                 int
}

// Add adds a result.
func (t *Totals) Add(r *Result) {
	t.Seeds++
	t.Events += r.Events
	t.Elections += r.Elections
	t.Crashes += r.Crashes
	t.Writes += r.Writes
	t.Reads += r.Reads
	t.Recalled += r.Recalled
	t.Time += r.Time
	t.Injected.Add(&r.Injected)
	if r.Violation != "" {
		t.Violations++
	}
}

func (t *Totals) String() string {
	return fmt.Sprintf("seeds %d, events %d, virtual hours %.2f, writes %d (%d out of images), reads %d, elections %d, crashes %d; faults: %v; violations %d",
		t.Seeds, t.Events, float64(t.Time)/float64(Second)/3600, t.Writes, t.Recalled, t.Reads, t.Elections, t.Crashes, &t.Injected, t.Violations)
}
