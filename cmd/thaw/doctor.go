package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// status is what a check found.
type status string

const (
	statusOK      status = "ok"
	statusWarning status = "warning" // the server runs, with something less
	statusMissing status = "missing" // the server does not run
)

// check is one thing that the server needs of its machine.
type check struct {
	Name string
	// Meaning is what the thing is for; Fix is what a person does about it.
	Meaning string
	Fix     string
	// Optional things make a warning when they lack.
	Optional bool
	// probe looks for the thing. Its text says what was found, in either case.
	probe func(host) (detail string, ok bool)
}

// finding is the outcome of one check.
type finding struct {
	Check   string `json:"check"`
	Status  status `json:"status"`
	Detail  string `json:"detail"`
	Meaning string `json:"meaning"`
	Fix     string `json:"fix,omitempty"` // only where something lacks
}

func (c check) run(h host) finding {
	detail, ok := c.probe(h)
	f := finding{Check: c.Name, Status: statusOK, Detail: detail, Meaning: c.Meaning}
	switch {
	case ok:
		return f
	case c.Optional:
		f.Status = statusWarning
	default:
		f.Status = statusMissing
	}
	f.Fix = c.Fix
	return f
}

func newDoctorCommand() *cobra.Command {
	var conn connection
	var listen, runtimes string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what the server needs of this machine",
		Long: `Check each thing that the server needs of this machine: found or not, what it is
for and how to get it. Nothing is changed, save for empty control groups that are
made and removed again. In a container, processes may be moved to a control group
of their own, as the server would move them.

The exit code is 1 if something is missing without which the server does not run.`,
		Example: `  sudo thaw doctor
  sudo thaw doctor --json | jq '.[] | select(.status != "ok")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h := thisHost(conn.dataDir(), listen, runtimes)
			var findings []finding
			missing := 0
			for _, c := range hostChecks() {
				f := c.run(h)
				if f.Status == statusMissing {
					missing++
				}
				findings = append(findings, f)
			}
			if err := printFindings(cmd.OutOrStdout(), findings, conn.json); err != nil {
				return err
			}
			if missing > 0 {
				return errReported
			}
			return nil
		},
	}
	conn.addFlags(cmd)
	cmd.Flags().StringVar(&listen, "listen", defaultListen, "the `address` that the server is to listen on")
	cmd.Flags().StringVar(&runtimes, "runtimes", "", "`directory` of the managed runtimes (default: the server's)")
	return cmd
}

func printFindings(w io.Writer, findings []finding, asJSON bool) error {
	if asJSON {
		return printJSON(w, findings)
	}
	paint := newPainter(w)
	colours := map[status]string{statusOK: green, statusWarning: yellow, statusMissing: red}
	count := map[status]int{}
	for _, f := range findings {
		count[f.Status]++
		label := paint.paint(colours[f.Status], fmt.Sprintf("%-8s", f.Status))
		fmt.Fprintf(w, "%s  %-18s %s\n", label, f.Check, f.Detail)
		if f.Status != statusOK {
			fmt.Fprintf(w, "%29sfor: %s\n%29sfix: %s\n", "", f.Meaning, "", f.Fix)
		}
	}
	_, err := fmt.Fprintf(w, "%d ok, %d warning, %d missing\n", count[statusOK], count[statusWarning], count[statusMissing])
	return err
}
