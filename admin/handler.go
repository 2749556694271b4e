package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"quorate/internal/buildinfo"
)

// Handler returns the handler of all admin endpoints. Source and operator are
// asked anew for every request, from many requests at once. Without an
// operator the endpoints that change something do not exist.
func Handler(source Source, operator Operator, gatherer prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	if operator != nil {
		handleOperator(mux, operator)
	}
	mux.HandleFunc("GET /{$}", index)
	mux.HandleFunc("GET /livez", livez)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { readyz(w, r, source.Checks()) })
	mux.HandleFunc("GET /readyz/{name}", func(w http.ResponseWriter, r *http.Request) { readyzOne(w, r, source.Checks()) })
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { health(w, source.Checks()) })
	mux.HandleFunc("GET /leader", func(w http.ResponseWriter, _ *http.Request) { leader(w, source.Status()) })
	mux.HandleFunc("GET /replica", func(w http.ResponseWriter, r *http.Request) { replica(w, r, source.Status()) })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, source.Status()) })
	mux.HandleFunc("GET /cluster", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, source.Cluster()) })
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, buildinfo.Get()) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	return mux
}

// indexPage is what a person sees who opens the admin address.
const indexPage = `Quorate

/livez     is the process alive?
/readyz    is the node ready to serve? /readyz/NAME asks for one check, ?exclude=NAME leaves one out
/health    the same as JSON, for tools made for etcd
/leader    200 on the leader, 503 elsewhere
/replica   200 on a follower, 503 elsewhere; ?lag=100 allows that many entries not yet applied
/status    this node, as JSON
/cluster   what this node believes of every member, as JSON
/metrics   Prometheus metrics
/version   the build, as JSON

/admin/v1/ what quorate member, transfer-leader, snapshot save and drain use
`

func index(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, indexPage) }

func livez(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") }

// leader answers load balancers that send writes to the leader only. It is
// not needed for correctness: every node takes every statement.
func leader(w http.ResponseWriter, status Status) {
	if status.Role == "leader" {
		writeText(w, http.StatusOK, "leader\n")
		return
	}
	writeText(w, http.StatusServiceUnavailable, status.Role+"\n")
}

// replica answers load balancers that spread reads over followers. A follower
// knows the commit index that the leader told it last; with ?lag= it must have
// applied all but that many entries of it.
func replica(w http.ResponseWriter, r *http.Request, status Status) {
	if status.Role != "follower" || status.Leader == "" {
		writeText(w, http.StatusServiceUnavailable, status.Role+"\n")
		return
	}
	if text := r.URL.Query().Get("lag"); text != "" {
		allowed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			writeText(w, http.StatusBadRequest, "lag is a number of entries, such as /replica?lag=100\n")
			return
		}
		if status.CommitIndex > status.AppliedIndex && status.CommitIndex-status.AppliedIndex > allowed {
			writeText(w, http.StatusServiceUnavailable,
				fmt.Sprintf("follower, %d entries behind\n", status.CommitIndex-status.AppliedIndex))
			return
		}
	}
	writeText(w, http.StatusOK, "follower\n")
}

// writeText and writeJSON do not report errors of the write: the client has
// gone, and there is nobody left to tell.
func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text)
}

func writeJSON(w http.ResponseWriter, code int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(answer)
}
