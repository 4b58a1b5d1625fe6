package app

import (
	"errors"
	"net"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/dedup"
	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/flumesink/spark"
	"github.com/sluice-etl/sluice/flumesink/thrift"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/mysqlout"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/filewatch"
	httpreceiver "github.com/sluice-etl/sluice/receiver/http"
	"github.com/sluice-etl/sluice/receiver/netcat"
	"github.com/sluice-etl/sluice/receiver/socket"
	"github.com/sluice-etl/sluice/receiver/syslog"
	"github.com/sluice-etl/sluice/receiver/udp"
	"github.com/sluice-etl/sluice/status"
)

// Config is a process: which halves it has, and every part's own configuration.
type Config struct {
	// Receive and Load are the two halves; at least one is on.
	Receive, Load bool

	Kafka  kafkaio.Config
	Status status.Config
	// ShutdownTimeout bounds the stop (P33).
	ShutdownTimeout time.Duration

	// FlumeValues says that receivers write Flume's own events, headers and body in Avro's encoding, as the values of
	// Kafka's records; else bodies, with the headers beside them. The plan's own option says what loading reads.
	FlumeValues bool

	// For receiving.
	Admission receiver.Config
	Avro      avro.Config
	Thrift    thrift.Config
	HTTP      httpreceiver.Config
	Spark     spark.Config
	Netcat    netcat.Config
	NetcatUDP udp.Config
	Syslog    syslog.Config // its format is the datagrams' too
	SyslogUDP udp.Config
	Socket    socket.Config
	Watch     filewatch.Config

	// For loading. Plan is compiled and not bound; the sink's fingerprint of it is filled in here.
	Plan  *query.Plan
	Batch batch.Config
	Pool  pool.Config
	Sink  mysqlout.Config
	// Dedup counts copies once; its header is the plan's, and the receivers' key.
	Dedup dedup.Config
	// DeadLetterKeep is how long dead letters are kept; 0 is for ever.
	DeadLetterKeep time.Duration

	// Sections are shown beside those of the parts.
	Sections []status.Section
	// Listening, where not nil, is told the addresses once all are taken, before anything is received.
	Listening func(Addresses)
}

// Addresses is where a process listens; nil where it does not. Receivers is every receiver's by the name of its
// metrics, Avro's too.
type Addresses struct {
	Avro, Admin net.Addr
	Receivers   map[string]net.Addr
}

// Validate reports whatever the parts that are on find wrong with theirs.
func (c Config) Validate() error {
	errs := []error{c.Kafka.Validate(), c.Status.Validate()}
	if !c.Receive && !c.Load {
		errs = append(errs, errors.New("nothing to do: neither a receiver nor loading is enabled"))
	}
	if c.Receive {
		errs = append(errs, c.validateReceivers())
	}
	if c.Load {
		errs = append(errs, c.Batch.Validate(), c.Pool.Validate(), c.Sink.Validate(), c.Dedup.Validate())
	}
	return errors.Join(append(errs, c.validateListeners()...)...)
}
