package pool

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"strings"
	"testing"
)

// scripted is a connection to a server that replies to SHOW SESSION VARIABLES with these values, whatever was set.
type scripted struct {
	driverConn // only what session.prepare calls is there
	version    string
	variables  map[string]string
}

func (c *scripted) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, nil
}

func (c *scripted) QueryContext(_ context.Context, text string, _ []driver.NamedValue) (driver.Rows, error) {
	if strings.HasPrefix(text, "SELECT VERSION()") {
		return &scriptedRows{rows: [][2]string{{c.version, "test"}}}, nil
	}
	out := &scriptedRows{}
	for name, v := range c.variables {
		out.rows = append(out.rows, [2]string{name, v})
	}
	return out, nil
}

type scriptedRows struct{ rows [][2]string }

func (*scriptedRows) Columns() []string { return []string{"a", "b"} }
func (*scriptedRows) Close() error      { return nil }
func (r *scriptedRows) Next(to []driver.Value) error {
	if len(r.rows) == 0 {
		return io.EOF
	}
	to[0], to[1] = r.rows[0][0], r.rows[0][1]
	r.rows = r.rows[1:]
	return nil
}

// Every variable that a session sets is compared with what the server returns: a proxy that drops the SET of any
// one of them must not go unnoticed.
func TestP21_EachVariableIsCompared(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"10.11.6-MariaDB", "8.4.3"} {
		server, err := identify(version, "test")
		if err != nil {
			t.Fatal(err)
		}
		right := func() map[string]string {
			out := map[string]string{"transaction_isolation": isolation}
			for _, v := range settings(server, DefaultConfig()) {
				out[v.name] = v.want
			}
			return out
		}
		prepare := func(variables map[string]string) error {
			s := &session{conn: &scripted{version: version, variables: variables}}
			return s.prepare(t.Context(), DefaultConfig())
		}
		if err := prepare(right()); err != nil {
			t.Fatalf("%s: a session that is set as expected: %v", version, err)
		}
		for name := range right() {
			for _, wrong := range []string{"", "7"} {
				got := right()
				got[name] = wrong
				err := prepare(got)
				if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", wrong)) {
					t.Errorf("%s: %s reads %q: got %v, expected an error that contains %q", version, name, wrong, err, fmt.Sprintf("%q", wrong))
				}
			}
		}
	}
}
