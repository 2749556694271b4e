package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"quorate/internal/buildinfo"
)

func newVersion() *cobra.Command {
	var output outputFormat
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Say which build this is",
		Example: "  quorate version -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output == outputJSON {
				return writeJSON(cmd.OutOrStdout(), buildinfo.Get())
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), buildinfo.Get())
			return err
		},
	}
	output.addFlag(cmd)
	return cmd
}
