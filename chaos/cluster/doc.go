// Package cluster runs the members of a cluster as real processes on this
// machine, and does to them what operators, kernels and disks do.
//
// What comes in: the quorate binary, a directory, a number of members, and the
// network through which they reach each other. What goes out: processes that
// start, are killed, stopped, paused, asked for their status. A process that
// ends without having been told to is reported by Fallen.
//
// All addresses are on 127.0.0.1, at ports that were free when they were chosen and
// that the kernel gives to nobody by itself. No process outlives the one that
// uses this package, however that ends: see spawner.
//
// With disks, each member has a small file system of its own, in memory, which
// can be full. That needs Linux and root; DisksError says why there are none.
//
// Of our packages it imports admin, for the form of a status.
package cluster
