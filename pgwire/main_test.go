package pgwire

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestMain looks for goroutines that outlive their server: every test closes
// its servers, and a server that has been closed has joined its sessions.
func TestMain(m *testing.M) {
	code := m.Run()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		if code == 0 && (strings.Contains(stack, "pgwire.(*Server)") || strings.Contains(stack, "pgwire.(*session)")) {
			fmt.Println("a goroutine is left:\n" + stack)
			code = 1
		}
	}
	os.Exit(code)
}
