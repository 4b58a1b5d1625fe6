package cli

import (
	"bufio"
	"context"
	"errors"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/registry"
)

type dryRunCmd struct {
	Files []string `arg:"" name:"file" help:"Log files; - is standard input."`

	QueryOptions    `embed:""`
	FormatTopic     `embed:""`
	LookupRows      `embed:""`
	RegistryOptions `embed:""`
	MaxDead         int `group:"query" common:"Dead letters to print." default:"20" help:"Maximum dead letters to print; all are counted. -1 prints all."`
}

// Help shows examples.
func (dryRunCmd) Help() string {
	return `Runs log files through format and query as etl run would, and prints the rows that would be written and the dead letters. It connects to no server but the schema registry of format avro_confluent. Values are checked against the columns of the tables that --create-tables creates.

Examples:

	etl dry-run --format combined --query 'INSERT INTO hits SELECT status, COUNT(*) AS hits FROM events GROUP BY status' access.log
	zcat access.log.*.gz | etl dry-run --format combined --query-file hits.sql -`
}

// Run prints what would be written.
func (c *dryRunCmd) Run(ctx context.Context, k *kong.Context, s Streams) error {
	plan, err := c.planOf(&c.QueryOptions)
	if err != nil {
		return err
	}
	if err := plan.Bind(schema.Created(plan.Tables())); err != nil {
		return err
	}
	if err := c.set(plan); err != nil {
		return err
	}
	if err := c.useRegistry(ctx, k, plan); err != nil {
		return err
	}
	opened, closeAll, err := openAll(c.Files, s.In)
	if err != nil {
		return err
	}
	defer closeAll()
	inputs := make([]query.Input, len(opened))
	for i, in := range opened {
		inputs[i] = query.Input{Name: in.Name, Reader: in.Reader}
	}
	out := bufio.NewWriter(s.Out)
	if _, err := query.DryRun(ctx, plan, inputs, out, c.MaxDead, withFlags); err != nil {
		return err
	}
	return out.Flush()
}

// useRegistry gives a plan the schemas of the registry, if its format reads them.
func (o RegistryOptions) useRegistry(ctx context.Context, k *kong.Context, plan *query.Plan) error {
	cfg := o.config()
	if err := optionErrors(k, errors.Join(cfg.Validate(), cfg.Require(plan.ReadsRegistry()))); err != nil || !cfg.Enabled() {
		return err
	}
	schemas, err := registry.New(cfg, nil, nil)
	if err != nil {
		return err
	}
	plan.UseSchemas(schemas.Waiting(ctx))
	return nil
}
