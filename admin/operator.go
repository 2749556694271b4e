package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"quorate/internal/config"
)

// Operator carries out what an operator asks for. Any node takes every
// request and passes on to the leader what only the leader can do, and to a member
// what is about it; Drain alone is about the node that is asked. All wait for the outcome until the context
// ends. Errors are *Error; any other becomes one with status 500.
type Operator interface {
	// AddMember adds a member of this name that will listen for the others at
	// peerAddr. It begins as a learner and, unless it is to stay one, becomes a
	// voter by itself when it has caught up.
	AddMember(ctx context.Context, name, peerAddr string, learner bool) (Member, error)
	// PromoteMember makes a learner a voter, if it has caught up. The message
	// says what was done, or that the member was a voter already.
	PromoteMember(ctx context.Context, name string) (message string, err error)
	// RemoveMember removes a member, for good: the member that is removed stops,
	// and its data can never come back. What would leave the cluster without a
	// majority that is alive, or that has good databases, is refused, unless force
	// says why it is wanted.
	RemoveMember(ctx context.Context, name, force string) error
	// ReseedMember has a member that is quarantined for good get another database
	// once more: the cause was found, and mended. The message says what was done.
	ReseedMember(ctx context.Context, name string) (message string, err error)
	// UpdateMember tells the cluster that a member is at another address now.
	UpdateMember(ctx context.Context, name, peerAddr string) error
	// TransferLeadership makes the named member the leader, or, without a name,
	// the follower that is best prepared. It returns who leads now.
	TransferLeadership(ctx context.Context, name string) (leader string, err error)
	// Drain prepares this node for being stopped: no new session is accepted,
	// leadership is handed over, what is under way is finished, and the sessions
	// are closed. The node goes on as a member until it is stopped.
	Drain(ctx context.Context) error

	Saver
	Dumper
	Verifier
	Importer
}

// Error is a refusal or a failure as an operator sees it. Its JSON is the body
// of the answer.
type Error struct {
	// Status is the answer's HTTP status:
	//
	//	400  the request is not understood
	//	404  there is no such member
	//	409  the cluster is not in a state to do it, or another change is under way
	//	503  nothing was done: there is no leader, or no quorum
	//	504  not confirmed in time: it may still happen
	//	507  there is no room on the node's disk
	Status  int    `json:"status"`
	Message string `json:"error"`
	Hint    string `json:"hint,omitempty"` // what to do about it, a full sentence
}

func (e *Error) Error() string { return e.Message }

// The bodies of requests and answers.
type (
	addRequest struct {
		Name     string `json:"name"`
		PeerAddr string `json:"peer_addr"`
		Learner  bool   `json:"learner"`
	}
	updateRequest struct {
		PeerAddr string `json:"peer_addr"`
	}
	transferRequest struct {
		Name string `json:"name"`
	}
	messageAnswer struct {
		Message string `json:"message"`
	}
	leaderAnswer struct {
		Leader string `json:"leader"`
	}
)

// handleOperator adds the endpoints that change something.
func handleOperator(mux *http.ServeMux, operator Operator) {
	handle := func(pattern string, carryOut func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			err := refuseBrowser(r)
			var answer any
			if err == nil {
				r.Body = http.MaxBytesReader(w, r.Body, requestBytesMax)
				answer, err = carryOut(r)
			}
			if err != nil {
				writeError(w, err)
				return
			}
			writeJSON(w, http.StatusOK, answer)
		})
	}
	handleDump(mux, operator)
	handleVerify(mux, operator)
	handleImport(mux, operator)
	handle("POST /admin/v1/members", func(r *http.Request) (any, error) { return addMember(r, operator) })
	handle("PATCH /admin/v1/members/{name}", func(r *http.Request) (any, error) { return updateMember(r, operator) })
	handle("POST /admin/v1/members/{name}/promote", func(r *http.Request) (any, error) {
		message, err := operator.PromoteMember(r.Context(), r.PathValue("name"))
		return messageAnswer{message}, err
	})
	handle("POST /admin/v1/members/{name}/reseed", func(r *http.Request) (any, error) {
		message, err := operator.ReseedMember(r.Context(), r.PathValue("name"))
		return messageAnswer{message}, err
	})
	handle("DELETE /admin/v1/members/{name}", func(r *http.Request) (any, error) {
		name := r.PathValue("name")
		err := operator.RemoveMember(r.Context(), name, r.URL.Query().Get("force"))
		return messageAnswer{name + " is removed"}, err
	})
	handle("POST /admin/v1/leader", func(r *http.Request) (any, error) {
		var body transferRequest
		if err := readBody(r, &body); err != nil {
			return nil, err
		}
		leader, err := operator.TransferLeadership(r.Context(), body.Name)
		return leaderAnswer{leader}, err
	})
	mux.HandleFunc("GET /admin/v1/snapshot", func(w http.ResponseWriter, r *http.Request) { saveSnapshot(w, r, operator) })
	handle("POST /admin/v1/drain", func(r *http.Request) (any, error) {
		return messageAnswer{"drained: no session is left, and this node does not lead"}, operator.Drain(r.Context())
	})
}

func addMember(r *http.Request, operator Operator) (any, error) {
	var body addRequest
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if err := config.CheckName(body.Name); err != nil {
		return nil, &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("name %q: %v", body.Name, err)}
	}
	if err := checkPeerAddr(body.PeerAddr); err != nil {
		return nil, err
	}
	return operator.AddMember(r.Context(), body.Name, body.PeerAddr, body.Learner)
}

func updateMember(r *http.Request, operator Operator) (any, error) {
	var body updateRequest
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if err := checkPeerAddr(body.PeerAddr); err != nil {
		return nil, err
	}
	name := r.PathValue("name")
	err := operator.UpdateMember(r.Context(), name, body.PeerAddr)
	return messageAnswer{name + " is at " + body.PeerAddr}, err
}

func checkPeerAddr(address string) error {
	if err := config.CheckPeerAddress(address); err != nil {
		return &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("peer_addr %q: %v", address, err)}
	}
	return nil
}

// refuseBrowser refuses requests that a web page makes a browser send: with
// these two headers browsers say where they come from, and no other client
// has them. So a page that an operator happens to look at cannot remove a
// member, not even one that has its name resolve to this node's address.
func refuseBrowser(r *http.Request) error {
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return &Error{Status: http.StatusForbidden, Message: "what changes the cluster is not for web pages",
			Hint: "Use quorate on the command line, or curl."}
	}
	return nil
}

// requestBytesMax bounds a request: names and addresses are short.
const requestBytesMax = 64 << 10

// readBody reads a request's JSON. A field that is not known is refused: an
// operator who misspells "learner" must not get a voter. No body is the same
// as {}.
func readBody(r *http.Request, body any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(body); err != nil && !errors.Is(err, io.EOF) {
		return &Error{Status: http.StatusBadRequest, Message: "the request's body is not understood: " + err.Error(),
			Hint: "docs/reference/http.md describes the requests."}
	}
	return nil
}

func writeError(w http.ResponseWriter, err error) {
	answer := asError(err)
	writeJSON(w, answer.Status, answer)
}

func asError(err error) *Error {
	var answer *Error
	if !errors.As(err, &answer) {
		answer = &Error{Status: http.StatusInternalServerError, Message: err.Error()}
	}
	return answer
}
