package sim

import "fmt"

// trace keeps the last lines of what happened, one a change of state, and
// hands every one to out if there is one.
type trace struct {
	out   func(line string)
	lines []string
	next  int
}

// traceKept is how many lines a failure shows.
const traceKept = 60

func (t *trace) add(now Time, format string, args ...any) {
	line := fmt.Sprintf("%3d.%06d ", now/Second, now%Second) + fmt.Sprintf(format, args...)
	if t.out != nil {
		t.out(line)
	}
	if len(t.lines) < traceKept {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.next] = line
	t.next = (t.next + 1) % traceKept
}

// tail returns the kept lines, oldest first.
func (t *trace) tail() []string {
	return append(append([]string(nil), t.lines[t.next:]...), t.lines[:t.next]...)
}
