package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/sluice-etl/sluice/internal/quote"
	"github.com/sluice-etl/sluice/query/trial"
)

type testCmd struct {
	Files  []string `arg:"" name:"file.sql" help:"Files with a query. The test of FILE.sql is FILE.test."`
	Update bool     `group:"query" common:"Write what the queries made as expected." help:"Write the rows and dead letters that the queries made into the tests, as expected."`
}

// Help shows examples.
func (testCmd) Help() string {
	return `Runs each query over the lines of the test beside it, as etl run would, and compares the rows and the dead letters with those that the test expects. It connects to no server. The exit code is 1 if a test failed, and 2 if a test cannot be read.

A test has options, lines, and what is expected of them:

	format: combined

	== lines ==
	192.0.2.7 - - [28/Nov/2026:10:00:03 +0000] "GET / HTTP/1.1" 200 5120 "-" "curl/8.5.0"
	nonsense

	== rows of hits ==
	| status | hits |
	|    200 |    1 |

	== dead letters ==
	2: expected host, ident and user before the time, separated by spaces

If the query joins tables, their rows are given in sections such as == table hosts ==, in the same form, in front of what is expected. A column that is left out is NULL.

The options are format, log-format-string, time-zone, max-lateness, max-ahead, and kafka-time, the time of the records in Kafka. Each line is a record.

Examples:

	etl test hits.sql
	etl test --update queries/*.sql`
}

// Run prints a line for each test, and the differences of those that fail.
func (c *testCmd) Run(ctx context.Context, s Streams) error {
	failed := 0
	for _, name := range c.Files {
		ok, err := c.run(ctx, name, s)
		if err != nil {
			return err
		}
		if !ok {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d tests failed", failed, len(c.Files))
	}
	return nil
}

func (c *testCmd) run(ctx context.Context, name string, s Streams) (ok bool, err error) {
	queryText, err := os.ReadFile(name)
	if err != nil {
		return false, usageError{err}
	}
	testName := trial.TestName(name)
	text, err := os.ReadFile(testName)
	if err != nil {
		return false, usageError{fmt.Errorf("the test of %s: %w", name, err)}
	}
	test, err := trial.Parse(string(text))
	if err != nil {
		return false, usageError{fmt.Errorf("%s: %w", testName, err)}
	}
	res, err := test.Run(ctx, string(queryText), withFlags)
	switch {
	case ctx.Err() != nil:
		return false, err
	case err != nil:
		err = withExcerpt(name, string(queryText), err)
		_, err = fmt.Fprintf(s.Out, "FAIL  %s\n      %s\n", quote.Text(name), indented(err.Error()))
		return false, err
	case c.Update && res.Text != string(text):
		if err := os.WriteFile(testName, []byte(res.Text), 0o666); err != nil { //nolint:gosec // G306: a file of the source tree, readable as the umask says
			return false, err
		}
		_, err = fmt.Fprintf(s.Out, "wrote %s  rows: %d, dead letters: %d\n", quote.Text(testName), res.Rows, res.Dead)
		return true, err
	case len(res.Diff) > 0:
		_, err = fmt.Fprintf(s.Out, "FAIL  %s  (- expected, + got)\n      %s\n", quote.Text(name), indented(strings.Join(res.Diff, "\n")))
		return false, err
	}
	_, err = fmt.Fprintf(s.Out, "ok    %s  rows: %d, dead letters: %d\n", quote.Text(name), res.Rows, res.Dead)
	return err == nil, err
}

// indented returns lines for the output of etl test.
func indented(text string) string {
	return strings.ReplaceAll(quote.Lines(withFlags(text)), "\n", "\n      ")
}
