package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What one generator makes is the same for the same seed, stays within its
// keys, and never writes a value twice.
func TestGenerator(t *testing.T) {
	for _, workload := range Workloads {
		t.Run(workload.Name, func(t *testing.T) {
			one, two := NewGenerator(7, 1000, 100), NewGenerator(7, 1000, 100)
			values := map[string]bool{}
			for range 200 {
				op, same := one.Next(&workload), two.Next(&workload)
				if !equalOps(op, same) {
					t.Fatal("the same seed made different operations")
				}
				checkOp(t, op, &workload, values)
			}
		})
	}
}

func equalOps(a, b Op) bool {
	return a.SQL == b.SQL && slices.EqualFunc(a.Args, b.Args, func(x, y [][]byte) bool {
		return slices.EqualFunc(x, y, slices.Equal[[]byte])
	})
}

func checkOp(t *testing.T, op Op, workload *Workload, values map[string]bool) {
	if len(op.Args) != workload.PerOp {
		t.Fatalf("an operation with %d executions counts as %d", len(op.Args), workload.PerOp)
	}
	last := -1
	for _, args := range op.Args {
		key, err := strconv.Atoi(string(args[0]))
		if err != nil || key < 0 || key >= 1000 {
			t.Fatalf("key %q", args[0])
		}
		if key <= last {
			t.Fatalf("key %d after %d: two transactions could deadlock", key, last)
		}
		last = key
		if op.SQL == readSQL {
			continue
		}
		if value := string(args[1]); len(value) != 100 || values[value] {
			t.Fatalf("value %q: a repeated value is not written at all", value)
		}
		values[string(args[1])] = true
	}
}

// Few keys and short values are possible too.
func TestGeneratorSmall(t *testing.T) {
	workload, err := Lookup("txn100")
	if err != nil {
		t.Fatal(err)
	}
	g := NewGenerator(1, 1, 1)
	if op := g.Next(&workload); string(op.Args[0][0]) != "0" || len(op.Args[0][1]) != stampBytes {
		t.Errorf("operation %q", op.Args[0])
	}
}

func TestLookupNamesWhatThereIs(t *testing.T) {
	_, err := Lookup("wirte")
	if err == nil || !strings.Contains(err.Error(), "write, read, mixed, txn100") {
		t.Errorf("Lookup of an unknown name: %v", err)
	}
}

// fakeServer answers at once, and fails as told.
type fakeServer struct {
	mu    sync.Mutex // guards the fields below
	dials []string
	ops   int
	fail  func(op int) error // what the n-th operation returns
	down  bool               // dials fail
}

type fakeConn struct {
	server *fakeServer
	broken bool
}

func (s *fakeServer) dial(_ context.Context, url string) (Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errors.New("connection refused")
	}
	s.dials = append(s.dials, url)
	return &fakeConn{server: s}, nil
}

var errCut = errors.New("connection cut")

func (c *fakeConn) Run(context.Context, Op) error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.ops++
	err := c.server.fail(c.server.ops)
	c.broken = errors.Is(err, errCut)
	return err
}

func (c *fakeConn) Broken() bool { return c.broken }
func (c *fakeConn) Close()       {}

func config(t *testing.T, s *fakeServer, workload string) Config {
	w, err := Lookup(workload)
	if err != nil {
		t.Fatal(err)
	}
	return Config{Dial: s.dial, URLs: []string{"a", "b"}, Workload: w, Clients: 3, Duration: 20 * time.Millisecond, Keys: 1000, ValueBytes: 20}
}

// Clients are spread over the URLs, every operation is counted, and a
// transaction counts as its rows.
func TestRunCountsOperations(t *testing.T) {
	server := &fakeServer{fail: func(int) error { return nil }}
	r, err := Run(t.Context(), config(t, server, "txn100"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(server.dials); got != "[a b a]" {
		t.Errorf("dialled %s", got)
	}
	if r.Operations != int64(server.ops) || r.Errors != 0 {
		t.Errorf("counted %d operations and %d errors of %d", r.Operations, r.Errors, server.ops)
	}
	if rows := r.PerSecond * r.Elapsed.Seconds(); int64(rows+0.5) != 100*r.Operations {
		t.Errorf("%v rows in %d operations", rows, r.Operations)
	}
	if r.P50 <= 0 || r.P50 > r.P99 || r.P99 > r.Max {
		t.Errorf("p50 %v, p99 %v, max %v", r.P50, r.P99, r.Max)
	}
}

// A client whose connection breaks connects again and goes on; what failed is
// counted apart, and the first reason is kept.
func TestRunGoesOnAfterErrors(t *testing.T) {
	server := &fakeServer{fail: func(op int) error {
		switch op {
		case 5:
			return errors.New("no leader")
		case 10:
			return errCut
		}
		return nil
	}}
	c := config(t, server, "write")
	c.Clients = 1
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.Errors != 2 || r.FirstError != "no leader" || r.Operations != int64(server.ops)-2 {
		t.Errorf("%d operations, %d errors, the first %q, of %d", r.Operations, r.Errors, r.FirstError, server.ops)
	}
	if len(server.dials) != 2 {
		t.Errorf("dialled %d times", len(server.dials))
	}
}

func TestRunFailsWhenNothingSucceeds(t *testing.T) {
	server := &fakeServer{fail: func(int) error { return errors.New("read only") }}
	if _, err := Run(t.Context(), config(t, server, "write")); err == nil || !strings.Contains(err.Error(), "read only") {
		t.Errorf("Run: %v", err)
	}
	server.down = true
	if _, err := Run(t.Context(), config(t, server, "write")); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Run without a server: %v", err)
	}
}

func TestSplitURLs(t *testing.T) {
	for list, want := range map[string][]string{
		"postgres://a/x":                                {"postgres://a/x"},
		"postgres://a/x,postgres://b/x":                 {"postgres://a/x", "postgres://b/x"},
		"postgres://a:1,b:2/x,postgresql://c/x":         {"postgres://a:1,b:2/x", "postgresql://c/x"},
		"host=a port=1 dbname=x,postgres://b:2,c:3,d/x": {"host=a port=1 dbname=x", "postgres://b:2,c:3,d/x"},
	} {
		if got := SplitURLs(list); !slices.Equal(got, want) {
			t.Errorf("SplitURLs(%q) = %q, want %q", list, got, want)
		}
	}
}
