// Package admin answers operators over HTTP: is the node alive, is it ready,
// what is it doing, what are its numbers; and takes their orders: members come
// and go, leadership moves, a node drains.
//
// What comes in: requests, a Source that knows and an Operator that acts; both
// are the node. What goes out: plain text, JSON, and Prometheus' text format.
// docs/reference/http.md is the manual of the endpoints:
//
//	/livez             200 while the process turns; never depends on peers
//	/readyz            200, or 503 with the reasons; one line a check
//	/readyz/NAME       one check alone
//	/health            {"health":"true"}, for tools made for etcd
//	/leader, /replica  200 or 503, for load balancers
//	/status, /cluster  JSON: this node, and what it believes of the others
//	/metrics           Prometheus
//	/version           JSON: the build
//
//	/admin/v1/…        the orders
//
// Every answer to GET is made from local state: the endpoints keep answering
// when the cluster has lost its quorum, which is when they are needed. Orders
// need a quorum, all but drain; any node passes them on to the leader.
//
// The package imports nothing of ours but internal/buildinfo and, for the
// forms of names and addresses, internal/config.
package admin
