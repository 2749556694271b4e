package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// outputFormat is the value of -o.
type outputFormat string

const (
	outputTable outputFormat = "table"
	outputJSON  outputFormat = "json"
)

// addFlag gives a command the flag -o.
func (f *outputFormat) addFlag(cmd *cobra.Command) {
	*f = outputTable
	cmd.Flags().VarP(f, "output", "o", "table or json")
}

// Set, String and Type make it the value of a flag.
func (f *outputFormat) Set(text string) error {
	switch outputFormat(text) {
	case outputTable, outputJSON:
		*f = outputFormat(text)
		return nil
	}
	return errors.New("expected table or json")
}

func (f *outputFormat) String() string { return string(*f) }

// Type is what --help shows for the value.
func (f *outputFormat) Type() string { return "FORMAT" }

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// table writes rows in aligned columns, the first of them the heading.
type table struct{ rows [][]string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// write aligns the columns.
func (t *table) write(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range t.rows {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	return tw.Flush()
}
