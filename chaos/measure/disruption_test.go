package measure

import "testing"

// TestDisruption: a late heartbeat must do nothing with pre-vote, and cost an
// election without, or the comparison compares nothing.
func TestDisruption(t *testing.T) {
	for seed := range uint64(20) {
		with, err := newDisruption(seed, true)
		if err != nil {
			t.Fatal(err)
		}
		if got := with.run(); got != (disrupted{}) {
			t.Errorf("seed %d, with pre-vote: %+v", seed, got)
		}
		without, err := newDisruption(seed, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := without.run(); !got.changed || got.terms == 0 {
			t.Errorf("seed %d, without pre-vote: %+v", seed, got)
		}
	}
}
