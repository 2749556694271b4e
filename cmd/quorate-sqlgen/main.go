// Command quorate-sqlgen runs random SQL on three state machines that live
// differently, and compares what they answer and hold (package sqlgen).
//
//	quorate-sqlgen                       20,000 statements
//	quorate-sqlgen --minutes 60          as many as an hour has room for
//	quorate-sqlgen --seed 42 --trace     one seed, command by command
//	quorate-sqlgen --seed 42 --shrink    the fewest commands that still fail
//	quorate-sqlgen --planted all         is every one of these bugs caught?
//
// It ends with one summary line: for each kind of statement, how many were
// drawn and how many succeeded. The exit code is 0 when all was equal, 1 when
// something was not, and 2 when the command line makes no sense.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"quorate/sqlfsm/sqlgen"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// replicaArg makes of this program the process that the third machines live in.
const replicaArg = "replica"

// settings are the command line.
type settings struct {
	statements int
	seed, from uint64
	size       int
	minutes    float64
	trace      bool
	shrink     bool
	table      bool
	planted    string
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("quorate-sqlgen", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&s.statements, "statements", 20_000, "how many statements to run, in seeds of --size each; 0: as many as --minutes allows")
	f.IntVar(&s.size, "size", 400, "statements of a seed")
	f.Uint64Var(&s.from, "from", 1, "the first seed")
	f.Uint64Var(&s.seed, "seed", 0, "run this seed alone")
	f.Float64Var(&s.minutes, "minutes", 0, "begin no new seed after this many minutes; 0: no limit")
	f.BoolVar(&s.trace, "trace", false, "with --seed: print each command and what it did")
	f.BoolVar(&s.shrink, "shrink", false, "with --seed: look for the fewest commands that still fail")
	f.BoolVar(&s.table, "table", false, "print how often each kind of statement, each clause and each error came up")
	f.StringVar(&s.planted, "planted", "", "all, the name of a bug, or list: break the code on purpose, and see how many seeds it takes to notice")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	var err error
	switch {
	case f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	case s.statements < 0 || s.size < 1:
		err = errors.New("--statements and --size count statements: choose at least 1")
	case s.statements == 0 && s.minutes == 0 && s.seed == 0:
		err = errors.New("--statements 0 needs --minutes")
	case (s.trace || s.shrink) && s.seed == 0:
		err = errors.New("--trace and --shrink need --seed")
	}
	if err != nil {
		fmt.Fprintln(stderr, "quorate-sqlgen:", err)
	}
	return s, err
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == replicaArg {
		if err := sqlgen.Serve(stdin, stdout); err != nil {
			fmt.Fprintln(stderr, "quorate-sqlgen:", err)
			return 1
		}
		return 0
	}
	s, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if s.planted != "" {
		return runPlanted(s.planted, stdout)
	}
	ok, err := compare(&s, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "quorate-sqlgen:", err)
		return 1
	}
	if !ok {
		return 1
	}
	return 0
}

// compare runs the seeds until one fails or enough are done.
func compare(s *settings, stdout io.Writer) (ok bool, err error) {
	program, err := os.Executable()
	if err != nil {
		return false, err
	}
	child, err := sqlgen.StartChild(program, replicaArg)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, child.Close()) }()
	options := sqlgen.Options{Statements: s.size, Child: child}
	if s.trace {
		options.Trace = func(line string) { fmt.Fprintln(stdout, line) }
	}
	if s.shrink {
		options.Seed = s.seed
		return shrink(options, stdout)
	}
	var total sqlgen.Report
	began := time.Now()
	first, seeds := s.from, 0
	if s.seed != 0 {
		first = s.seed
	}
	ok = true
	for seed := first; ok; seed++ {
		over := s.minutes > 0 && time.Since(began).Minutes() >= s.minutes
		enough := s.statements > 0 && total.Statements >= s.statements || s.seed != 0 && seed > first
		if over || enough {
			break
		}
		options.Seed = seed
		r, err := sqlgen.Run(options)
		if err != nil {
			return false, err
		}
		seeds++
		total.Add(r)
		if r.Violation != "" {
			ok = false
			printFailure(stdout, r, s.size)
		}
	}
	if s.table {
		fmt.Fprint(stdout, total.Table())
	}
	fmt.Fprintf(stdout, "%d seeds, %s, %.0f s\n", seeds, &total, time.Since(began).Seconds())
	return ok, nil
}

func printFailure(w io.Writer, r *sqlgen.Report, size int) {
	fmt.Fprintf(w, "seed %d: %s\n", r.Seed, r.Violation)
	fmt.Fprintf(w, "  again: quorate-sqlgen --size %d --seed %d --shrink\n", size, r.Seed)
}

// shrink prints the shortest script found that still fails.
func shrink(o sqlgen.Options, stdout io.Writer) (ok bool, err error) {
	r, err := sqlgen.Shrink(o, func(commands int, r *sqlgen.Report) {
		verdict := "passes"
		if r.Violation != "" {
			verdict = "fails"
		}
		fmt.Fprintf(stdout, "%d commands: %s\n", commands, verdict)
	})
	if err != nil {
		return false, err
	}
	if r.Violation == "" {
		fmt.Fprintf(stdout, "seed %d does not fail\n", o.Seed)
		return true, nil
	}
	fmt.Fprintf(stdout, "== seed %d: what it found\n", o.Seed)
	for i := range r.Script {
		fmt.Fprint(stdout, &r.Script[i])
	}
	fmt.Fprintf(stdout, "seed %d: %s\n", o.Seed, r.Violation)
	return false, nil
}
