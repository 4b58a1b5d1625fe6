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

// ReceiverOptions configure the receivers and the limits on what a client may send.
type ReceiverOptions struct {
	AvroListen       string `group:"receivers" common:"Avro receiver; off disables it." default:"${avro_listen}" placeholder:"HOST:PORT" help:"Address of the Avro receiver (default ${avro_listen}); off disables it. It takes plain and deflated connections, and TLS with --avro-tls-cert."`
	ProduceOptions   `embed:""`
	IPFilter         string       `group:"receivers" name:"ip-filter" placeholder:"RULES" help:"Which addresses may send, in the syntax of Flume's ipFilterRules: allow:ip:10.*,allow:name:localhost,deny:ip:*. The first matching rule decides; an address that no rule matches may send. Applies to all receivers that listen."`
	MaxBytesInFlight Bytes        `group:"receivers" default:"256MiB" help:"Memory limit for events in flight to Kafka, over all receivers."`
	GunzipBodies     string       `group:"receivers" enum:"auto,off" default:"auto" placeholder:"WHEN" help:"Whether bodies are decompressed: auto decompresses those that Log4j 2's Flume appender compressed with gzip (it sets the header guId); off decompresses none (default auto)."`
	AvroMax          LimitOptions `embed:"" prefix:"avro-max-"`
	AvroListLength   int          `group:"receivers" name:"avro-max-list-length" default:"16384" help:"Maximum buffers in a request."`
	AvroRatio        int          `group:"receivers" name:"avro-max-inflate-ratio" default:"500" help:"Maximum ratio of decompressed to deflated bytes over a connection. Logs have 5 to 30; the maximum of zlib is 1032."`
	AvroConns        ConnOptions  `embed:"" prefix:"avro-max-"`
	AvroTLS          TLSOptions   `embed:"" prefix:"avro-tls-"`
	ThriftListen     string       `group:"receivers" common:"Thrift receiver." placeholder:"HOST:PORT" help:"Address of the Thrift receiver, for example :4142. It takes the compact and the binary protocol, framed, and TLS with --thrift-tls-cert."`
	ThriftMax        LimitOptions `embed:"" prefix:"thrift-max-"`
	ThriftConns      int          `group:"receivers" name:"thrift-max-connections" default:"10000" help:"Maximum open connections."`
	ThriftPerAddress int          `group:"receivers" name:"thrift-max-connections-per-address" default:"1000" help:"Maximum open connections from one address."`
	ThriftTLS        TLSOptions   `embed:"" prefix:"thrift-tls-"`
	Poll             []string     `group:"receivers" common:"SparkSink to poll." placeholder:"HOST:PORT" help:"Address of a SparkSink to poll. Repeat the option for further ones."`
	PollBatch        int          `group:"receivers" default:"1000" help:"Events requested from a SparkSink at once. Must not exceed the transactionCapacity of its channel, which is 100 by default."`
	PollConnections  int          `group:"receivers" default:"1" help:"Connections to each SparkSink. Must not exceed its threads."`
	PollMax          LimitOptions `embed:"" prefix:"poll-max-"`
	HTTPOptions      `embed:""`
	LineOptions      `embed:""`
	FileOptions      `embed:""`
}

// LimitOptions limit a request.
type LimitOptions struct {
	FrameBytes  Bytes `group:"receivers" default:"64MiB" help:"Maximum bytes of a request."`
	BatchEvents int   `group:"receivers" default:"100000" help:"Maximum events of a request."`
	Headers     int   `group:"receivers" default:"256" help:"Maximum headers of an event. An event above this or one of the next two limits becomes a dead letter."`
	HeaderBytes Bytes `group:"receivers" default:"64KiB" help:"Maximum bytes of an event's headers."`
	BodyBytes   Bytes `group:"receivers" default:"16MiB" help:"Maximum bytes of an event's body."`
}

func (o LimitOptions) apply(l *receiver.Limits) {
	l.MaxFrameBytes, l.MaxBatchEvents, l.MaxHeaders = int(o.FrameBytes), o.BatchEvents, o.Headers
	l.MaxHeaderBytes, l.MaxBodyBytes = int(o.HeaderBytes), int(o.BodyBytes)
}

// ConnOptions limit a receiver's connections.
type ConnOptions struct {
	Connections int `group:"receivers" default:"10000" help:"Maximum open connections."`
	PerAddress  int `group:"receivers" name:"connections-per-address" default:"1000" help:"Maximum open connections from one address."`
	Pipelined   int `group:"receivers" default:"8" help:"Maximum concurrent requests of one connection."`
}

func (o ConnOptions) apply(c *netserver.Config) {
	c.MaxConnections, c.MaxConnectionsPerAddress, c.MaxPipelined = o.Connections, o.PerAddress, o.Pipelined
}

// TLSOptions configure TLS of a receiver. Files are read again when they change.
type TLSOptions struct {
	Cert       string `group:"receivers" placeholder:"FILE" help:"PEM file with the certificate of the receiver and its chain. With it the port takes TLS beside plain connections."`
	Key        string `group:"receivers" placeholder:"FILE" help:"PEM file with the key of the certificate."`
	ClientCA   string `group:"receivers" name:"client-ca" placeholder:"FILE" help:"PEM file with the certificate authorities of clients. With it every client must present a certificate, and plain connections are rejected."`
	Required   bool   `group:"receivers" help:"Reject plain connections."`
	MinVersion string `group:"receivers" default:"1.2" placeholder:"1.2" help:"Oldest TLS version to accept: 1.0, 1.1, 1.2 or 1.3 (default 1.2). Flume on Java 7 needs 1.0."`
	MaxVersion string `group:"receivers" placeholder:"1.3" help:"Newest TLS version to accept (default 1.3; 1.2 for the Avro receiver, because an Avro sink of Flume up to 1.9 on a newer Java offers 1.3 and then often hangs in the handshake)."`
}

// apply keeps the receiver's own default newest version if none is given.
func (o TLSOptions) apply(c *netserver.TLS) {
	c.Cert, c.Key, c.ClientCA, c.Required, c.MinVersion = o.Cert, o.Key, o.ClientCA, o.Required, o.MinVersion
	if o.MaxVersion != "" {
		c.MaxVersion = o.MaxVersion
	}
}

// shared returns the configuration that all receivers share.
func (o ReceiverOptions) shared(filter *receiver.IPFilter, shutdown time.Duration) receiver.Config {
	return receiver.Config{MaxBytesInFlight: int64(o.MaxBytesInFlight), AckTimeout: o.AckTimeout, ShutdownTimeout: shutdown, Filter: filter}
}

func (o ReceiverOptions) avro() avro.Config {
	c := avro.DefaultConfig()
	o.AvroConns.apply(&c.Config)
	o.AvroMax.apply(&c.Limits)
	c.KeepCompressed = o.GunzipBodies == "off"
	o.AvroTLS.apply(&c.TLS)
	c.Listen, c.MaxListLength, c.Inflate.MaxRatio = o.AvroListen, o.AvroListLength, o.AvroRatio
	return c
}

func (o ReceiverOptions) thrift() thrift.Config {
	c := thrift.DefaultConfig()
	o.ThriftMax.apply(&c.Limits)
	c.KeepCompressed = o.GunzipBodies == "off"
	o.ThriftTLS.apply(&c.TLS)
	c.Listen, c.MaxConnections, c.MaxConnectionsPerAddress = o.ThriftListen, o.ThriftConns, o.ThriftPerAddress
	return c
}

func (o ReceiverOptions) spark() spark.Config {
	c := spark.DefaultConfig()
	c.Sinks, c.Batch, c.Connections = o.Poll, o.PollBatch, o.PollConnections
	o.PollMax.apply(&c.Limits)
	c.KeepCompressed = o.GunzipBodies == "off"
	return c
}

// receive sets the configuration of receiving in cfg, and turns receiving on if at least one receiver is enabled.
func (o *ReceiverOptions) receive(cfg *app.Config) error {
	filter, err := receiver.ParseIPFilter(o.IPFilter)
	if err != nil {
		err = usageError{err}
	}
	o.ProduceOptions.apply(&cfg.Kafka)
	if id := cfg.Dedup.Header; id != "" {
		if key := cfg.Kafka.KeyHeader; key != "" && key != id {
			err = errors.Join(err, usageError{fmt.Errorf("--kafka-key is %q and --dedup-header is %q: duplicates of an event reach the same partition only if its ID is the key; omit --kafka-key", key, id)})
		}
		cfg.Kafka.KeyHeader = id
	}
	cfg.Kafka.ShutdownTimeout = cfg.ShutdownTimeout
	cfg.Shared = o.shared(filter, cfg.ShutdownTimeout)
	cfg.Avro, cfg.Thrift, cfg.HTTP, cfg.Spark = o.avro(), o.thrift(), o.http(), o.spark()
	cfg.Netcat, cfg.Syslog, cfg.Socket, cfg.Watch = o.netcat(), o.syslog(), o.socket(), o.watch()
	cfg.NetcatUDP, cfg.SyslogUDP = netcat.DefaultUDPConfig(), syslog.DefaultUDPConfig()
	cfg.NetcatUDP.Listen, cfg.SyslogUDP.Listen = o.NetcatUDPListen, o.SyslogUDPListen
	cfg.Receive = cfg.Receives()
	return err
}

// errNothing is the error of a receiving process without an enabled receiver.
var errNothing = usageError{errors.New("--avro-listen is empty or off, and no other receiver is enabled: give --avro-listen, another …-listen option, --poll, --connect-socket or --watch-dir")}
