package filewatch

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
)

// Config says which directories are watched, and how.
type Config struct {
	// Name is the value of the label receiver in metrics, and the component in logs.
	Name string
	// Dirs are the directories (--watch-dir).
	Dirs []string
	// State is the directory of the progress (--watch-state): one file for each of Dirs, and a lock that excludes a second
	// process. It is created if it does not exist. It has no default, because everything would be read again if the
	// directory were lost together with a container.
	State string
	// Interval is how often a directory is scanned (--watch-interval). The default is 1 s, Spark's shortest batch
	// interval.
	Interval time.Duration
	// Batch is the maximum number of lines that are given to Kafka at once (--watch-batch), up to 1 MiB of them. A crash
	// can duplicate as many lines. The default is 5,000.
	Batch int
	// MaxLineBytes bounds a line (--watch-max-line-bytes). A longer line is skipped, logged and counted. The default is
	// 1 MiB.
	MaxLineBytes int
}

// DefaultConfig returns the defaults, without directories.
func DefaultConfig() Config {
	return Config{
		Name: "watch", Interval: time.Second, Batch: 5000, MaxLineBytes: 1 << 20,
	}
}

// Validate returns an error that names every option out of its bounds.
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
	errs = append(errs,
		option.Range("watch-batch", c.Batch, 1, 1<<20),
		option.Range("watch-max-line-bytes", c.MaxLineBytes, 1, 1<<30),
	)
	return errors.Join(errs...)
}

// absolute returns the absolute path, or the path itself if the working directory cannot be determined.
func absolute(path string) string {
	if at, err := filepath.Abs(path); err == nil {
		return at
	}
	return filepath.Clean(path)
}
