package kafkaio

import (
	"errors"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/option"
)

// Config holds the options of producer, source and topics.
type Config struct {
	// Brokers are the bootstrap addresses, host:port each.
	Brokers []string
	// Topic is the topic of the events; Topic + ".dlq" is that of the dead letters.
	Topic string
	// Partitions is the number of partitions of topics that are created, at least 1.
	Partitions int32
	// Replication is the replication factor of topics that are created; -1 means the broker's default.
	Replication int16
	// ClientID names this process in the brokers' logs.
	ClientID string
	TLS      TLS
	SASL     SASL

	// KeyHeader names the event header whose value becomes the Kafka key; empty means no key.
	KeyHeader string
	// AckTimeout is how long a request may wait for Kafka's acknowledgements, from the first byte of its frame (P23). It
	// applies only if the context of Produce has no deadline.
	AckTimeout time.Duration
	// ProduceLinger is how long to wait to fill a batch before it is sent. A request that waits for its acknowledgements
	// ends the wait of the partitions that it has written to.
	ProduceLinger time.Duration

	// Start is where a job without a checkpoint begins: earliest, latest, or an RFC 3339 time.
	Start string
	// Ranges, if not nil, are the offsets of a replay: the range of each partition that it reads, in order of number from 0.
	// Nothing at or beyond the end of its range is delivered, and partitions that the topic gained later are ignored.
	// Without a checkpoint, the job begins at the start of each range and not at Start.
	Ranges []checkpoint.Range
	// TopicID is the ID of the topic that Ranges are of. A topic with another one is refused.
	TopicID checkpoint.TopicID
	// SessionTimeout is the consumer group's session timeout.
	SessionTimeout time.Duration
	// Heartbeat is the consumer group's heartbeat interval, at most a third of SessionTimeout.
	Heartbeat time.Duration
	// RebalanceTimeout is how long a rebalance waits for a member to release partitions.
	RebalanceTimeout time.Duration
	// MetadataMaxAge is how long metadata is cached: an added partition is detected within this time.
	MetadataMaxAge time.Duration
	// FetchMaxBytes limits one fetch response of one broker, FetchMaxPartitionBytes each partition in it.
	FetchMaxBytes          int32
	FetchMaxPartitionBytes int32
	// FetchMaxWait is how long a broker waits for data before it replies to a fetch. A partition that is added waits for
	// the previous fetch, so it should be short.
	FetchMaxWait time.Duration
	// MaxConcurrentFetches limits the number of fetch responses that are in flight or buffered.
	MaxConcurrentFetches int
	// MaxDecompressBatchBytes limits the decompressed size of one record batch.
	MaxDecompressBatchBytes int
	// LagInterval is how often the end of every partition's log is read.
	LagInterval time.Duration

	// ShutdownTimeout limits the wait for unacknowledged records at shutdown, and for leaving the group.
	ShutdownTimeout time.Duration
}

// SASL configures authentication. Mechanism is empty for none, or PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
type SASL struct {
	Mechanism string
	User      string
	Password  string
	// PasswordFile is read at each connection, without its trailing newline (LF or CRLF). It excludes Password.
	PasswordFile string
}

// The SASL mechanisms.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

// DefaultConfig returns the default options.
func DefaultConfig() Config {
	return Config{
		Brokers:                 []string{"localhost:9092"},
		Topic:                   "logs",
		Partitions:              12,
		Replication:             -1,
		TLS:                     TLS{Verify: VerifyIdentity},
		ClientID:                "sluice",
		AckTimeout:              15 * time.Second,
		ProduceLinger:           5 * time.Millisecond,
		Start:                   "earliest",
		SessionTimeout:          10 * time.Second,
		Heartbeat:               time.Second,
		RebalanceTimeout:        60 * time.Second,
		MetadataMaxAge:          time.Minute,
		FetchMaxBytes:           32 << 20,
		FetchMaxPartitionBytes:  4 << 20,
		FetchMaxWait:            300 * time.Millisecond,
		MaxConcurrentFetches:    4,
		MaxDecompressBatchBytes: 64 << 20,
		LagInterval:             5 * time.Second,
		ShutdownTimeout:         20 * time.Second,
	}
}

// topicName matches what Kafka accepts as the name of a topic. Of the 249 bytes that it may have, four are left for
// ".dlq".
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,245}$`)

// Validate returns an error for each option that is out of its range, joined.
func (c Config) Validate() error {
	var errs []error
	bad := func(ok bool, name string, value any, want string, args ...any) {
		if !ok {
			errs = append(errs, option.Error(name, value, want, args...))
		}
	}
	within := func(name string, d, least, most time.Duration) {
		errs = append(errs, option.Range(name, d, least, most))
	}
	bad(len(c.Brokers) > 0, "kafka-brokers", "", "must name at least one host:port")
	for _, b := range c.Brokers {
		host, port, err := net.SplitHostPort(b)
		bad(err == nil && host != "" && port != "", "kafka-brokers", b, "must be host:port")
	}
	errs = append(errs, ValidateTopic(c.Topic))
	bad(c.Partitions >= 1 && c.Partitions <= 10_000, "kafka-partitions", c.Partitions, "must be from 1 to 10000")
	bad(c.Replication == -1 || c.Replication >= 1, "kafka-replication", c.Replication, "must be -1 (the broker's default) or at least 1")
	within("ack-timeout", c.AckTimeout, time.Millisecond, time.Hour)
	within("kafka-linger", c.ProduceLinger, 0, time.Second)
	if _, err := parseStart(c.Start); err != nil {
		errs = append(errs, err)
	}
	within("kafka-session-timeout", c.SessionTimeout, time.Second, 30*time.Minute)
	bad(c.Heartbeat > 0 && c.Heartbeat <= c.SessionTimeout/3,
		"kafka-heartbeat", c.Heartbeat, "must be above 0s and at most a third of %s, %s", option.Ref("kafka-session-timeout"), c.SessionTimeout)
	within("kafka-rebalance-timeout", c.RebalanceTimeout, time.Second, time.Hour)
	within("kafka-metadata-age", c.MetadataMaxAge, 10*time.Millisecond, time.Hour)
	bad(c.FetchMaxBytes >= 1<<10, "kafka-fetch-bytes", c.FetchMaxBytes, "must be at least 1024")
	bad(c.FetchMaxPartitionBytes >= 1<<10 && c.FetchMaxPartitionBytes <= c.FetchMaxBytes,
		"kafka-fetch-partition-bytes", c.FetchMaxPartitionBytes, "must be from 1024 to %s, %d", option.Ref("kafka-fetch-bytes"), c.FetchMaxBytes)
	within("kafka-fetch-wait", c.FetchMaxWait, 10*time.Millisecond, 5*time.Second)
	bad(c.MaxConcurrentFetches >= 1, "kafka-concurrent-fetches", c.MaxConcurrentFetches, "must be at least 1")
	bad(c.MaxDecompressBatchBytes >= 1<<20 && c.MaxDecompressBatchBytes <= 1<<30,
		"kafka-decompressed-batch-bytes", c.MaxDecompressBatchBytes, "must be from 1048576 to 1073741824")
	within("kafka-lag-interval", c.LagInterval, 10*time.Millisecond, time.Hour)
	within("shutdown-timeout", c.ShutdownTimeout, time.Millisecond, time.Hour)
	errs = append(errs, c.TLS.validate(), c.SASL.validate())
	return errors.Join(errs...)
}

// ValidateTopic returns an error if Kafka does not accept a name of a topic, or not that of its dead-letter topic.
func ValidateTopic(name string) error {
	if !topicName.MatchString(name) || name == "." || name == ".." {
		return option.Error("kafka-topic", name, "must be 1 to 245 of the characters a-z A-Z 0-9 . _ -")
	}
	return nil
}

func (s SASL) validate() error {
	switch s.Mechanism {
	case "":
		if s.User != "" || s.Password != "" || s.PasswordFile != "" {
			return option.Error("kafka-sasl", "", "must be one of %s, %s, %s, because a user or password is given", Plain, ScramSHA256, ScramSHA512)
		}
		return nil
	case Plain, ScramSHA256, ScramSHA512:
	default:
		return option.Error("kafka-sasl", s.Mechanism, "must be one of %s, %s, %s, or empty", Plain, ScramSHA256, ScramSHA512)
	}
	var errs []error
	if s.User == "" {
		errs = append(errs, option.Error("kafka-user", "", "must be given with %s", option.Ref("kafka-sasl")))
	}
	if (s.Password == "") == (s.PasswordFile == "") {
		errs = append(errs, option.Conflict("kafka-password", "or %s must be given with %s, but not both", option.Ref("kafka-password-file"), option.Ref("kafka-sasl")))
	}
	return errors.Join(errs...)
}

// startAt is the parsed Config.Start: a kind, and a time for startTime.
type startAt struct {
	kind   startKind
	millis int64 // since 1970 UTC, for startTime
}

type startKind uint8

const (
	startEarliest startKind = iota
	startLatest
	startTime
)

func parseStart(s string) (startAt, error) {
	switch strings.ToLower(s) {
	case "earliest":
		return startAt{kind: startEarliest}, nil
	case "latest":
		return startAt{kind: startLatest}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.UnixMilli() < 0 {
		return startAt{}, option.Error("start", s, "must be earliest, latest or a time since 1970 like 2026-11-21T08:00:00Z")
	}
	return startAt{kind: startTime, millis: t.UnixMilli()}, nil
}

// dlq returns the name of the dead-letter topic.
func (c Config) dlq() string { return c.Topic + ".dlq" }
