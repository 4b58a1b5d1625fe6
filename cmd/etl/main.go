// Command etl receives log events from Apache Flume, aggregates them by an SQL query, and stores the results in MySQL.
package main

import (
	"os"

	"github.com/sluice-etl/sluice/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
