package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"quorate/admin"
)

const (
	orderTimeout = 5 * time.Second
	orderPause   = 100 * time.Millisecond
)

// Join makes a member that will enter the running cluster when it is started.
func (c *Cluster) Join() (*Node, error) {
	var others []string
	for _, n := range c.Nodes {
		others = append(others, n.peer)
	}
	node, err := c.newNode()
	if err != nil {
		return nil, err
	}
	node.membership = []string{"--join", strings.Join(others, ","), "--peer-advertise", node.peer}
	return node, nil
}

// Remove removes a member from the cluster, whether its process runs or not,
// and waits until that process has ended, which it must do by itself. It is
// refused for as long as it is not safe, so Remove asks until the context ends.
func (c *Cluster) Remove(ctx context.Context, node *Node) error {
	if node.Running() {
		node.life.Load().told.Store(true) // that it ends then is right
	}
	c.Nodes = slices.DeleteFunc(c.Nodes, func(n *Node) bool { return n == node })
	c.gone = append(c.gone, node)
	node.removed.Store(true)
	err := c.retry(ctx, func(via *Node) error {
		err := via.order(ctx, http.MethodDelete, "/admin/v1/members/"+url.PathEscape(node.Name), nil, nil)
		var refused *admin.Error
		if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			return nil // an order before had been carried out, and its answer was lost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cluster: remove %s: %w", node.Name, err)
	}
	if l := node.life.Load(); node.Running() {
		select {
		case <-l.ended:
		case <-ctx.Done():
			return fmt.Errorf("cluster: %s was removed and does not end: %w", node.Name, ctx.Err())
		}
	}
	return nil
}

// Removed reports whether the member is one no more.
func (n *Node) Removed() bool { return n.removed.Load() }

// Transfer asks for another leader, whoever is best prepared.
func (c *Cluster) Transfer(ctx context.Context) error {
	return c.retry(ctx, func(via *Node) error {
		return via.order(ctx, http.MethodPost, "/admin/v1/leader", map[string]string{}, nil)
	})
}

// AwaitVoter waits until every member knows the node as a voter.
func (c *Cluster) AwaitVoter(ctx context.Context, node *Node) error {
	for _, n := range c.Running() {
		for {
			members, err := n.members(ctx)
			if err == nil && slices.ContainsFunc(members, func(m admin.Member) bool { return m.Name == node.Name && m.Suffrage == "voter" }) {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("cluster: for %s, %s is no voter; the members are %+v: %w", n.Name, node.Name, members, errors.Join(err, ctx.Err()))
			case <-time.After(orderPause):
			}
		}
	}
	return nil
}

// retry asks one running member after the other until one carries it out.
func (c *Cluster) retry(ctx context.Context, ask func(via *Node) error) error {
	err := errors.New("no member runs")
	for {
		for _, n := range c.Running() {
			if err = ask(n); err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(orderPause):
		}
	}
}

// members asks the member who the members are.
func (n *Node) members(ctx context.Context) ([]admin.Member, error) {
	var members []admin.Member
	return members, n.order(ctx, http.MethodGet, "/cluster", nil, &members)
}

// order sends a request to the member's admin address. A refusal is an
// *admin.Error.
func (n *Node) order(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	var sent io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+n.Admin+path, sent)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := n.cluster.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		refused := &admin.Error{Status: response.StatusCode}
		if err := json.Unmarshal(got, refused); err != nil {
			refused.Message = string(got)
		}
		return refused
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(got, answer)
}
