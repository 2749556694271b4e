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

// TestFullHalfway gives so many entries that they are more than one transaction,
// and there is room for the first alone: what those did is told all the same.
func TestFullHalfway(t *testing.T) {
	f, l := openTest(t), &log{}
	apply(t, f, l.sql("CREATE TABLE kv(k INTEGER PRIMARY KEY, v TEXT) STRICT")...)
	var entries []Entry
	for i := range batchEntries {
		entries = append(entries, l.entry(bound("INSERT INTO kv VALUES(?1, '') RETURNING k", value.Int(int64(i)))))
	}
	entries = append(entries, l.sql("INSERT INTO kv VALUES(-1, hex(zeroblob(1000000))) RETURNING k")...)
	limit := func(pages int) {
		if err := f.writer.query(fmt.Sprintf("PRAGMA max_page_count=%d", pages), func([]value.Value) {}); err != nil {
			t.Fatal(err)
		}
	}
	limit(100)
	results, err := f.Apply(entries)
	if !IsFull(err) || len(results) != batchEntries {
		t.Fatalf("%d results, %v; want those of the first transaction", len(results), err)
	}
	if got := show(results[7]); got != "1 (7)" {
		t.Errorf("entry 7: %s", got)
	}
	if now, _ := f.Applied(); now != entries[batchEntries-1].Index {
		t.Errorf("%d is applied, want %d", now, entries[batchEntries-1].Index)
	}
	limit(1 << 20)
	if results, err = f.Apply(entries[len(results):]); err != nil || show(results[0]) != "1 (-1)" {
		t.Errorf("the rest, with room: %v, %v", results, err)
	}
}
