package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"quorate/admin"
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

func (c *adminClient) get(ctx context.Context, endpoint, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+path, nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		var wrapped *url.Error // its text repeats method and address
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return fmt.Errorf("%s: %w", endpoint, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s: %s", endpoint, path, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, answerBytesMax)).Decode(answer); err != nil {
		return fmt.Errorf("%s%s: not an answer of quorate: %w", endpoint, path, err)
	}
	return nil
}

// endpointURL makes a URL of an endpoint as people write it.
func endpointURL(text string) string {
	text = strings.TrimRight(strings.TrimSpace(text), "/")
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	return text
}
