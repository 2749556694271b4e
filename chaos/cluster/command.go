package cluster

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"quorate/internal/config"
)

// Command runs a command of quorate against the member, as an operator does, and
// returns what it prints and its exit code.
func (n *Node) Command(ctx context.Context, args ...string) (output string, code int, err error) {
	cmd := exec.CommandContext(ctx, n.cluster.config.Binary, append(args, "--endpoint", "http://"+n.Admin)...)
	cmd.Env = config.WithoutSettings(cmd.Environ())
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return "", 0, fmt.Errorf("cluster: quorate %s: %w", args[0], errors.Join(err, ctx.Err()))
	}
	return string(text), cmd.ProcessState.ExitCode(), nil
}
