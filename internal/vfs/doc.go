// Package vfs is the seam between Quorate and the file system: as much of it as
// a log on disk needs and no more, so that a test can stand on the other side.
//
// What comes in are paths and bytes; what goes out are files whose durability
// is explicit. Three things are durable only when asked for:
//
//	a file's bytes and size        after File.Sync
//	a file's name, gone or there   after FS.SyncDir of its directory
//	space for bytes to come        after File.Preallocate and File.Sync
//
// There are three implementations:
//
//	OS        the real one. Sync is fdatasync and Preallocate is fallocate on
//	          Linux; elsewhere fsync and zeros written by hand.
//	Mem       in memory. CrashClone is the disk as a power failure may leave it:
//	          what was synced is there, and of the rest any part may be. It can
//	          be full (SetCapacity) and forget a bit (FlipBit).
//	Injected  any of them, with a rule that is asked before every operation and
//	          may make it fail, or watch.
//
// Mem and Injected start no goroutine, read no clock and draw no random number:
// the same calls give the same disk, as the simulator needs.
//
// The package imports nothing of ours.
package vfs
