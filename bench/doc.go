// Package bench generates load and measures it.
//
// What comes in: addresses of a database that speaks PostgreSQL, a workload, a
// number of clients, a duration. What goes out: a Result with operations a
// second and the distribution of their latencies. The SQL is portable, so the
// same load runs unchanged on Quorate and on PostgreSQL.
//
// The loop is closed: each client sends its next operation when the last was
// answered. So the rates are what that many waiting clients can get, and the
// latencies are those of clients that wait; a server that stalls is asked less
// during the stall. Compare runs on one machine, as ratios.
//
// The package imports nothing of ours: it measures from outside.
package bench
