package cli

import (
	"strings"
	"testing"
)

// The times of a stretch are validated before anything is read.
func TestReplay_times(t *testing.T) {
	withoutEnvironment(t)
	for _, c := range []struct{ from, to, want string }{
		{"2026-11-21T10:00:00Z", "2026-11-21T09:00:00Z", "--to is \"2026-11-21T09:00:00Z\", must be after --from, 2026-11-21T10:00:00Z"},
		{"earliest", "2926-11-21T09:00:00+02:00", "must not be in the future"},
		{"yesterday", "2026-11-21T09:00:00Z", "--from is \"yesterday\", must be earliest or a time since 1970"},
		{"EARLIEST", "21.11.2026", "--to is \"21.11.2026\", must be a time since 1970 like 2026-11-21T08:00:00Z"},
		{"1969-11-21T09:00:00Z", "2026-11-21T09:00:00Z", "--from is \"1969-11-21T09:00:00Z\", must be"},
		{"2026-11-21T10:00:00.0001Z", "2026-11-21T11:00:00Z", "--from is \"2026-11-21T10:00:00.0001Z\", must be"},
	} {
		var out, errs strings.Builder
		code := Main([]string{
			"replay", "--kafka-brokers=127.0.0.1:1", "--mysql-dsn=etl@tcp(127.0.0.1:1)/site", "--format=combined",
			"--query=INSERT INTO pages SELECT path, COUNT(*) AS n FROM events GROUP BY path", "--from=" + c.from, "--to=" + c.to, "--into=again",
		}, Streams{Out: &out, Err: &errs})
		if code == 0 || !strings.Contains(errs.String(), c.want) {
			t.Errorf("from %s to %s: exit code %d and %q, expected %q", c.from, c.to, code, errs.String(), c.want)
		}
	}
}
