package sqlfsm

import (
	"fmt"
	"testing"

	"quorate/internal/value"
)

// TestFull applies entries to a database that may not grow: the batch is rolled
// back, and given again when there is room it does what it would have done at
// first.
func TestFull(t *testing.T) {
	f := openTest(t)
	var l log
	apply := func(entries []Entry) error {
		_, err := f.Apply(entries)
		return err
	}
	if err := apply(l.sql("CREATE TABLE kv(k INTEGER PRIMARY KEY, v TEXT) STRICT")); err != nil {
		t.Fatal(err)
	}
	limit := func(pages int) {
		if err := f.writer.query(fmt.Sprintf("PRAGMA max_page_count=%d", pages), func([]value.Value) {}); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // as many as there are
	before, _ := f.Applied()
	entries := l.sql("INSERT INTO kv VALUES(1, 'small')", "INSERT INTO kv VALUES(2, hex(zeroblob(100000)))")
	for range 3 {
		if err := apply(entries); !IsFull(err) {
			t.Fatalf("Apply without room: %v", err)
		}
		if now, _ := f.Applied(); now != before {
			t.Fatalf("after a batch that found no room %d is applied, before it %d was", now, before)
		}
		if got := f.Schema(); got == nil {
			t.Fatal("there is no schema")
		}
	}
	limit(1 << 20)
	results, err := f.Apply(entries)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Err != nil {
			t.Errorf("entry %d: %v", i, r.Err)
		}
	}
}
