package pgwire

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Durations are read with and without units, and shown with the largest unit
// that divides them.
func TestDuration(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"0", "0"}, {"0s", "0"}, {"250", "250ms"}, {"1000", "1s"}, {"90s", "90s"}, {"120 s", "2min"}, {"1.5min", "90s"},
		{"36h", "36h"}, {"48h", "2d"}, {"400us", "0"}, {"600us", "1ms"}, {" 5 ms ", "5ms"},
		{"", ""}, {"s", ""}, {"5 parsecs", ""}, {"5S", ""}, {"-1", ""}, {"nan", ""}, {"inf", ""}, {"1e300", ""}, {"25d", ""}, {"0x10", ""},
	} {
		got, err := duration(test.in)
		if (err != nil) != (test.want == "") || got != test.want {
			t.Errorf("%q: got %q, %v; want %q", test.in, got, err, test.want)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.Int64Range(0, 1<<31-1).Draw(r, "milliseconds")
		shown, err := duration(strconv.FormatInt(n, 10))
		if err != nil || durationOf(shown) != time.Duration(n)*time.Millisecond {
			r.Fatalf("%d ms is shown as %q, which is read as %v, %v", n, shown, durationOf(shown), err)
		}
	})
}

// What a setting shows, it takes, and shows the same again: clients save and
// restore settings that way.
func TestSettingsShowWhatTheyTake(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		def := &settingTable[rapid.IntRange(0, len(settingTable)-1).Draw(r, "setting")]
		if def.check == nil {
			r.Skip()
		}
		value := rapid.OneOf(
			rapid.SampledFrom([]string{"on", "f", "1", "-5", "2min", "1500", "ISO, DMY", "utf-8", "Europe/Berlin", "-3.5", "<+02>-02",
				"read committed", "stale", "hex", "warning", "postgres", "", "none", "'x'"}),
			rapid.String(),
		).Draw(r, "value")
		s := newSettings()
		if s.set(def.name, value) != nil {
			if _, changed := s.session[strings.ToLower(def.name)]; changed {
				r.Fatalf("%s was changed by a value that was refused", def.name)
			}
			return
		}
		shown, _ := s.get(def.name)
		if err := s.set(def.name, shown); err != nil {
			r.Fatalf("%s shows %q and does not take it: %v", def.name, shown, err)
		}
		if again, _ := s.get(def.name); again != shown {
			r.Fatalf("%s shows %q, and set to that %q", def.name, shown, again)
		}
		env := s.environment()
		if env.encoding.Location == nil {
			r.Fatalf("TimeZone %q has no location", env.timeZone)
		}
	})
}

// The table's own defaults pass its checks, and the names of the statuses are
// in it.
func TestSettingTable(t *testing.T) {
	for _, def := range settingTable {
		if def.check == nil || def.name == "transaction_read_only" {
			continue // made up by the session
		}
		if got, err := def.check(def.initial); err != nil || got != def.initial {
			t.Errorf("%s: the default %q becomes %q, %v", def.name, def.initial, got, err)
		}
	}
	for _, name := range reported {
		if def := settingByName[strings.ToLower(name)]; def == nil || def.name != name {
			t.Errorf("%s is reported and not in the table", name)
		}
	}
	if !slices.IsSortedFunc(settingTable, func(a, b setting) int {
		return strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name))
	}) {
		t.Error("the table is not in the order of its names")
	}
}

// The options of a startup packet are words of a command line.
func TestSplitOptions(t *testing.T) {
	for _, test := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"  ", nil},
		{"-c a=b", []string{"-c", "a=b"}},
		{`-c a=b\ c  --d=e`, []string{"-c", "a=b c", "--d=e"}},
		{`a\\b\`, []string{`a\b\`}},
		{`\ `, []string{" "}},
	} {
		if got := splitOptions(test.in); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.in, got, test.want)
		}
	}
}
