package cli

import (
	"context"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/internal/app"
)

type checkCmd struct {
	RunOptions `embed:""`
	DDL        bool `group:"query" name:"ddl" help:"Print every CREATE and GRANT that the job needs."`
}

// Help shows examples.
func (checkCmd) Help() string {
	return `Validates options and query, reaches every server, and compares the tables with the query. It changes nothing, and fails at once where a server does not answer. It takes the options of etl run.

Examples:

	etl check --mysql-dsn 'etl:secret@tcp(db:3306)/stats' --format combined --query-file hits.sql
	etl check --ddl --mysql-dsn 'etl:secret@tcp(db:3306)/stats' --format combined --query-file hits.sql`
}

// Run reports on each server, and ends with what is wrong.
func (c *checkCmd) Run(ctx context.Context, k *kong.Context, s Streams) error {
	cfg, err := c.Config(k, "")
	if err != nil {
		return err
	}
	if c.DDL {
		return app.DDL(ctx, cfg, s.Out)
	}
	return app.Check(ctx, cfg, s.Out)
}
