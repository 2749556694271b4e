package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"quorate/admin"
	"quorate/internal/exitcode"
)

// answerBytesMax bounds what is read of an answer: an endpoint that is not
// ours may send anything.
const answerBytesMax = 1 << 20

// adminClient asks the admin endpoints of nodes.
type adminClient struct{ http http.Client }

func (c *adminClient) status(ctx context.Context, endpoint string) (admin.Status, error) {
	var status admin.Status
	err := c.get(ctx, endpoint, "/status", &status)
	return status, err
}

func (c *adminClient) cluster(ctx context.Context, endpoint string) ([]admin.Member, error) {
	var members []admin.Member
	err := c.get(ctx, endpoint, "/cluster", &members)
	return members, err
}

// ready asks whether a node is ready. The text is one line a check.
func (c *adminClient) ready(ctx context.Context, endpoint string) (ready bool, text string, err error) {
	code, data, err := c.do(ctx, http.MethodGet, endpoint, "/readyz", nil)
	if err == nil && code != http.StatusOK && code != http.StatusServiceUnavailable {
		err = unexpected(endpoint+"/readyz", code)
	}
	return code == http.StatusOK, string(data), err
}

// get asks a question. What is no answer is an *unansweredError.
func (c *adminClient) get(ctx context.Context, endpoint, path string, answer any) error {
	code, data, err := c.do(ctx, http.MethodGet, endpoint, path, nil)
	if err == nil && code != http.StatusOK {
		err = unexpected(endpoint+path, code)
	}
	if err == nil {
		if err = json.Unmarshal(data, answer); err != nil {
			err = &unansweredError{fmt.Errorf("%s%s: not an answer of quorate: %w", endpoint, path, err)}
		}
	}
	return err
}

func unexpected(url string, code int) error {
	return &unansweredError{fmt.Errorf("%s: %d %s", url, code, http.StatusText(code))}
}

// order sends what changes something.
func (c *adminClient) order(ctx context.Context, method, endpoint, path string, body, answer any) error {
	code, data, err := c.do(ctx, method, endpoint, path, body)
	if err != nil {
		return err
	}
	if code == http.StatusOK {
		if err := json.Unmarshal(data, answer); err != nil {
			return fmt.Errorf("%s%s: not an answer of quorate: %w", endpoint, path, err)
		}
		return nil
	}
	return refusalError(endpoint+path, code, data)
}

// refusalError is what a node answers that does not do what it is asked.
func refusalError(url string, code int, data []byte) error {
	var refusal admin.Error
	if json.Unmarshal(data, &refusal) != nil || refusal.Message == "" {
		if code == http.StatusNotFound { // a node of a version without orders
			return unexpected(url, code)
		}
		return fmt.Errorf("%s: %d %s", url, code, http.StatusText(code))
	}
	exit := &exitcode.Error{Code: exitcode.Failed, Err: errors.New(refusal.Message), Hint: refusal.Hint}
	switch code {
	case http.StatusBadRequest:
		exit.Code = exitcode.Usage
	case http.StatusServiceUnavailable:
		exit.Code = exitcode.NoQuorum
	case http.StatusInsufficientStorage:
		exit.Code = exitcode.DiskFull
	}
	return exit
}

// do sends a request, with the body as JSON if there is one, and returns the
// answer. A node that is not reached is an
// *unansweredError.
func (c *adminClient) do(ctx context.Context, method, endpoint, path string, body any) (code int, answer []byte, err error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			panic(err) // texts and booleans always marshal
		}
		reader = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, endpoint+path, reader)
	if err != nil {
		return 0, nil, usage(err, "An endpoint is a URL such as http://10.0.0.1:8432.")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, requestError(method, endpoint, err)
	}
	defer response.Body.Close()
	if answer, err = io.ReadAll(io.LimitReader(response.Body, answerBytesMax)); err != nil {
		return 0, nil, requestError(method, endpoint, err)
	}
	return response.StatusCode, answer, nil
}

// open asks for what is too much to be read at once. The caller closes the body.
func (c *adminClient) open(ctx context.Context, endpoint, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+path, nil)
	if err != nil {
		return nil, usage(err, "An endpoint is a URL such as http://10.0.0.1:8432.")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, requestError(http.MethodGet, endpoint, err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return nil, requestError(http.MethodGet, endpoint, err)
	}
	return nil, refusalError(endpoint+path, response.StatusCode, answer)
}

// requestError tells a request that was never sent from one whose outcome is
// not known; for a question that makes no difference.
func requestError(method, endpoint string, err error) error {
	var wrapped *url.Error // its text repeats method and address
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("no answer in time")
	}
	var dial *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case method == http.MethodGet, errors.As(err, &dial) && dial.Op == "dial":
		return &unansweredError{fmt.Errorf("%s: %w", endpoint, err)}
	}
	return failed(fmt.Errorf("%s: no answer, so it may have been done or not: %w", endpoint, err), "quorate member list shows what has become of it.")
}
