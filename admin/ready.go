package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// readyz writes one line a check, in the form known from etcd and Kubernetes:
//
//	[+]disk ok
//	[-]leader failed: no leader for 4.2s
//	not ready
func readyz(w http.ResponseWriter, r *http.Request, checks []Check) {
	excluded := r.URL.Query()["exclude"]
	var body strings.Builder
	ready := true
	for _, check := range checks {
		if slices.Contains(excluded, check.Name) {
			fmt.Fprintf(&body, "[+]%s excluded\n", check.Name)
			continue
		}
		body.WriteString(checkLine(check))
		ready = ready && check.Err == nil
	}
	for _, name := range excluded {
		if !slices.ContainsFunc(checks, func(c Check) bool { return c.Name == name }) {
			fmt.Fprintf(&body, "warning: there is no check %q to exclude\n", name)
		}
	}
	if ready {
		body.WriteString("ready\n")
		writeText(w, http.StatusOK, body.String())
		return
	}
	body.WriteString("not ready\n")
	writeText(w, http.StatusServiceUnavailable, body.String())
}

// readyzOne answers for the check that the path names.
func readyzOne(w http.ResponseWriter, r *http.Request, checks []Check) {
	name := r.PathValue("name")
	at := slices.IndexFunc(checks, func(c Check) bool { return c.Name == name })
	switch {
	case at < 0:
		names := make([]string, len(checks))
		for i, check := range checks {
			names[i] = check.Name
		}
		writeText(w, http.StatusNotFound, fmt.Sprintf("there is no check %q; the checks are: %s\n", name, strings.Join(names, ", ")))
	case checks[at].Err != nil:
		writeText(w, http.StatusServiceUnavailable, checkLine(checks[at]))
	default:
		writeText(w, http.StatusOK, checkLine(checks[at]))
	}
}

func checkLine(check Check) string {
	if check.Err != nil {
		return fmt.Sprintf("[-]%s failed: %v\n", check.Name, check.Err)
	}
	if check.Note != "" {
		return fmt.Sprintf("[+]%s ok: %s\n", check.Name, check.Note)
	}
	return fmt.Sprintf("[+]%s ok\n", check.Name)
}

// health answers as etcd's /health does; the value is a string there too.
func health(w http.ResponseWriter, checks []Check) {
	type answer struct {
		Health string `json:"health"`
		Reason string `json:"reason,omitempty"`
	}
	for _, check := range checks {
		if check.Err != nil {
			writeJSON(w, http.StatusServiceUnavailable, answer{"false", check.Name + ": " + check.Err.Error()})
			return
		}
	}
	writeJSON(w, http.StatusOK, answer{Health: "true"})
}
