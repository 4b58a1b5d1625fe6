package cli

import (
	"time"

	"github.com/sluice-etl/sluice/dedup"
	"github.com/sluice-etl/sluice/kafkaio"
)

// KafkaOptions say which Kafka, who we are and which topic. Every command that speaks to Kafka has them.
type KafkaOptions struct {
	KafkaBrokers     []string      `group:"kafka" default:"${kafka_brokers}" placeholder:"HOST:PORT" help:"Brokers to ask first (${kafka_brokers_help})."`
	KafkaTopic       string        `group:"kafka" default:"logs" help:"Topic of the events; TOPIC.dlq takes those that Kafka refuses."`
	KafkaPartitions  int32         `group:"kafka" default:"12" help:"Partitions of the topic where etl makes it."`
	KafkaReplication int16         `group:"kafka" default:"-1" help:"Replication factor of topics that etl makes; -1 is the broker's default."`
	KafkaClientID    string        `group:"kafka" name:"kafka-client-id" default:"sluice" help:"Name of this process in the brokers' logs."`
	KafkaTLS         bool          `group:"kafka" name:"kafka-tls" help:"Speak TLS to the brokers, and verify them."`
	KafkaTLSCA       string        `group:"kafka" name:"kafka-tls-ca" placeholder:"FILE" help:"Authorities that sign the brokers, PEM; else the system's."`
	KafkaTLSCert     string        `group:"kafka" name:"kafka-tls-cert" placeholder:"FILE" help:"Our own certificate, PEM."`
	KafkaTLSKey      string        `group:"kafka" name:"kafka-tls-key" placeholder:"FILE" help:"The key of our certificate, PEM."`
	KafkaTLSName     string        `group:"kafka" name:"kafka-tls-server-name" placeholder:"NAME" help:"Name that the brokers' certificates must carry; else the host's."`
	KafkaTLSVerify   string        `group:"kafka" name:"kafka-tls-verify" enum:"verify-identity,verify-ca" default:"verify-identity" placeholder:"MODE" help:"How far brokers' certificates are verified: verify-identity, chain and host name; or verify-ca, the chain alone, for certificates without host names, which needs --kafka-tls-ca (default verify-identity)."`
	KafkaSASL        string        `group:"kafka" name:"kafka-sasl" placeholder:"MECHANISM" help:"PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."`
	KafkaUser        string        `group:"kafka" placeholder:"NAME" help:"User for --kafka-sasl."`
	KafkaPassword    string        `group:"kafka" placeholder:"SECRET" help:"Password for --kafka-sasl. Better its file: others can see the arguments of a process."`
	KafkaPasswordFil string        `group:"kafka" name:"kafka-password-file" placeholder:"FILE" help:"File with the password, read again at each connection."`
	KafkaMetadataAge time.Duration `group:"kafka" default:"1m" help:"How late an added partition may be noticed."`
	KafkaLagInterval time.Duration `group:"kafka" default:"5s" help:"How often Kafka is asked for the ends of the partitions, for the lag, for our rights, and whether each partition's leader replies."`
}

// ValueOptions say what a record's value and its identity are, for commands that write or read them.
type ValueOptions struct {
	DedupOptions `embed:""`
	KafkaValue   string `group:"kafka" enum:"raw,flume" default:"raw" placeholder:"ENCODING" help:"What a record's value is: raw, an event's body, its headers beside it; or flume, Flume's own event, as KafkaChannel and KafkaSink with useFlumeEventFormat have it (default raw)."`
}

func (o ValueOptions) flume() bool { return o.KafkaValue == "flume" }

// DedupOptions say how copies are known. Receiving and loading must be told the same header.
type DedupOptions struct {
	DedupHeader string `group:"query" placeholder:"HEADER" help:"Event header that identifies an event, as Flume's UUID interceptor sets id: a copy of what was counted within the window is counted as a duplicate and nothing else. The header becomes the record's key. It costs a row in MySQL for each event; see docs/dedup.md."`
}

// WindowOptions say how long identities are remembered.
type WindowOptions struct {
	DedupWindow  time.Duration `group:"query" default:"1h" help:"How long an event is remembered, by Kafka's time."`
	DedupRecords int           `group:"query" default:"100000" help:"How many events of a partition are remembered at most; each takes about 100 bytes of memory."`
}

func (o WindowOptions) config(d DedupOptions) dedup.Config {
	return dedup.Config{Header: d.DedupHeader, Window: o.DedupWindow, Records: o.DedupRecords}
}

// ProduceOptions say how events become records.
type ProduceOptions struct {
	KafkaKey    string        `group:"receivers" placeholder:"HEADER" help:"Event header whose value becomes the record's key."`
	AckTimeout  time.Duration `group:"receivers" default:"15s" help:"How long a request waits for Kafka, from its first byte; then its connection is closed unanswered, and Flume sends it again."`
	KafkaLinger time.Duration `group:"receivers" default:"5ms" help:"How long a record waits for company before it is sent."`
}

// ConsumeOptions say how records are read.
type ConsumeOptions struct {
	Start                 string        `group:"batches" default:"earliest" help:"Where a job without a checkpoint begins: earliest, latest, or a time, 2026-01-31T00:00:00Z."`
	KafkaSessionTimeout   time.Duration `group:"batches" default:"10s" help:"How long the group waits for a process that is silent."`
	KafkaHeartbeat        time.Duration `group:"batches" default:"1s" help:"How often the process shows the group that it lives."`
	KafkaRebalanceTimeout time.Duration `group:"batches" default:"1m" help:"How long the group waits for a process to give up partitions."`
	KafkaFetchBytes       Bytes         `group:"batches" default:"32MiB" help:"Bytes of one answer of one broker, at most."`
	KafkaPartitionBytes   Bytes         `group:"batches" name:"kafka-fetch-partition-bytes" default:"4MiB" help:"Bytes of one partition in it, at most."`
	KafkaFetchWait        time.Duration `group:"batches" default:"300ms" help:"How long a broker holds a fetch for data."`
	KafkaFetches          int           `group:"batches" name:"kafka-concurrent-fetches" default:"4" help:"Answers on the way or not yet taken, at most."`
	KafkaDecompressed     Bytes         `group:"batches" name:"kafka-decompressed-batch-bytes" default:"64MiB" help:"What one record batch may unpack to."`
}

// config is what the options say; those of produce, consume and shutdown are added by the commands that have them.
func (o KafkaOptions) config() kafkaio.Config {
	c := kafkaio.DefaultConfig()
	c.Brokers, c.Topic = o.KafkaBrokers, o.KafkaTopic
	c.Partitions, c.Replication = o.KafkaPartitions, o.KafkaReplication
	c.ClientID = o.KafkaClientID
	c.MetadataMaxAge, c.LagInterval = o.KafkaMetadataAge, o.KafkaLagInterval
	c.TLS.Enabled, c.TLS.CA, c.TLS.ServerName = o.KafkaTLS, o.KafkaTLSCA, o.KafkaTLSName
	c.TLS.Cert, c.TLS.Key = o.KafkaTLSCert, o.KafkaTLSKey
	c.TLS.Verify = o.KafkaTLSVerify
	c.SASL.Mechanism, c.SASL.User = o.KafkaSASL, o.KafkaUser
	c.SASL.Password, c.SASL.PasswordFile = o.KafkaPassword, o.KafkaPasswordFil
	return c
}

func (o ProduceOptions) apply(c *kafkaio.Config) {
	c.KeyHeader, c.AckTimeout, c.ProduceLinger = o.KafkaKey, o.AckTimeout, o.KafkaLinger
}

func (o ConsumeOptions) apply(c *kafkaio.Config) {
	c.Start = o.Start
	c.SessionTimeout, c.Heartbeat = o.KafkaSessionTimeout, o.KafkaHeartbeat
	c.RebalanceTimeout = o.KafkaRebalanceTimeout
	c.FetchMaxBytes, c.FetchMaxPartitionBytes = clamp32(o.KafkaFetchBytes), clamp32(o.KafkaPartitionBytes)
	c.FetchMaxWait, c.MaxConcurrentFetches = o.KafkaFetchWait, o.KafkaFetches
	c.MaxDecompressBatchBytes = int(o.KafkaDecompressed)
}
