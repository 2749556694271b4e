// Package buildinfo says which build of Quorate this is. A release build sets
// the version with
//
//	go build -ldflags "-X quorate/internal/buildinfo.version=1.2.3" ./cmd/quorate
//
// and the Go tool adds the commit. It imports only the standard library.
package buildinfo

import (
	"runtime"
	"runtime/debug"
)

// version is set by the linker in release builds.
var version = "0.1.0-dev"

// Info describes this build. It is the answer of /version and of
// `quorate version -o json`; fields are only ever added.
type Info struct {
	Version string `json:"version"`
	Commit  string `json:"commit"` // "" when built without version control
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// Get returns the description of this build.
func Get() Info {
	info := Info{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	modified := false
	for _, setting := range build.Settings {
		switch setting.Key {
		case "vcs.revision":
			info.Commit = setting.Value
		case "vcs.modified":
			modified = setting.Value == "true"
		}
	}
	if info.Commit != "" && modified {
		info.Commit += "+changes"
	}
	return info
}

// String is one line for people.
func (i Info) String() string {
	commit := i.Commit
	if commit == "" {
		commit = "unknown commit"
	}
	return "quorate " + i.Version + " (" + commit + ", " + i.Go + ", " + i.OS + "/" + i.Arch + ")"
}
