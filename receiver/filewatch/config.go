package filewatch

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
)

// Config is which folders are watched, and how.
type Config struct {
	// Name is the value of the label receiver in metrics, and the component in logs.
	Name string
	// Dirs are the folders (--watch-dir).
	Dirs []string
	// State is the folder in which progress is kept (--watch-state): one file for each of Dirs, and a lock that keeps a
	// second process out. It is made where it is not there. It has no default: a folder that is lost with a container
	// would mean that everything is read again.
	State string
	// Interval is how often a folder is looked at (--watch-interval). The default is 1 s, Spark's batch interval at its
	// least.
	Interval time.Duration
	// Batch is how many lines are given to Kafka at once (--watch-batch), no more than 1 MiB of them: what may come twice
	// after a death. The default is 5,000.
	Batch int
	// MaxLineBytes bounds a line (--watch-max-line-bytes). A longer one is left out, logged and counted. The default is
	// 1 MiB.
	MaxLineBytes int
}

// DefaultConfig is the defaults; it watches nothing.
func DefaultConfig() Config {
	return Config{
		Name: "watch", Interval: time.Second, Batch: 5000, MaxLineBytes: 1 << 20,
	}
}

// Validate names every violated bound.
func (c *Config) Validate() error {
	var errs []error
	if c.State == "" {
		errs = append(errs, option.Error("watch-state", nil, "must be a persistent directory for the progress of %s", option.Ref("watch-dir")))
	}
	seen := map[string]bool{}
	for _, dir := range c.Dirs {
		at := absolute(dir)
		switch {
		case dir == "":
			errs = append(errs, option.Error("watch-dir", "", "must be the path of a directory"))
		case seen[at]:
			errs = append(errs, option.Conflict("watch-dir", "has %s twice, must be given once", at))
		case c.State != "" && at == absolute(c.State):
			errs = append(errs, option.Error("watch-state", at, "must not be a %s", option.Ref("watch-dir")))
		}
		seen[at] = true
	}
	if c.Interval < time.Millisecond {
		errs = append(errs, option.Error("watch-interval", c.Interval, "must be at least 1ms"))
	}
	for _, n := range []struct {
		option          string
		value, min, max int
	}{
		{"watch-batch", c.Batch, 1, 1 << 20},
		{"watch-max-line-bytes", c.MaxLineBytes, 1, 1 << 30},
	} {
		if n.value < n.min || n.value > n.max {
			errs = append(errs, option.Range(n.option, n.value, n.min, n.max))
		}
	}
	return errors.Join(errs...)
}

// absolute is the whole path, or the path as it is where the working folder cannot be found.
func absolute(path string) string {
	if at, err := filepath.Abs(path); err == nil {
		return at
	}
	return filepath.Clean(path)
}
