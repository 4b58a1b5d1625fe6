package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sluice-etl/sluice/migrate"
)

type migrateCmd struct {
	File  string `arg:"" name:"file" help:"Path of a flume.conf; - is standard input."`
	Agent string `group:"process" placeholder:"NAME" help:"Name of the agent to migrate (default: all agents of the file)."`
}

// Help shows examples.
func (migrateCmd) Help() string {
	return `Reads a Flume configuration and prints, for each agent in it, the etl command line that replaces it, what to change in the agent, and each property that is not needed or has no equivalent. It changes nothing and connects to no server. Passwords are not printed.

Examples:

	etl migrate /etc/flume/conf/flume.conf
	etl migrate --agent collector flume.conf`
}

// Run prints the plan of each agent.
func (c *migrateCmd) Run(s Streams) error {
	opened, closeAll, err := openAll([]string{c.File}, s.In)
	if err != nil {
		return err
	}
	defer closeAll()
	text, err := io.ReadAll(io.LimitReader(opened[0].Reader, migrate.MaxBytes+1))
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	f, err := migrate.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	plans := migrate.Plans(f)
	if c.Agent != "" {
		if plans, err = c.only(plans); err != nil {
			return err
		}
		f.Stray = nil
	}
	_, err = io.WriteString(s.Out, migrate.Text(f, plans))
	return err
}

// only returns the plan of the agent that --agent names.
func (c *migrateCmd) only(plans []migrate.Plan) ([]migrate.Plan, error) {
	var names []string
	for i := range plans {
		if plans[i].Agent == c.Agent {
			return plans[i : i+1], nil
		}
		names = append(names, plans[i].Agent)
	}
	return nil, usageError{errors.New("--agent is " + c.Agent + ", must be one of the agents of " + c.File + ": " + strings.Join(names, ", "))}
}
