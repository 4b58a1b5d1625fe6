package receiver

import (
	"strings"
	"testing"
)

func TestConfig_validate(t *testing.T) {
	t.Parallel()
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{AckTimeout: -1, ShutdownTimeout: -1}.Validate()
	for _, want := range []string{
		"option 'max-bytes-in-flight' is 0, must be at least 1048576", "option 'ack-timeout' is -1ns, must be at least 1ms",
		"option 'shutdown-timeout' is -1ns, must be at least 0s",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected %q", err, want)
		}
	}
}
