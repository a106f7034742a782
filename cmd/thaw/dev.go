package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

func newDevCommand() *cobra.Command {
	var conn connection
	d := deployment{method: stored}
	var env []string
	cmd := &cobra.Command{
		Use:   "dev DIR",
		Short: "Deploy a directory again whenever a file in it is saved",
		Long: `Deploy a function from a directory, and again whenever a file in it is saved, and
print what the function logs, until interrupted. Code that cannot be compiled or
deployed is told, and what was deployed before stays in service.

Log lines go to standard output, all else to standard error.`,
		Example: `  thaw dev ./hello
  thaw dev ./hello --name greeter --env STAGE=dev --memory 512`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.source = args[0]
			if err := d.complete(env); err != nil {
				return err
			}
			if _, isDir, err := sourceFS(d.source); err != nil {
				return err
			} else if !isDir {
				return usageError("%s is not a directory", d.source)
			}
			run := developer{conn: &conn, deployment: d, out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), paint: newPainter(cmd.ErrOrStderr())}
			return run.run(cmd.Context())
		},
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	}
	conn.addDataFlag(cmd)
	d.addFlags(cmd, &env, &conn)
	return cmd
}

// developer carries out dev: one loop deploys what is saved, beside it another
// prints the log.
type developer struct {
	conn       *connection
	deployment deployment
	out, errs  io.Writer
	paint      painter
}

func (d *developer) run(ctx context.Context) error {
	if _, err := d.conn.target(); err != nil {
		return err
	}
	files, err := openWatcher(d.deployment.source)
	if err != nil {
		return err
	}
	defer files.Close()
	reader, err := d.logEnd(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var logs sync.WaitGroup
	defer logs.Wait()
	defer cancel()
	logs.Go(func() { d.follow(ctx, reader) })
	for first := true; ; {
		if d.reload(ctx, first) {
			first = false
		}
		if awaitSave(ctx, files.changes) != nil {
			return nil // interrupting is how it ends
		}
	}
}

// reload deploys once and tells what became of it. The first time is the first that
// comes to a good end.
func (d *developer) reload(ctx context.Context, first bool) (done bool) {
	start := time.Now()
	result, err := d.deploy(ctx, first)
	took := time.Since(start).Round(time.Millisecond)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		fmt.Fprintf(d.errs, "%s %s\n", d.paint.paint(red, "not deployed:"), message(err))
	case first:
		fmt.Fprintf(d.errs, "%s %s %s %s; watching %s\n", d.paint.paint(green, "deployed"), result.Function, result.Runtime, result.Handler, d.deployment.source)
	default:
		fmt.Fprintf(d.errs, "%s %s in %v\n", d.paint.paint(green, "reloaded"), result.Function, took)
	}
	return err == nil
}

func (d *developer) deploy(ctx context.Context, first bool) (deployResult, error) {
	t, err := d.conn.target()
	if err != nil {
		return deployResult{}, err
	}
	run := deployer{deployment: d.deployment, client: t.uploader(d.errs), progress: newProgress(d.errs)}
	run.progress.silent = !first
	if !first {
		run.env = nil // as they were given once; the same ones again would change the function
	}
	ready, _ := installedRuntimes(t.Runtimes)
	return run.deploy(ctx, ready)
}

// logEnd reads on from where the log of the function ends now; what it said
// earlier is not shown. A function that is yet to come has said nothing.
func (d *developer) logEnd(ctx context.Context) (*logReader, error) {
	t, err := d.conn.target()
	if err != nil {
		return nil, err
	}
	reader := newLogReader(t, d.deployment.name)
	return reader, reader.skip(ctx)
}

// follow prints the log until ctx ends. While the function is not there yet, or
// the server is being restarted, it asks again now and then.
func (d *developer) follow(ctx context.Context, reader *logReader) {
	show := showLogLine(d.out, false)
	for ctx.Err() == nil {
		if t, err := d.conn.target(); err == nil {
			reader.functions, reader.logs = t.client(), t.logClient()
			// An error here is one of deploy too, which tells it.
			_ = reader.read(ctx, true, show)
		}
		select {
		case <-ctx.Done():
		case <-time.After(followPause):
		}
	}
}
