// Package lint holds the house rules that a compiler does not know, as tests:
// who may import whom, what a package must say about itself, what must not
// appear in the source. Each failure says what to write instead.
//
// It has no code of its own; go test ./internal/lint runs it.
package lint
