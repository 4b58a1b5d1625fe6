package cli

import (
	"time"

	"github.com/sluice-etl/sluice/dedup"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/query"
)

// KafkaOptions name the cluster, the credentials and the topic. Every command that connects to Kafka has them.
type KafkaOptions struct {
	KafkaBrokers     []string      `group:"kafka" common:"Bootstrap brokers." default:"${kafka_brokers}" placeholder:"HOST:PORT" help:"Bootstrap brokers (${kafka_brokers_help})."`
	KafkaTopic       []string      `group:"kafka" common:"Topic of the events." default:"logs" placeholder:"TOPIC" help:"Topic of the events; etl load reads several, a,b. Events that Kafka rejects go to TOPIC.dlq (default logs)."`
	KafkaPartitions  int32         `group:"kafka" default:"12" help:"Partitions of the topic when etl creates it."`
	KafkaReplication int16         `group:"kafka" default:"-1" help:"Replication factor of topics that etl creates; -1 is the broker's default."`
	KafkaClientID    string        `group:"kafka" name:"kafka-client-id" default:"sluice" help:"Client ID of this process in the brokers' logs and quotas."`
	KafkaTLS         bool          `group:"kafka" common:"Connect over TLS." name:"kafka-tls" help:"Connect to the brokers over TLS and verify their certificates."`
	KafkaTLSCA       string        `group:"kafka" name:"kafka-tls-ca" placeholder:"FILE" help:"PEM file with the certificate authorities of the brokers (default: the system's)."`
	KafkaTLSCert     string        `group:"kafka" name:"kafka-tls-cert" placeholder:"FILE" help:"PEM file with the client certificate."`
	KafkaTLSKey      string        `group:"kafka" name:"kafka-tls-key" placeholder:"FILE" help:"PEM file with the key of the client certificate."`
	KafkaTLSName     string        `group:"kafka" name:"kafka-tls-server-name" placeholder:"NAME" help:"Name that the brokers' certificates must carry (default: the broker's host)."`
	KafkaTLSVerify   string        `group:"kafka" name:"kafka-tls-verify" enum:"verify-identity,verify-ca" default:"verify-identity" placeholder:"MODE" help:"How broker certificates are verified: verify-identity checks chain and host name; verify-ca checks the chain alone, for certificates without host names, and needs --kafka-tls-ca (default verify-identity)."`
	KafkaSASL        string        `group:"kafka" common:"PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512." name:"kafka-sasl" placeholder:"MECHANISM" help:"SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."`
	KafkaUser        string        `group:"kafka" placeholder:"NAME" help:"User for --kafka-sasl."`
	KafkaPassword    string        `group:"kafka" placeholder:"SECRET" help:"Password for --kafka-sasl. Prefer --kafka-password-file, because other users can see the arguments of a process."`
	KafkaPasswordFil string        `group:"kafka" name:"kafka-password-file" placeholder:"FILE" help:"File with the password for --kafka-sasl. It is read again for each connection."`
	KafkaMetadataAge time.Duration `group:"kafka" default:"1m" help:"Maximum age of cached metadata, and so the longest delay until a new partition is noticed."`
	KafkaLagInterval time.Duration `group:"kafka" default:"5s" help:"Interval at which Kafka is queried for end offsets (lag), missing permissions and unreachable partition leaders."`
}

// ValueOptions set the encoding of a record's value and its event ID, for commands that write or read records.
type ValueOptions struct {
	DedupOptions `embed:""`
	KafkaValue   string `group:"kafka" enum:"raw,flume" default:"raw" placeholder:"ENCODING" help:"Encoding of a record's value: raw is the event's body, with its headers as record headers; flume is Flume's own event encoding, as KafkaChannel and KafkaSink with useFlumeEventFormat write it (default raw)."`
}

func (o ValueOptions) flume() bool { return o.KafkaValue == "flume" }

// DedupOptions set how duplicates are recognized. Receiving and loading processes must have the same header.
type DedupOptions struct {
	DedupHeader string `group:"query" placeholder:"HEADER" help:"Event header that holds a unique event ID, such as id of Flume's UUID interceptor. Duplicates within the window are dropped and counted as duplicates. The header becomes the record's key. Costs one MySQL row per event; see docs/dedup.md."`
}

// WindowOptions set how long event IDs are remembered.
type WindowOptions struct {
	DedupWindow  time.Duration `group:"query" default:"1h" help:"How long an event ID is remembered, by Kafka's timestamps."`
	DedupRecords int           `group:"query" default:"100000" help:"Maximum event IDs remembered per partition, at about 100 bytes of memory each."`
}

func (o WindowOptions) config(d DedupOptions) dedup.Config {
	return dedup.Config{Header: d.DedupHeader, Window: o.DedupWindow, Records: o.DedupRecords}
}

// ProduceOptions set how events are produced to Kafka.
type ProduceOptions struct {
	KafkaKey    string        `group:"receivers" placeholder:"HEADER" help:"Event header whose value becomes the record's key."`
	AckTimeout  time.Duration `group:"receivers" default:"15s" help:"How long a request may wait for the acknowledgement of Kafka, from its first byte. After it the connection is closed without a reply, and Flume sends the request again."`
	KafkaLinger time.Duration `group:"receivers" default:"5ms" help:"Producer linger: how long to wait to fill a batch."`
}

// ConsumeOptions set how records are consumed.
type ConsumeOptions struct {
	Start        string `group:"query" common:"Where a new job starts: earliest, latest, time." default:"earliest" help:"Where a job without a checkpoint starts: earliest, latest, or a time such as 2026-01-31T00:00:00Z."`
	FetchOptions `embed:""`
}

// FetchOptions are the options of consuming that a replay has too.
type FetchOptions struct {
	KafkaSessionTimeout   time.Duration `group:"batches" default:"10s" help:"Consumer group session timeout."`
	KafkaHeartbeat        time.Duration `group:"batches" default:"1s" help:"Consumer group heartbeat interval."`
	KafkaRebalanceTimeout time.Duration `group:"batches" default:"1m" help:"Consumer group rebalance timeout."`
	KafkaFetchBytes       Bytes         `group:"batches" default:"32MiB" help:"Maximum bytes of one fetch response."`
	KafkaPartitionBytes   Bytes         `group:"batches" name:"kafka-fetch-partition-bytes" default:"4MiB" help:"Maximum bytes of one partition in a fetch response."`
	KafkaFetchWait        time.Duration `group:"batches" default:"300ms" help:"How long a broker may wait for data before it answers a fetch."`
	KafkaFetches          int           `group:"batches" name:"kafka-concurrent-fetches" default:"4" help:"Maximum fetch responses in flight or not yet processed."`
	KafkaDecompressed     Bytes         `group:"batches" name:"kafka-decompressed-batch-bytes" default:"64MiB" help:"Maximum size of one record batch after decompression."`
}

// config returns the configuration that the options select. Commands that produce or consume add theirs.
func (o KafkaOptions) config() kafkaio.Config {
	c := kafkaio.DefaultConfig()
	c.Brokers, c.Topic = o.KafkaBrokers, ""
	if len(o.KafkaTopic) > 0 {
		c.Topic = o.KafkaTopic[0]
	}
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

// topics returns the topics, without plans, if there are several.
func (o KafkaOptions) topics() (topics []query.TopicPlan) {
	for _, name := range o.KafkaTopic {
		topics = append(topics, query.TopicPlan{Topic: name})
	}
	if len(topics) < 2 {
		return nil
	}
	return topics
}

// requireOneTopic returns a usage error if there are several topics.
func requireOneTopic(topics []string, why string) error {
	if len(topics) > 1 {
		return Usage("--kafka-topic names %d topics, must be one: %s", len(topics), why)
	}
	return nil
}

func (o ProduceOptions) apply(c *kafkaio.Config) {
	c.KeyHeader, c.AckTimeout, c.ProduceLinger = o.KafkaKey, o.AckTimeout, o.KafkaLinger
}

func (o ConsumeOptions) apply(c *kafkaio.Config) {
	c.Start = o.Start
	o.FetchOptions.apply(c)
}

func (o FetchOptions) apply(c *kafkaio.Config) {
	c.SessionTimeout, c.Heartbeat = o.KafkaSessionTimeout, o.KafkaHeartbeat
	c.RebalanceTimeout = o.KafkaRebalanceTimeout
	c.FetchMaxBytes, c.FetchMaxPartitionBytes = clamp32(o.KafkaFetchBytes), clamp32(o.KafkaPartitionBytes)
	c.FetchMaxWait, c.MaxConcurrentFetches = o.KafkaFetchWait, o.KafkaFetches
	c.MaxDecompressBatchBytes = int(o.KafkaDecompressed)
}
