package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/flumesink/spark"
	"github.com/sluice-etl/sluice/flumesink/thrift"
	"github.com/sluice-etl/sluice/internal/app"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netcat"
	"github.com/sluice-etl/sluice/receiver/netserver"
	"github.com/sluice-etl/sluice/receiver/syslog"
)

// ReceiverOptions say where events come in, and what a sender may ask of us.
type ReceiverOptions struct {
	AvroListen       string `group:"receivers" default:"${avro_listen}" placeholder:"HOST:PORT" help:"Address of the Avro receiver (default ${avro_listen}); off turns it off. It takes plain and deflated connections, and TLS with --avro-tls-cert."`
	ProduceOptions   `embed:""`
	IPFilter         string       `group:"receivers" name:"ip-filter" placeholder:"RULES" help:"Who may send, in the syntax of Flume's ipFilterRules: allow:ip:10.*,allow:name:localhost,deny:ip:*. The first rule that matches decides; what no rule matches may send. For all receivers that listen."`
	MaxBytesInFlight Bytes        `group:"receivers" default:"256MiB" help:"Memory of events on the way to Kafka, over all receivers."`
	GunzipBodies     string       `group:"receivers" enum:"auto,off" default:"auto" placeholder:"WHEN" help:"When bodies are unpacked: auto, those that Log4j 2's Flume appender packed with gzip (it sets the header guId); or off (default auto)."`
	AvroMax          LimitOptions `embed:"" prefix:"avro-max-"`
	AvroListLength   int          `group:"receivers" name:"avro-max-list-length" default:"16384" help:"Buffers of a request."`
	AvroRatio        int          `group:"receivers" name:"avro-max-inflate-ratio" default:"500" help:"Bytes that may come out of one deflated byte, over a connection; logs make 5 to 30, zlib's most is 1032."`
	AvroConns        ConnOptions  `embed:"" prefix:"avro-max-"`
	AvroTLS          TLSOptions   `embed:"" prefix:"avro-tls-"`
	ThriftListen     string       `group:"receivers" placeholder:"HOST:PORT" help:"Address of the Thrift receiver, as in :4142. It takes the compact and the binary protocol, framed, and TLS with --thrift-tls-cert."`
	ThriftMax        LimitOptions `embed:"" prefix:"thrift-max-"`
	ThriftConns      int          `group:"receivers" name:"thrift-max-connections" default:"10000" help:"Open connections."`
	ThriftPerAddress int          `group:"receivers" name:"thrift-max-connections-per-address" default:"1000" help:"Open connections of one address."`
	ThriftTLS        TLSOptions   `embed:"" prefix:"thrift-tls-"`
	Poll             []string     `group:"receivers" placeholder:"HOST:PORT" help:"A SparkSink to poll; give it again for each further one."`
	PollBatch        int          `group:"receivers" default:"1000" help:"Events asked of a SparkSink at once: no more than its channel's transactionCapacity, which is 100 where nothing is said."`
	PollConnections  int          `group:"receivers" default:"1" help:"Connections to each SparkSink: no more than its threads."`
	PollMax          LimitOptions `embed:"" prefix:"poll-max-"`
	HTTPOptions      `embed:""`
	LineOptions      `embed:""`
	FileOptions      `embed:""`
}

// LimitOptions bound a request.
type LimitOptions struct {
	FrameBytes  Bytes `group:"receivers" default:"64MiB" help:"Bytes of a request."`
	BatchEvents int   `group:"receivers" default:"100000" help:"Events of a request."`
	Headers     int   `group:"receivers" default:"256" help:"Headers of an event. An event above this or the next two limits becomes a dead letter."`
	HeaderBytes Bytes `group:"receivers" default:"64KiB" help:"Bytes of an event's headers."`
	BodyBytes   Bytes `group:"receivers" default:"16MiB" help:"Bytes of an event's body."`
}

func (o LimitOptions) apply(l *receiver.Limits) {
	l.MaxFrameBytes, l.MaxBatchEvents, l.MaxHeaders = int(o.FrameBytes), o.BatchEvents, o.Headers
	l.MaxHeaderBytes, l.MaxBodyBytes = int(o.HeaderBytes), int(o.BodyBytes)
}

// ConnOptions bound a receiver's connections.
type ConnOptions struct {
	Connections int `group:"receivers" default:"10000" help:"Open connections."`
	PerAddress  int `group:"receivers" name:"connections-per-address" default:"1000" help:"Open connections of one address."`
	Pipelined   int `group:"receivers" default:"8" help:"Requests of one connection under way at once."`
}

func (o ConnOptions) apply(c *netserver.Config) {
	c.MaxConnections, c.MaxConnectionsPerAddress, c.MaxPipelined = o.Connections, o.PerAddress, o.Pipelined
}

// TLSOptions say how a receiver speaks TLS. Files are read again when they change.
type TLSOptions struct {
	Cert       string `group:"receivers" placeholder:"FILE" help:"The receiver's certificate with its chain, PEM. With it the port takes TLS beside plain connections."`
	Key        string `group:"receivers" placeholder:"FILE" help:"The certificate's key, PEM."`
	ClientCA   string `group:"receivers" name:"client-ca" placeholder:"FILE" help:"Authorities that sign clients, PEM: every client must then show a certificate, and plain connections are refused."`
	Required   bool   `group:"receivers" help:"Refuse plain connections."`
	MinVersion string `group:"receivers" default:"1.2" placeholder:"1.2" help:"Oldest version of TLS that is spoken: 1.0, 1.1, 1.2 or 1.3 (default 1.2). A Flume on Java 7 speaks 1.0."`
	MaxVersion string `group:"receivers" placeholder:"1.3" help:"Newest version of TLS that is spoken (default 1.3, of the Avro receiver 1.2: an Avro sink of Flume up to 1.9 on a newer Java offers 1.3, and then often hangs in the handshake)."`
}

// apply leaves the receiver's own newest version where none is given.
func (o TLSOptions) apply(c *netserver.TLS) {
	c.Cert, c.Key, c.ClientCA, c.Required, c.MinVersion = o.Cert, o.Key, o.ClientCA, o.Required, o.MinVersion
	if o.MaxVersion != "" {
		c.MaxVersion = o.MaxVersion
	}
}

func (o ReceiverOptions) admission() receiver.Config {
	c := receiver.DefaultConfig()
	c.MaxBytesInFlight = int64(o.MaxBytesInFlight)
	return c
}

// common is what all receivers that listen have alike.
func (o ReceiverOptions) common(c *netserver.Config, filter *receiver.IPFilter, shutdown time.Duration) {
	c.AckTimeout, c.ShutdownTimeout, c.Filter = o.AckTimeout, shutdown, filter
}

func (o ReceiverOptions) avro(filter *receiver.IPFilter, shutdown time.Duration) avro.Config {
	c := avro.DefaultConfig()
	o.common(&c.Config, filter, shutdown)
	o.AvroConns.apply(&c.Config)
	o.AvroMax.apply(&c.Limits)
	c.KeepPacked = o.GunzipBodies == "off"
	o.AvroTLS.apply(&c.TLS)
	c.Listen, c.MaxListLength, c.Inflate.MaxRatio = o.AvroListen, o.AvroListLength, o.AvroRatio
	return c
}

func (o ReceiverOptions) thrift(filter *receiver.IPFilter, shutdown time.Duration) thrift.Config {
	c := thrift.DefaultConfig()
	o.common(&c.Config, filter, shutdown)
	o.ThriftMax.apply(&c.Limits)
	c.KeepPacked = o.GunzipBodies == "off"
	o.ThriftTLS.apply(&c.TLS)
	c.Listen, c.MaxConnections, c.MaxConnectionsPerAddress = o.ThriftListen, o.ThriftConns, o.ThriftPerAddress
	return c
}

func (o ReceiverOptions) spark(shutdown time.Duration) spark.Config {
	c := spark.DefaultConfig()
	c.Sinks, c.Batch, c.Connections = o.Poll, o.PollBatch, o.PollConnections
	c.AckTimeout, c.ShutdownTimeout = o.AckTimeout, shutdown
	o.PollMax.apply(&c.Limits)
	c.KeepPacked = o.GunzipBodies == "off"
	return c
}

// receive puts what the options say into cfg, and turns receiving on where there is anything to receive by.
func (o *ReceiverOptions) receive(cfg *app.Config) error {
	filter, err := receiver.ParseIPFilter(o.IPFilter)
	if err != nil {
		err = usageError{err}
	}
	o.ProduceOptions.apply(&cfg.Kafka)
	if id := cfg.Dedup.Header; id != "" {
		if key := cfg.Kafka.KeyHeader; key != "" && key != id {
			err = errors.Join(err, usageError{fmt.Errorf("--kafka-key is %q and --dedup-header is %q: copies of an event meet in one partition only where its identity is the key; leave --kafka-key out", key, id)})
		}
		cfg.Kafka.KeyHeader = id
	}
	cfg.Kafka.ShutdownTimeout = cfg.ShutdownTimeout
	cfg.Admission, cfg.Avro = o.admission(), o.avro(filter, cfg.ShutdownTimeout)
	cfg.Thrift, cfg.Spark = o.thrift(filter, cfg.ShutdownTimeout), o.spark(cfg.ShutdownTimeout)
	cfg.HTTP = o.http(filter, cfg.ShutdownTimeout)
	cfg.Socket = o.socket(o.AckTimeout, cfg.ShutdownTimeout)
	cfg.Watch = o.watch(o.AckTimeout, cfg.ShutdownTimeout)
	cfg.Netcat, cfg.Syslog = o.netcat(filter, cfg.ShutdownTimeout), o.syslog(filter, cfg.ShutdownTimeout)
	cfg.NetcatUDP = o.datagrams(netcat.DefaultUDPConfig(), o.NetcatUDPListen, filter, cfg.ShutdownTimeout)
	cfg.SyslogUDP = o.datagrams(syslog.DefaultUDPConfig(), o.SyslogUDPListen, filter, cfg.ShutdownTimeout)
	cfg.Receive = cfg.Receives()
	return err
}

// errNothing is the error of a receiving process without receivers.
var errNothing = usageError{errors.New("--avro-listen is empty or off, and no other -listen, --poll, --connect-socket or --watch-dir is given: there is nothing to receive")}
