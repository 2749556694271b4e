//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package vfs

// Preallocate writes zeros: these systems have no call that all of their file
// systems answer.
func (f osFile) Preallocate(size int64) error { return f.writeZeros(size) }
