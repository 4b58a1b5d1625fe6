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
		{Error("batch-interval", time.Millisecond, "must be at least %s", 10*time.Millisecond), "--batch-interval is 1ms, must be at least 10ms"},
		{Error("kafka-topic", "a b", "must be a topic"), `--kafka-topic is "a b", must be a topic`},
		{Error("kafka-user", "", "must be set"), "--kafka-user is empty, must be set"},
		{Error("watch-state", nil, "must be a directory"), "--watch-state is missing, must be a directory"},
		{Conflict("mysql-dsn", "must not be given together with %s", Ref("mysql-host")), "--mysql-dsn must not be given together with --mysql-host"},
		{Range("tasks", 0, 1, 256), "--tasks is 0, must be from 1 to 256"},
		{Range("ack-timeout", 0, time.Second, time.Minute), "--ack-timeout is 0s, must be from 1s to 1m0s"},
		{Least("max-batch-records", int64(0), 1), "--max-batch-records is 0, must be at least 1"},
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
