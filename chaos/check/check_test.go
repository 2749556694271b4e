package check

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestCheckers shows histories, good and bad, and what the checkers say of
// them. Command is the checker. A line "final KEY: VALUE …" is what is there
// at the end; of a bank it is "final BANK ACCOUNT BALANCE: TRANSFER …". Every
// other line is an operation:
//
//	CLIENT CALL-RETURN KIND key=value … [failed|unknown]
//
// with times in milliseconds.
//
//	go test ./chaos/check -run TestCheckers -rewrite
func TestCheckers(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			pictures := t.TempDir()
			history, final := parse(t, d)
			var violations []string
			switch d.Cmd {
			case "registers":
				violations = Registers(history, final.lists, pictures)
			case "set":
				violations = Set(history, final.lists[0])
			case "lists":
				violations = Lists(history, final.lists)
			case "bank":
				violations = Bank(history, final.accounts)
			default:
				d.Fatalf(t, "there is no checker %q", d.Cmd)
			}
			if len(violations) == 0 {
				return "ok\n"
			}
			return strings.ReplaceAll(strings.Join(violations, "\n")+"\n", pictures+string(filepath.Separator), "")
		})
	})
}

type finalState struct {
	lists    map[int64][]int64
	accounts []Account
}

func parse(t *testing.T, d *datadriven.TestData) (history []Op, final finalState) {
	final.lists = map[int64][]int64{}
	for line := range strings.Lines(d.Input) {
		fields := strings.Fields(line)
		if fields[0] != "final" {
			history = append(history, parseOp(t, d, fields))
			continue
		}
		head, tail, _ := strings.Cut(strings.Join(fields[1:], " "), ":")
		keys, values := parseInts(t, d, head), parseInts(t, d, tail)
		if len(keys) == 3 {
			final.accounts = append(final.accounts, Account{Bank: keys[0], Number: keys[1], Balance: keys[2], Moves: values})
		} else {
			final.lists[keys[0]] = values
		}
	}
	return history, final
}

func parseOp(t *testing.T, d *datadriven.TestData, fields []string) Op {
	call, ret, _ := strings.Cut(fields[1], "-")
	op := Op{
		Client: int(parseInts(t, d, fields[0])[0]), Node: "n1", Kind: Kind(fields[2]), Outcome: Done,
		Call: time.Duration(parseInts(t, d, call)[0]) * time.Millisecond, Return: time.Duration(parseInts(t, d, ret)[0]) * time.Millisecond,
	}
	numbers := map[string]*int64{"key": &op.Key, "value": &op.Value, "old": &op.Old, "from": &op.From, "to": &op.To, "amount": &op.Amount}
	for _, field := range fields[3:] {
		name, text, _ := strings.Cut(field, "=")
		switch name {
		case "failed":
			op.Outcome, op.Error = Failed, "no quorum"
		case "unknown":
			op.Outcome = Unknown
		case "applied":
			op.Applied = true
		case "saw":
			op.Result = parseInts(t, d, strings.ReplaceAll(text, ",", " "))
		default:
			*numbers[name] = parseInts(t, d, text)[0]
		}
	}
	return op
}

func parseInts(t *testing.T, d *datadriven.TestData, text string) (list []int64) {
	for field := range strings.FieldsSeq(text) {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		list = append(list, n)
	}
	return list
}

// TestPicture: of a register whose history cannot be, a page is left that
// shows it.
func TestPicture(t *testing.T) {
	dir := t.TempDir()
	history := []Op{
		{Kind: Write, Key: 3, Value: 1, Call: 1, Return: 2, Outcome: Done},
		{Kind: Read, Key: 3, Result: []int64{0}, Call: 3, Return: 4, Outcome: Done},
	}
	if violations := Registers(history, map[int64][]int64{3: {1}}, dir); len(violations) != 1 {
		t.Fatalf("a stale read gives %q", violations)
	}
	page, err := os.ReadFile(filepath.Join(dir, "register-3.html"))
	if err != nil || !strings.Contains(string(page), "<html") {
		t.Errorf("no picture: %v", err)
	}
}
