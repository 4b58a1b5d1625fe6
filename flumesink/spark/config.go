package spark

import (
	"errors"
	"net"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
)

// Config is which sinks are polled, and how.
type Config struct {
	// Name is the value of the label receiver in metrics, and the component in logs.
	Name string
	// Sinks are the sinks' addresses, host:port (--poll).
	Sinks []string
	// Batch is how many events are asked for at once (--poll-batch). It must not be above the transactionCapacity of
	// the sink's channel, 100 by default; where the sink says that it is, fewer are asked for. The default is 1,000,
	// as Spark's.
	Batch int
	// Connections is how many connections each sink gets (--poll-connections): no more than the sink's threads, 10 by
	// default, nor twice its agent's cores. The default is 1.
	Connections int
	// ConnectTimeout bounds the making of a connection. The default is 20 s.
	ConnectTimeout time.Duration
	// Pause is waited, by each connection as often as there are connections, after an error of the sink: the thread
	// that made it is of no use for the sink's timeout, and a tenth of that spares its ten threads. It is waited as
	// well after a batch that was given back, which the sink offers again at once. The default is 6 s.
	Pause time.Duration
	// Limits bound a batch (--poll-max-…).
	receiver.Limits
}

// sinkTimeout is after how long a sink takes a batch back that nobody acked, where its agent says nothing.
const sinkTimeout = 60 * time.Second

// DefaultConfig is the defaults; it polls nobody.
func DefaultConfig() Config {
	return Config{
		Name: "spark", Batch: 1000, Connections: 1,
		ConnectTimeout: 20 * time.Second, Pause: 6 * time.Second, Limits: receiver.DefaultLimits("--poll-max-"),
	}
}

// Validate names every violated bound.
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
	for _, n := range []struct {
		option          string
		value, min, max int
	}{
		{"poll-batch", c.Batch, 1, 1 << 20},
		{"poll-connections", c.Connections, 1, 1 << 10},
	} {
		if n.value < n.min || n.value > n.max {
			errs = append(errs, option.Range(n.option, n.value, n.min, n.max))
		}
	}
	if c.Batch > c.MaxBatchEvents && c.MaxBatchEvents > 0 {
		errs = append(errs, option.Error("poll-batch", c.Batch, "must not exceed %s, %d, or every batch would be rejected", option.Ref("poll-max-batch-events"), c.MaxBatchEvents))
	}
	return errors.Join(append(errs, c.Limits.Validate())...)
}
