package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"quorate/admin"
	"quorate/internal/exitcode"
)

// importClient sends an import's batches to the members, to another one when one
// does not answer.
type importClient struct {
	adminClient
	endpoints []string
	timeout   time.Duration // how long nothing may succeed
	name      string
	format    string
}

// importRetry is how long to wait before a batch is sent again.
const importRetry = 200 * time.Millisecond

func (c *importClient) path() string { return "/admin/v1/imports/" + url.PathEscape(c.name) }

// progress asks how far the import is.
func (c *importClient) progress(ctx context.Context) (p admin.ImportProgress, err error) {
	err = firstEndpoint(c.endpoints, func(endpoint string) error {
		return c.order(ctx, http.MethodGet, endpoint, c.path(), nil, &p)
	})
	return p, err
}

// finish ends the import.
func (c *importClient) finish(ctx context.Context) (f admin.ImportFindings, err error) {
	err = c.insist(ctx, func(endpoint string) error {
		return c.exchange(ctx, http.MethodDelete, endpoint, c.path(), nil, &f)
	}, func() (bool, error) { return false, nil })
	return f, err
}

// send carries a batch out, exactly once: when it is not known whether it was, the
// cluster is asked how far the import is. Then answered is false, and there is no
// result.
func (c *importClient) send(ctx context.Context, b *admin.ImportBatch) (r admin.ImportResult, answered bool, err error) {
	reached, err := json.Marshal(b.Reached)
	if err != nil {
		panic(err) // numbers and a text always marshal
	}
	query := url.Values{"format": {c.format}, "position": {strconv.FormatInt(b.Position, 10)}, "line": {strconv.Itoa(b.Line)}, "reached": {string(reached)}}
	err = c.insist(ctx, func(endpoint string) error {
		err := c.exchange(ctx, http.MethodPost, endpoint, c.path()+"?"+query.Encode(), b.Text, &r)
		answered = err == nil
		return err
	}, func() (bool, error) {
		p, err := c.progress(ctx)
		if err == nil && p.Position != b.Position && p.Position != b.Reached.Position {
			err = failed(fmt.Errorf("the import %q is somewhere else than this command is", c.name), "Is it running twice? If not, begin again: it goes on where it is.")
		}
		return p.Position == b.Reached.Position, err
	})
	if err != nil && certain(err) {
		// A run that was killed may have left this very batch on its way, and it came
		// first.
		if p, progressErr := c.progress(ctx); progressErr == nil && p == b.Reached {
			return r, false, nil
		}
	}
	return r, answered, err
}

// insist does something at one endpoint after the other, and again, for as long as
// it is not certain that it is refused. done looks whether an attempt without an
// answer has succeeded all the same.
func (c *importClient) insist(ctx context.Context, do func(endpoint string) error, done func() (bool, error)) error {
	deadline := time.Now().Add(c.timeout)
	for attempt := 0; ; attempt++ {
		err := do(c.endpoints[attempt%len(c.endpoints)])
		if err == nil || ctx.Err() != nil || certain(err) {
			return err
		}
		select {
		case <-time.After(importRetry):
		case <-ctx.Done():
			return ctx.Err()
		}
		succeeded, doneErr := done()
		if succeeded || doneErr != nil && certain(doneErr) {
			return doneErr
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// certain reports that a member has refused what it was asked, and would again.
func certain(err error) bool {
	var exit *exitcode.Error
	var unsure *unsureError
	return errors.As(err, &exit) && exit.Code != exitcode.NoQuorum && !errors.As(err, &unsure)
}

// unsureError marks what may have been done.
type unsureError struct{ err error }

func (e *unsureError) Error() string { return e.err.Error() }
func (e *unsureError) Unwrap() error { return e.err }

// exchange sends text. An error that leaves open what was done is an *unsureError.
func (c *importClient) exchange(ctx context.Context, method, endpoint, path string, text []byte, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, endpoint+path, bytes.NewReader(text))
	if err != nil {
		return usage(err, "An endpoint is a URL such as http://10.0.0.1:8432.")
	}
	request.Header.Set("Content-Type", "application/sql")
	response, err := c.http.Do(request)
	if err != nil {
		return &unsureError{requestError(method, endpoint, err)}
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return &unsureError{requestError(method, endpoint, err)}
	}
	switch response.StatusCode {
	case http.StatusOK:
		return json.Unmarshal(data, answer)
	case http.StatusGatewayTimeout, http.StatusInternalServerError:
		return &unsureError{refusalError(endpoint+c.path(), response.StatusCode, data)}
	}
	return refusalError(endpoint+c.path(), response.StatusCode, data)
}
