package kafkaio

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"
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
	// applies where the context of Produce has no deadline.
	AckTimeout time.Duration
	// ProduceLinger is how long to wait to fill a batch before it is sent. A request that waits for its acknowledgements ends
	// the wait of the partitions that it has written to.
	ProduceLinger time.Duration

	// Start is where a job without a checkpoint begins: earliest, latest, or an RFC 3339 time.
	Start string
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
	// FetchMaxWait is how long a broker waits for data before it replies to a fetch. A partition that is added waits for the
	// previous fetch, so it should be short.
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
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	within := func(name string, d, least, most time.Duration) {
		bad(d >= least && d <= most, "%s is %s, must be from %s to %s", name, d, least, most)
	}
	bad(len(c.Brokers) > 0, "kafka-brokers is empty, must name at least one host:port")
	for _, b := range c.Brokers {
		host, port, err := net.SplitHostPort(b)
		bad(err == nil && host != "" && port != "", "kafka-brokers holds %q, must be host:port", b)
	}
	bad(topicName.MatchString(c.Topic) && c.Topic != "." && c.Topic != "..",
		"kafka-topic is %q, must be 1 to 245 of the characters a-z A-Z 0-9 . _ -", c.Topic)
	bad(c.Partitions >= 1 && c.Partitions <= 10_000, "kafka-partitions is %d, must be from 1 to 10000", c.Partitions)
	bad(c.Replication == -1 || c.Replication >= 1, "kafka-replication is %d, must be -1 (the broker's default) or at least 1", c.Replication)
	within("ack-timeout", c.AckTimeout, time.Millisecond, time.Hour)
	within("kafka linger", c.ProduceLinger, 0, time.Second)
	if _, err := parseStart(c.Start); err != nil {
		errs = append(errs, err)
	}
	within("kafka-session-timeout", c.SessionTimeout, time.Second, 30*time.Minute)
	bad(c.Heartbeat > 0 && c.Heartbeat <= c.SessionTimeout/3,
		"kafka heartbeat is %s, must be above 0 and at most a third of the session timeout %s", c.Heartbeat, c.SessionTimeout)
	within("kafka rebalance timeout", c.RebalanceTimeout, time.Second, time.Hour)
	within("kafka metadata age", c.MetadataMaxAge, 10*time.Millisecond, time.Hour)
	bad(c.FetchMaxBytes >= 1<<10, "kafka fetch bytes is %d, must be at least 1024", c.FetchMaxBytes)
	bad(c.FetchMaxPartitionBytes >= 1<<10 && c.FetchMaxPartitionBytes <= c.FetchMaxBytes,
		"kafka fetch bytes of a partition is %d, must be from 1024 to those of the whole fetch, %d", c.FetchMaxPartitionBytes, c.FetchMaxBytes)
	within("kafka fetch wait", c.FetchMaxWait, 10*time.Millisecond, 5*time.Second)
	bad(c.MaxConcurrentFetches >= 1, "kafka concurrent fetches is %d, must be at least 1", c.MaxConcurrentFetches)
	bad(c.MaxDecompressBatchBytes >= 1<<20 && c.MaxDecompressBatchBytes <= 1<<30,
		"kafka decompressed batch bytes is %d, must be from 1048576 to 1073741824", c.MaxDecompressBatchBytes)
	within("kafka lag interval", c.LagInterval, 10*time.Millisecond, time.Hour)
	within("shutdown-timeout", c.ShutdownTimeout, time.Millisecond, time.Hour)
	errs = append(errs, c.TLS.validate(), c.SASL.validate())
	return errors.Join(errs...)
}

func (s SASL) validate() error {
	switch s.Mechanism {
	case "":
		if s.User != "" || s.Password != "" || s.PasswordFile != "" {
			return fmt.Errorf("kafka-sasl is empty, but a user or password is given; choose one of %s, %s, %s", Plain, ScramSHA256, ScramSHA512)
		}
		return nil
	case Plain, ScramSHA256, ScramSHA512:
	default:
		return fmt.Errorf("kafka-sasl is %q, must be one of %s, %s, %s, or empty", s.Mechanism, Plain, ScramSHA256, ScramSHA512)
	}
	var errs []error
	if s.User == "" {
		errs = append(errs, errors.New("kafka-user is empty, must be given with kafka-sasl"))
	}
	if (s.Password == "") == (s.PasswordFile == "") {
		errs = append(errs, errors.New("kafka-password and kafka-password-file: exactly one of them must be given with kafka-sasl"))
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
		return startAt{}, fmt.Errorf("start is %q, must be earliest, latest or a time since 1970 like 2026-11-21T08:00:00Z", s)
	}
	return startAt{kind: startTime, millis: t.UnixMilli()}, nil
}

// dlq is the name of the dead-letter topic.
func (c Config) dlq() string { return c.Topic + ".dlq" }
