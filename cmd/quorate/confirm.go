package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// confirmation is the flag --yes of a dangerous command.
type confirmation struct{ yes bool }

func (c *confirmation) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask; needed where nobody can answer")
}

// ask says what will happen and waits for a yes. Where nobody can answer, as
// in a script, --yes must have been given. errNo: the answer was no.
func (c *confirmation) ask(cmd *cobra.Command, whatWillHappen, question string) error {
	cmd.PrintErrln(whatWillHappen)
	if c.yes {
		return nil
	}
	if file, isFile := cmd.InOrStdin().(*os.File); !isFile || !term.IsTerminal(int(file.Fd())) {
		return usage(errors.New("this needs a yes, and there is nobody to ask"), "Give --yes if that is what you want.")
	}
	return readYes(cmd.InOrStdin(), cmd.ErrOrStderr(), question)
}

var errNo = errors.New("nothing was done")

// readYes asks; anything but y or yes is a no.
func readYes(in io.Reader, out io.Writer, question string) error {
	fmt.Fprintf(out, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return failed(err, "")
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errNo
}
