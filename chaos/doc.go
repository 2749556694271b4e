// Package chaos runs a cluster of real processes, hurts it while clients use it,
// and says whether what the clients saw can be true.
//
// What comes in: a Config, with the quorate binary, faults, workloads and a
// seed. What goes out: a Report with a verdict; a line for each fault while it
// runs; and, when something was wrong, a directory with logs, data, histories
// and pictures.
//
//	proxy     the network between the members, which can be bad per direction
//	cluster   the processes: start, kill -9, SIGSTOP, disks that fill up
//	check     the checkers: what clients saw against what is there at the end
//	measure   the claims of the design, measured on real processes
//
// A run:
//
//  1. Members start, tables are made, and clients of each workload begin on
//     every node, over the PostgreSQL port, each with a connection of its own.
//  2. A fault, or two at once, begins, lasts, is healed; every member must serve
//     a write and a linearizable read again within RecoveryMax. And again.
//  3. All is healed, clients end, all members stop with SIGTERM and start again:
//     what was under way anywhere is settled then.
//  4. The tables of all members are compared, the histories are checked, and quorate
//     verify compares the members' databases as a whole.
//
// The seed draws faults, their order, times and victims, and what clients do. A
// run with the same seed does the same things; what comes of it is real time's.
//
// Of our packages it imports its own, and none of the server's: it sees the
// database as a client does.
package chaos
