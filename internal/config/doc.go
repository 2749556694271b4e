// Package config is where a node's settings come from.
//
// What comes in: flags, environment, a YAML file. What goes out: a Config whose
// every field is filled and checked, and for each setting where its value came
// from. Config is the single declaration of a setting: its tags give key,
// default, meaning; flag and variable follow from the key, and
// docs/reference/config.md is written from it.
//
//	key             flag              variable
//	raft.election   --raft-election   QUORATE_RAFT_ELECTION
//
// A flag wins over a variable, that over the file, that over the default; all
// four always count. Errors are *exitcode.Error: they name key, value and
// source, and say what is expected.
//
// The package imports nothing of ours but internal/exitcode. It reads one file
// and opens nothing else.
package config
