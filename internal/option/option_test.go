package option

import (
	"testing"
	"time"
)

func TestOptionError_text(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{Error("batch-interval", time.Millisecond, "must be at least %s", 10*time.Millisecond), "option 'batch-interval' is 1ms, must be at least 10ms"},
		{Error("kafka-topic", "a b", "must be a topic"), `option 'kafka-topic' is "a b", must be a topic`},
		{Error("kafka-user", "", "must be set"), "option 'kafka-user' is empty, must be set"},
		{Error("watch-state", nil, "must be a directory"), "option 'watch-state' is missing, must be a directory"},
		{Conflict("mysql-dsn", "must not be given together with %s", Ref("mysql-host")), "option 'mysql-dsn' must not be given together with option 'mysql-host'"},
		{Range("tasks", 0, 1, 256), "option 'tasks' is 0, must be from 1 to 256"},
		{Range("ack-timeout", 0, time.Second, time.Minute), "option 'ack-timeout' is 0s, must be from 1s to 1m0s"},
		{Least("max-batch-records", int64(0), 1), "option 'max-batch-records' is 0, must be at least 1"},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("got %v, expected %s", c.err, c.want)
		}
	}
	for _, err := range []error{Range("tasks", 1, 1, 256), Range("tasks", 256, 1, 256), Least("tasks", 1, 1)} {
		if err != nil {
			t.Errorf("got %v for a valid value", err)
		}
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	flags := map[string]string{"tasks": "--tasks", "mysql-dsn": "--mysql-dsn", "syslog_tcp.max-connections": "--syslog-max-connections"}
	for text, want := range map[string]string{
		"it is an option of etl run":                                           "it is an option of etl run",
		"unknown option tasks, option 'task'":                                  "unknown option tasks, option 'task'",
		"raise " + Ref("tasks"):                                                "raise --tasks",
		Ref("mysql-dsn") + " and " + Ref("tasks") + ": " + Ref("tasks") + "=3": "--mysql-dsn and --tasks: --tasks=3",
		"raise " + Ref(Of("syslog_tcp", "max-connections")) + ".":              "raise --syslog-max-connections.",
		`"a\n` + Ref("tasks") + ` is 0"`:                                       `"a\n--tasks is 0"`,
	} {
		if got := Replace(text, func(name string) string { return flags[name] }); got != want {
			t.Errorf("got %q for %q, expected %q", got, text, want)
		}
	}
}
