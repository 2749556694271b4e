package sqlfsm

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"quorate/internal/value"
	"quorate/sqlplan"
)

// BenchmarkRestart measures how long a state machine needs from being killed
// with SIGKILL to its first answer, for databases of several sizes. A process
// of its own writes each: one row an entry, 64 entries a batch, checkpoints as ever,
// and is killed at the end of the last batch, with as much in the WAL as there is by
// then. What Raft's log holds beyond the file's index is not part of it. Reported
// are the size of the database and of its WAL, in MB, and how long opening took and
// the first answer after that, in ms.
//
//	go test -run '^$' -bench Restart -benchtime 1x -timeout 30m ./sqlfsm
func BenchmarkRestart(b *testing.B) {
	for _, size := range []struct {
		name            string
		rows, textBytes int
	}{
		{"100 thousand rows", 100_000, 100},
		{"1 million rows", 1_000_000, 100},
		{"1 GB", 800_000, 1200},
	} {
		b.Run(size.name, func(b *testing.B) {
			for range b.N {
				path := filepath.Join(b.TempDir(), "db")
				writeAndDie(b, path, size.rows, size.textBytes)
				wal, err := os.Stat(path + "-wal")
				if err != nil {
					b.Fatal(err)
				}
				began := time.Now()
				f, err := Open(path, Options{})
				if err != nil {
					b.Fatal(err)
				}
				open := time.Since(began)
				if got := query(b, f, `SELECT length(v) FROM kv WHERE k = ?1`, value.Int(int64(size.rows/2))); len(got) != 1 {
					b.Fatal(got)
				}
				served := time.Since(began)
				if index, _ := f.Applied(); index != uint64(size.rows+1) {
					b.Errorf("%d entries are applied, not %d", index, size.rows+1)
				}
				b.ReportMetric(float64(f.Size())/1e6, "MB")
				b.ReportMetric(float64(wal.Size())/1e6, "MB-WAL")
				b.ReportMetric(open.Seconds()*1e3, "ms-open")
				b.ReportMetric((served-open).Seconds()*1e3, "ms-answer")
				b.ReportMetric(0, "ns/op")
				f.Close()
			}
		})
	}
}

// writerEnvironment tells the benchmark's own program, run once more, what to
// write: rows, bytes of text in each, path.
const writerEnvironment = "QUORATE_TEST_RESTART_WRITER"

// writeAndDie has another process write a database and kills it when it has.
func writeAndDie(b *testing.B, path string, rows, textBytes int) {
	b.Helper()
	c := exec.Command(os.Args[0], "-test.run", "^TestRestartWriter$")
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s", writerEnvironment, rows, textBytes, path))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	c.Process.Kill()
	c.Wait() // it was killed
	if line != "written\n" {
		b.Fatalf("the writer said %q", line)
	}
}

// TestRestartWriter is the process that BenchmarkRestart kills.
func TestRestartWriter(t *testing.T) {
	order := strings.SplitN(os.Getenv(writerEnvironment), " ", 3)
	if len(order) != 3 {
		t.Skip("it is the other process of BenchmarkRestart")
	}
	rows, _ := strconv.Atoi(order[0])
	textBytes, _ := strconv.Atoi(order[1])
	f, err := Open(order[2], Options{})
	if err != nil {
		t.Fatal(err)
	}
	var l log
	apply(t, f, l.sql(`CREATE TABLE kv (k INTEGER PRIMARY KEY, v TEXT NOT NULL) STRICT`)...)
	insert := plan(`INSERT INTO kv VALUES (?1, ?2)`)
	var entries []Entry
	for i := range rows {
		text := value.String(fmt.Sprintf("%0*d", textBytes, i))
		entries = append(entries, l.entry(sqlplan.Bound{Plan: insert, Args: []value.Value{value.Int(int64(i)), text}}))
		if len(entries) == 64 || i == rows-1 {
			apply(t, f, entries...)
			entries = entries[:0]
		}
	}
	fmt.Println("written")
	select {} // until it is killed
}
