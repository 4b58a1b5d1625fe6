package cli

import (
	"context"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/internal/app"
)

type planCmd struct {
	RunOptions `embed:""`
}

// Help shows examples.
func (planCmd) Help() string {
	return `Takes the options of etl run, and prints the SQL that a start with --create-tables would run on the configured server: the tables, columns and views that are missing. It runs none of it. Reasons for which a start would be refused even so follow as comments, and then the exit code is 3.

Examples:

	etl plan --mysql-dsn 'etl:secret@tcp(db:3306)/stats' --format combined --query-file hits.sql`
}

// Run prints the statements.
func (c *planCmd) Run(ctx context.Context, k *kong.Context, s Streams) error {
	cfg, err := c.halves(k, false, true, "")
	if err != nil {
		return err
	}
	return app.Plan(ctx, cfg, flagWriter{s.Out})
}
