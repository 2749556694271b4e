package buildinfo

import (
	"runtime"
	"testing"
)

// A build always knows its version, its Go version and its platform; the
// commit may be missing, and the line for people says so.
func TestGetDescribesThisBuild(t *testing.T) {
	info := Get()
	if info.Version == "" || info.Go != runtime.Version() || info.OS != runtime.GOOS || info.Arch != runtime.GOARCH {
		t.Errorf("Get() = %+v", info)
	}
}

func TestStringNamesTheCommit(t *testing.T) {
	info := Info{Version: "1.2.3", Commit: "abc", Go: "go1.26", OS: "linux", Arch: "amd64"}
	if got, want := info.String(), "quorate 1.2.3 (abc, go1.26, linux/amd64)"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	info.Commit = ""
	if got, want := info.String(), "quorate 1.2.3 (unknown commit, go1.26, linux/amd64)"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}
