package chaos

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// verifyTimeout bounds the comparison at the end; the tables are small.
const verifyTimeout = 2 * time.Minute

// verify has the members compared by quorate verify: all tables, all rows, at one
// index. The tables of the workloads were read by a client before; this is the
// whole of the database, and how an operator would look at it.
func (r *run) verify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	output, code, err := r.cluster.Nodes[0].Command(ctx, "verify")
	if err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	output = strings.TrimSpace(output)
	r.report.note("quorate verify, exit code %d:\n%s", code, indent(output))
	if code != 0 {
		r.violation(fmt.Errorf("quorate verify ends with exit code %d:\n%s", code, output))
	}
	return nil
}

// indent sets a text off from what is around it.
func indent(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.TrimSpace(line) != "" {
			lines[i] = "  " + line
		}
	}
	return strings.Join(lines, "")
}
