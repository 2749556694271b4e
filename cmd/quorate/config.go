package main

import (
	"os"
	"slices"

	"github.com/spf13/cobra"

	"quorate/internal/config"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Look at the configuration"}
	cmd.AddCommand(newConfigPrint())
	return cmd
}

func newConfigPrint() *cobra.Command {
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Show each setting, and where its value comes from",
		Long: `Show each setting of quorate start, and where its value comes from. It takes the
flags of quorate start, reads the same file and environment, and finds the same
mistakes, but starts nothing.`,
		Example: "  quorate config print --config /etc/quorate/quorate.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			for _, warning := range loaded.Warnings {
				cmd.PrintErrln("warning:", warning)
			}
			return printConfig(cmd, loaded, output)
		},
	}
	output.addFlag(cmd)
	addConfigFlags(cmd)
	return cmd
}

func printConfig(cmd *cobra.Command, loaded *config.Loaded, output outputFormat) error {
	if output == outputJSON {
		type setting struct {
			Key    string `json:"key"`
			Value  string `json:"value"`
			Source string `json:"source"`
		}
		settings := make([]setting, len(loaded.Values))
		for i, v := range loaded.Values {
			settings[i] = setting{v.Key, v.Text, v.Source}
		}
		return writeJSON(cmd.OutOrStdout(), settings)
	}
	t := &table{}
	t.row("KEY", "VALUE", "SOURCE")
	for _, v := range loaded.Values {
		if v.Text == "" {
			v.Text = "(" + v.When + ")"
		}
		t.row(v.Key, v.Text, v.Source)
	}
	return t.write(cmd.OutOrStdout(), output)
}

// addConfigFlags gives a command --config, and a flag for every setting, or
// for those that are named.
func addConfigFlags(cmd *cobra.Command, only ...string) {
	cmd.Flags().String("config", config.DefaultFile, "configuration `FILE`; none when empty")
	for _, s := range config.Settings() {
		switch {
		case len(only) > 0 && !slices.Contains(only, s.Flag):
		case s.Default == "true" || s.Default == "false":
			cmd.Flags().Bool(s.Flag, s.Default == "true", s.Usage())
		default:
			cmd.Flags().String(s.Flag, s.Default, "`"+s.Kind+"`: "+s.Usage())
		}
	}
}

// loadConfig reads the settings of a command that has addConfigFlags.
func loadConfig(cmd *cobra.Command) (*config.Loaded, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	if fromEnv, ok := os.LookupEnv("QUORATE_CONFIG"); ok && !cmd.Flags().Changed("config") {
		file = fromEnv
	}
	sources := config.Sources{Flags: map[string]string{}, Environ: os.Environ(), File: file, Hostname: os.Hostname}
	for _, s := range config.Settings() {
		if flag := cmd.Flags().Lookup(s.Flag); flag != nil && flag.Changed {
			sources.Flags[s.Flag] = flag.Value.String()
		}
	}
	return config.Load(sources)
}
