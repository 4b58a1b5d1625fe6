package cli

import (
	"context"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/internal/app"
)

type checkCmd struct {
	RunOptions `embed:""`
	DDL        bool   `group:"query" common:"Print the CREATE and GRANT statements." name:"ddl" help:"Print every CREATE and GRANT statement that the job needs."`
	Command    string `group:"process" common:"Command to check: run, ingest or load." enum:"run,ingest,load" default:"run" placeholder:"NAME" help:"Command to check: run, ingest or load (default run). ingest needs neither query nor MySQL; load needs no receiver ports."`
}

// Help shows examples.
func (checkCmd) Help() string {
	return `Takes the options of etl run. Ports and --watch-state of a running etl are reported as in use.

Examples:

	etl check --command ingest --avro-listen :41414 --avro-tls-cert collector.pem --avro-tls-key collector-key.pem
	etl check --ddl --mysql-dsn 'etl:secret@tcp(db:3306)/stats' --format combined --query-file hits.sql`
}

// Run reports on each server, and returns an error that sums up what is wrong.
func (c *checkCmd) Run(ctx context.Context, k *kong.Context, s Streams) error {
	if c.DDL && c.Command == "ingest" {
		return Usage("--ddl prints what the query needs, but --command ingest has no query: omit one of them")
	}
	cfg, err := c.halves(k, c.Command != "load", c.Command != "ingest", "")
	if err != nil {
		return err
	}
	out := flagWriter{s.Out}
	if c.DDL {
		return app.DDL(ctx, cfg, out)
	}
	return app.Check(ctx, cfg, out)
}
