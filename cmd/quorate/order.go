package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// orderTimeoutDefault is how long orders wait by default: longer than a node
// waits for a quorum, so that it is the node that says what is wrong.
const orderTimeoutDefault = 30 * time.Second

// orderCommand is a command that sends an order and prints the message that
// comes back.
type orderCommand struct {
	output outputFormat
	nodes  endpointFlags
}

func (o *orderCommand) add(cmd *cobra.Command) {
	o.output.addFlag(cmd)
	o.nodes.add(cmd, orderTimeoutDefault)
}

// send sends the order and prints its message.
func (o *orderCommand) send(cmd *cobra.Command, method, path string, body any) error {
	ctx, cancel := o.nodes.context(cmd)
	defer cancel()
	client := &adminClient{}
	defer client.http.CloseIdleConnections()
	var answer struct {
		Message string `json:"message"`
	}
	err := firstEndpoint(o.nodes.urls(cmd), func(endpoint string) error {
		return client.order(ctx, method, endpoint, path, body, &answer)
	})
	if err != nil {
		return err
	}
	return o.print(cmd, answer.Message, answer)
}

// print writes a sentence, or the answer as JSON.
func (o *orderCommand) print(cmd *cobra.Command, sentence string, answer any) error {
	if o.output == outputJSON {
		return writeJSON(cmd.OutOrStdout(), answer)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), sentence)
	return err
}

func memberPath(name string) string { return "/admin/v1/members/" + url.PathEscape(name) }
