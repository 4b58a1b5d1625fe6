package app

import (
	"errors"
	"net"
	"slices"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/dedup"
	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/flumesink/spark"
	"github.com/sluice-etl/sluice/flumesink/thrift"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/mysqlout"
	"github.com/sluice-etl/sluice/mysqlout/joined"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/filewatch"
	httpreceiver "github.com/sluice-etl/sluice/receiver/http"
	"github.com/sluice-etl/sluice/receiver/netcat"
	"github.com/sluice-etl/sluice/receiver/socket"
	"github.com/sluice-etl/sluice/receiver/syslog"
	"github.com/sluice-etl/sluice/receiver/udp"
	"github.com/sluice-etl/sluice/registry"
	"github.com/sluice-etl/sluice/status"
)

// Config is the configuration of a process: which halves it has, and the configuration of every component.
type Config struct {
	// Receive and Load are the two halves; at least one is on.
	Receive, Load bool

	Kafka  kafkaio.Config
	Status status.Config
	// ShutdownTimeout is the grace period of a stop (P33).
	ShutdownTimeout time.Duration

	// FlumeValues makes receivers write whole Flume events (headers and body in Avro's encoding) as record values. If it is
	// false, the value is the body, and headers become record headers. What loading reads is an option of the plan.
	FlumeValues bool

	// For receiving.
	Shared    receiver.Config // what all receivers share; ShutdownTimeout above replaces its own
	Avro      avro.Config
	Thrift    thrift.Config
	HTTP      httpreceiver.Config
	Spark     spark.Config
	Netcat    netcat.Config
	NetcatUDP udp.Config
	Syslog    syslog.Config // its format applies to SyslogUDP too
	SyslogUDP udp.Config
	Socket    socket.Config
	Watch     filewatch.Config

	// For loading. Plan is compiled and not bound to tables. Run sets the query's fingerprint in Sink.
	Plan *query.Plan
	// Topics are the topics and their plans, united (query.Unite), if the process loads several. Kafka.Topic and Plan are
	// then those of the first. Nil means Kafka.Topic alone.
	Topics []query.TopicPlan
	Batch  batch.Config
	Pool   pool.Config
	Sink   mysqlout.Config
	// Dedup drops duplicates. Its header must be the plan's and the key header of the receivers.
	Dedup dedup.Config
	// Joined is for the tables that the plan joins. ReadJoined, if not nil, makes them be read again whenever it delivers.
	Joined     joined.Config
	ReadJoined <-chan struct{}
	// Registry is the registry whose schemas bodies name, if the plan's format reads it.
	Registry registry.Config
	// DeadLetterKeep is how long dead letters are kept; 0 keeps them permanently.
	DeadLetterKeep time.Duration

	// Sections are added to those of the components on the status page.
	Sections []status.Section
	// Listening, if not nil, is called with the addresses once all are bound, before anything is received.
	Listening func(Addresses)
}

// Addresses are the addresses on which a process listens, nil if it does not. Receivers maps the name of each receiver in
// the metrics to its address, including Avro's.
type Addresses struct {
	Avro, Admin net.Addr
	Receivers   map[string]net.Addr
}

// Validate reports all errors in the configuration of the enabled components.
func (c Config) Validate() error {
	errs := []error{c.Kafka.Validate(), c.Status.Validate(), c.validateTopics()}
	if !c.Receive && !c.Load {
		errs = append(errs, errors.New("nothing to do: neither a receiver nor loading is enabled"))
	}
	if c.Receive {
		errs = append(errs, c.validateReceivers())
	}
	if c.Load {
		errs = append(errs, c.Batch.Validate(), c.Pool.Validate(), c.Sink.Validate(), c.Dedup.Validate(), c.Joined.Validate(), c.Registry.Validate())
		if c.Plan != nil {
			errs = append(errs, c.Registry.Require(c.readsRegistry()))
		}
	}
	return errors.Join(append(errs, c.validateListeners()...)...)
}

// readsRegistry reports whether the format of a topic reads the registry.
func (c Config) readsRegistry() bool {
	return c.Plan.ReadsRegistry() || slices.ContainsFunc(c.Topics, func(t query.TopicPlan) bool { return t.Plan.ReadsRegistry() })
}
