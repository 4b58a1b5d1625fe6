package spark

import (
	"errors"
	"net"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
)

// Config says which sinks are polled, and how.
type Config struct {
	// Name is the value of the label receiver in metrics, and the component in logs.
	Name string
	// Sinks are the sinks' addresses, host:port (--poll).
	Sinks []string
	// Batch is how many events are requested at once (--poll-batch). It must not exceed the transactionCapacity of the
	// sink's channel, 100 by default; if the sink reports that it does, fewer are requested. The default is 1,000, as
	// in Spark.
	Batch int
	// Connections is the number of connections to each sink (--poll-connections). It must exceed neither the sink's
	// threads, 10 by default, nor twice the cores of its agent. The default is 1.
	Connections int
	// ConnectTimeout bounds connecting. The default is 20 s.
	ConnectTimeout time.Duration
	// Pause is how long a connection waits after an error of the sink, multiplied by the number of connections: the
	// sink's thread that reported the error is blocked for the sink's timeout. It has ten threads, hence a tenth of that
	// timeout.
	// A connection waits as long after a batch that was returned, because the sink offers it again at once. The default
	// is 6 s.
	Pause time.Duration
	// Limits bound a batch (--poll-max-…).
	receiver.Limits
}

// sinkTimeout is the default time after which a sink rolls back a batch that was not acked.
const sinkTimeout = 60 * time.Second

// DefaultConfig returns the defaults, without sinks.
func DefaultConfig() Config {
	return Config{
		Name: "spark", Batch: 1000, Connections: 1,
		ConnectTimeout: 20 * time.Second, Pause: 6 * time.Second, Limits: receiver.DefaultLimits("spark"),
	}
}

// Validate returns an error that names every option out of its bounds.
func (c *Config) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, s := range c.Sinks {
		if host, port, err := net.SplitHostPort(s); err != nil || host == "" || port == "" {
			errs = append(errs, option.Error("poll", s, "must be host:port of a SparkSink"))
		}
		if seen[s] {
			errs = append(errs, option.Conflict("poll", "has %s twice, must be given once; use %s for more connections", s, option.Ref("poll-connections")))
		}
		seen[s] = true
	}
	errs = append(errs,
		option.Range("poll-batch", c.Batch, 1, 1<<20),
		option.Range("poll-connections", c.Connections, 1, 1<<10),
	)
	if c.Batch > c.MaxBatchEvents && c.MaxBatchEvents > 0 {
		errs = append(errs, option.Error("poll-batch", c.Batch, "must not exceed %s, %d, or every batch would be rejected", option.Ref("spark.max-batch-events"), c.MaxBatchEvents))
	}
	return errors.Join(append(errs, c.Limits.Validate())...)
}
