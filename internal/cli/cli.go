package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sluice-etl/sluice/internal/quote"
)

// commands is the grammar of etl.
type commands struct {
	Run     runCmd     `cmd:"" help:"Receive and load, in one process."`
	Ingest  ingestCmd  `cmd:"" help:"Receive only: Flume's events into Kafka."`
	Load    loadCmd    `cmd:"" help:"Load only: Kafka's records into MySQL."`
	Check   checkCmd   `cmd:"" help:"Validate options, query, servers and ports without changing anything."`
	DryRun  dryRunCmd  `cmd:"" help:"Run log files through format and query, and print the rows."`
	Send    sendCmd    `cmd:"" help:"Send lines of files as Flume events."`
	Offsets offsetsCmd `cmd:"" help:"Show checkpoints, or move one by hand."`
	Migrate migrateCmd `cmd:"" help:"Read a flume.conf, and print the options that do its work."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

const description = `Sluice takes log events from Apache Flume, counts them as an SQL query says, and keeps the counts in MySQL.

An option is a flag and a variable, --kafka-brokers and ETL_KAFKA_BROKERS; the flag wins, and an empty variable is not set.
Exit codes: 0 done, 1 failed, 2 usage, 3 refused at start to protect the data.

Run "etl COMMAND --help" for what a command does and its options.`

// etl is the program.
func etl(grammar any) Program {
	return Program{Name: "etl", Description: description, Grammar: grammar, Vars: map[string]string{
		"job": "etl", "format": "", "avro_listen": ":41414",
		"kafka_brokers": "localhost:9092", "kafka_brokers_help": "default localhost:9092",
	}}
}

// Main runs etl with these arguments, and returns its exit code. A second signal ends the process from within.
func Main(args []string, s Streams) int {
	ctx, release := UntilSignal(context.Background(), os.Exit)
	defer release()
	k, err := etl(&commands{}).Parse(args, s)
	if err == nil {
		k.BindTo(ctx, (*context.Context)(nil))
		err = k.Run(k, s)
	}
	return Report(s.Err, "etl", err)
}

// Report tells a person why the program ends, and returns its exit code.
func Report(w io.Writer, program string, err error) int {
	code := ExitCode(err)
	if code != ExitDone {
		fmt.Fprintln(w, program+": "+strings.ReplaceAll(quote.Lines(err.Error()), "\n", "\n"+program+": "))
	}
	return code
}
