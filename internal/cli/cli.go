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
	Run     runCmd     `cmd:"" help:"Receive and load in one process."`
	Ingest  ingestCmd  `cmd:"" help:"Receive only: events from Flume into Kafka."`
	Load    loadCmd    `cmd:"" help:"Load only: records from Kafka into MySQL."`
	Check   checkCmd   `cmd:"" help:"Validate options, query, servers and ports without changing anything."`
	Config  configCmd  `cmd:"" help:"Print the options in force, as a configuration file."`
	DryRun  dryRunCmd  `cmd:"" help:"Run log files through format and query, and print the resulting rows."`
	Plan    planCmd    `cmd:"" help:"Print the SQL that a start would run to create what is missing."`
	Explain explainCmd `cmd:"" help:"Print what a query does, or what it does with a line."`
	Test    testCmd    `cmd:"" help:"Run the tests that stand beside queries: lines in, rows out."`
	Send    sendCmd    `cmd:"" help:"Send the lines of files as Flume events."`
	Replay  replayCmd  `cmd:"" help:"Count a stretch of Kafka again, into another table."`
	Offsets offsetsCmd `cmd:"" help:"Show checkpoints, or move one."`
	Migrate migrateCmd `cmd:"" help:"Read a flume.conf, and print the equivalent etl options."`
	Version versionCmd `cmd:"" help:"Print the version and exit."`
}

const description = `Sluice receives log events from Apache Flume, aggregates them by an SQL query, and stores the results in MySQL.

Each option is a flag, an environment variable and a key of the file that --config names: --kafka-brokers,
ETL_KAFKA_BROKERS, kafka-brokers. A flag takes precedence over a variable, and a variable over the file. An empty
variable counts as unset.
Exit codes: 0 success, 1 failure, 2 usage error, 3 start refused to protect the data.

Run "etl COMMAND --help" to see what a command does and its options.`

// etl returns the command line of the program.
func etl(grammar any) Program {
	return Program{Name: "etl", Description: description, Grammar: grammar, Vars: map[string]string{
		"job": "etl", "format": "", "avro_listen": ":41414",
		"kafka_brokers": "localhost:9092", "kafka_brokers_help": "default localhost:9092",
	}}
}

// Main runs etl with these arguments, and returns its exit code. On a second signal the process exits without returning.
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

// Report prints why the program ends, each line prefixed with its name, and returns its exit code. Options are
// shown as flags, and control characters are escaped.
func Report(w io.Writer, program string, err error) int {
	code := ExitCode(err)
	if code != ExitDone {
		fmt.Fprintln(w, program+": "+strings.ReplaceAll(quote.Lines(withFlags(err.Error())), "\n", "\n"+program+": "))
	}
	return code
}
