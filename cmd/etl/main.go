// Command etl takes log events from Apache Flume, counts them as an SQL query says, and keeps the counts in MySQL.
package main

import (
	"os"

	"github.com/sluice-etl/sluice/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
