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
	outputPlain outputFormat = "plain"
)

// addFlag gives a command the flag -o.
func (f *outputFormat) addFlag(cmd *cobra.Command) {
	*f = outputTable
	cmd.Flags().VarP(f, "output", "o", "table, json, or plain: tabs between columns and no heading")
}

// Set, String and Type make it the value of a flag.
func (f *outputFormat) Set(text string) error {
	switch outputFormat(text) {
	case outputTable, outputJSON, outputPlain:
		*f = outputFormat(text)
		return nil
	}
	return errors.New("expected table, json or plain")
}

func (f *outputFormat) String() string { return string(*f) }

// Type is what --help shows for the value.
func (f *outputFormat) Type() string { return "FORMAT" }

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// table is rows of cells, the first of them the heading.
type table struct{ rows [][]string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// write aligns the columns or, for programs, does not.
func (t *table) write(w io.Writer, format outputFormat) error {
	rows, out := t.rows, w
	var aligned *tabwriter.Writer
	if format == outputPlain {
		rows = rows[1:]
	} else {
		aligned = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		out = aligned
	}
	for _, row := range rows {
		if _, err := fmt.Fprintln(out, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	if aligned == nil {
		return nil
	}
	return aligned.Flush()
}
