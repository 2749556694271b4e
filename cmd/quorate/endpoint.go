package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const defaultEndpoint = "http://localhost:8432"

// endpointFlags say which nodes a command talks to, and how long.
type endpointFlags struct {
	endpoints []string
	timeout   time.Duration
}

func (f *endpointFlags) add(cmd *cobra.Command, timeout time.Duration) {
	cmd.Flags().StringSliceVar(&f.endpoints, "endpoint", []string{defaultEndpoint}, "admin `URL` of a member; several are tried in turn (QUORATE_ENDPOINT)")
	cmd.Flags().DurationVar(&f.timeout, "timeout", timeout, "how long to wait for answers")
}

// context bounds the command's context.
func (f *endpointFlags) context(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return context.WithTimeout(cmd.Context(), f.timeout)
}

// urls are the endpoints to try, in turn.
func (f *endpointFlags) urls(cmd *cobra.Command) []string {
	given := f.endpoints
	if fromEnv := os.Getenv("QUORATE_ENDPOINT"); fromEnv != "" && !cmd.Flags().Changed("endpoint") {
		given = strings.Split(fromEnv, ",")
	}
	urls := make([]string, len(given))
	for i, text := range given {
		urls[i] = endpointURL(text)
	}
	return urls
}

// endpointURL makes a URL of an endpoint as people write it.
func endpointURL(text string) string {
	text = strings.TrimRight(strings.TrimSpace(text), "/")
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	return text
}

// firstEndpoint lets ask go from endpoint to endpoint until one answers. What
// was refused there, or may have happened there, is not asked again elsewhere.
func firstEndpoint(endpoints []string, ask func(endpoint string) error) error {
	var failures []error
	for _, endpoint := range endpoints {
		err := ask(endpoint)
		var unanswered *unansweredError
		if !errors.As(err, &unanswered) {
			return err
		}
		failures = append(failures, err)
	}
	return failed(errors.Join(failures...), "Is a node running there? --endpoint names the admin address of one.")
}

// unansweredError marks that an endpoint has neither answered nor changed
// anything: another one may be asked.
type unansweredError struct{ err error }

func (e *unansweredError) Error() string { return e.err.Error() }
func (e *unansweredError) Unwrap() error { return e.err }
