package cli

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/quote"
	"github.com/sluice-etl/sluice/mysqlout"
	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/row"
)

type explainCmd struct {
	QueryOptions  `embed:""`
	FormatTopic   `embed:""`
	LookupRows    `embed:""`
	RetainOptions `embed:""`
	Line          string `group:"query" common:"Line whose way through the query is shown." placeholder:"TEXT" help:"Line whose way through the query is shown."`
}

// Help shows examples.
func (explainCmd) Help() string {
	return `Prints what a query does: its fields, its filter, what makes a row, how each column is merged, and the SQL of its tables, for MySQL 8. With --line it prints the way of one line instead, up to the rows of the table or why it is a dead letter. It connects to no server.

Examples:

	etl explain --format combined --query-file hits.sql --line '192.0.2.7 - - [28/Nov/2026:10:00:03 +0000] "GET / HTTP/1.1" 200 5120 "-" "curl/8.5.0"'`
}

// Run prints the plan, or the way of a line.
func (c *explainCmd) Run(ctx context.Context, k *kong.Context, s Streams) error {
	plan, err := c.planOf(&c.QueryOptions)
	if err != nil {
		return err
	}
	retained, err := plan.Retained(c.Retain)
	if err != nil {
		return optionErrors(k, err)
	}
	out := bufio.NewWriter(s.Out)
	if strings.ContainsAny(c.Line, "\n\r") {
		return Usage("--line has a line ending, must be one line: etl dry-run reads files with several")
	}
	if c.Line == "" {
		if err := plan.Explain(out, tableSQL); err != nil {
			return err
		}
		for _, table := range slices.Sorted(maps.Keys(retained)) {
			fmt.Fprintf(out, "\nwindows of %s are deleted %s after their end, and later records of them are dead letters\n", quote.Text(table), option.Age(retained[table]))
		}
		return out.Flush()
	}
	if err := plan.Bind(schema.Created(plan.Tables())); err != nil {
		return err
	}
	if err := c.set(plan); err != nil {
		return err
	}
	if err := query.ExplainLine(ctx, plan, c.Line, time.Time{}, out, withFlags); err != nil {
		return err
	}
	return out.Flush()
}

// tableSQL returns the SQL that creates a table and that writes to it.
func tableSQL(t *row.Table) string {
	return schema.CreateSQL(pool.Server{}, t) + mysqlout.InsertSQL(t) + ";"
}
