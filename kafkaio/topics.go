package kafkaio

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/checkpoint"
)

// TopicReport is one topic's state in Kafka, with warnings for the operator.
type TopicReport struct {
	Name       string
	Missing    bool // the fields below are not set
	Created    bool
	ID         checkpoint.TopicID
	Partitions int
	// Replicas and InSync are the minimum over all partitions.
	Replicas, InSync int
	MinInSync        int
	UncleanElection  bool
	TimestampType    string        // CreateTime or LogAppendTime
	Retention        time.Duration // below 0 means unlimited
	RetentionBytes   int64         // of a partition, below 0 means unlimited
	CleanupPolicy    string
	MaxMessageBytes  int64
	ConfigUnreadable string // why the settings above could not be read, or empty
	NoTopicIDs       bool   // the brokers have none; ID is derived from the cluster ID
	Warnings         []string
}

// Check reports on the topics of use and changes nothing. It fails at once if Kafka does not reply.
func Check(ctx context.Context, cfg Config, use Use, log *slog.Logger) ([]TopicReport, error) {
	log = orDiscard(log)
	if err := Reachable(ctx, cfg, log); err != nil {
		return nil, err
	}
	d := &dials{}
	adm, err := newAdmin(cfg, log, d)
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	var reports []TopicReport
	for _, name := range use.topics(cfg) {
		r, err := describe(ctx, adm, name)
		if err != nil {
			return nil, fmt.Errorf("inspect topic %s: %w", name, d.explain(err))
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// EnsureTopics waits for Kafka, creates the topics of use that are missing, reports on them and logs their warnings. It
// is called once, at start. Only receivers use the dead-letter topic. mayCreate is called only if the data topic is
// missing: it reports whether no checkpoint of the topic exists. A missing topic that has checkpoints gives ErrRefused
// and is never recreated (P26). A nil mayCreate means true.
func EnsureTopics(ctx context.Context, cfg Config, use Use, mayCreate func(context.Context) (bool, error), log *slog.Logger) ([]TopicReport, error) {
	log = orDiscard(log).With("component", "kafka")
	if err := waitReachable(ctx, cfg, log); err != nil {
		return nil, err
	}
	d := &dials{}
	adm, err := newAdmin(cfg, log, d)
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	var reports []TopicReport
	for _, name := range use.topics(cfg) {
		allowed := mayCreate
		if name != cfg.Topic {
			allowed = nil // checkpoints never refer to it
		}
		var r TopicReport
		created := false // by one of the attempts
		err := retry(ctx, log.With("topic", name), "Cannot inspect or create the topic; retrying", d, func(ctx context.Context) error {
			var err error
			r, err = ensure(ctx, cfg, adm, name, allowed)
			created = created || r.Created
			return err
		})
		if err != nil {
			return nil, err
		}
		r.Created = created
		log.Info("Topic", "topic", name, "created", r.Created, "partitions", r.Partitions, "replicas", r.Replicas,
			"retention", r.Retention.String(), "retention_bytes", r.RetentionBytes, "max_message_bytes", r.MaxMessageBytes)
		for _, w := range r.Warnings {
			log.Warn("Topic settings weaken durability", "topic", name, "why", w)
		}
		reports = append(reports, r)
	}
	return reports, nil
}

func newAdmin(cfg Config, log *slog.Logger, d *dials) (*kadm.Client, error) {
	cl, err := newRequester(cfg, log, d)
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(cl), nil
}

// newRequester returns a client of single requests.
func newRequester(cfg Config, log *slog.Logger, d *dials) (*kgo.Client, error) {
	cl, err := kgo.NewClient(append(cfg.options(log, d), kgo.RetryTimeout(adminWait), kgo.RequestTimeoutOverhead(dialTimeout))...)
	if err != nil {
		return nil, fmt.Errorf("create a kafka client: %w", err)
	}
	return cl, nil
}

func ensure(ctx context.Context, cfg Config, adm *kadm.Client, name string, mayCreate func(context.Context) (bool, error)) (TopicReport, error) {
	r, err := describe(ctx, adm, name)
	if err != nil || !r.Missing {
		return r, err
	}
	if mayCreate != nil {
		ok, err := mayCreate(ctx)
		if err != nil {
			return r, fmt.Errorf("check whether topic %s has checkpoints: %w", name, err)
		}
		if !ok {
			return r, permanent{&checkpoint.Error{
				Class: checkpoint.ErrRefused,
				Err:   fmt.Errorf("topic %s does not exist, but the job has checkpoints for it", name),
				Hint:  "it was deleted or these are other brokers; check kafka-brokers and kafka-topic, or start a new job",
			}}
		}
	}
	// LogAppendTime: Kafka sets the record's time, so that retention does not delete old events at once (P25).
	configs := map[string]*string{"message.timestamp.type": new("LogAppendTime")}
	_, err = adm.CreateTopic(ctx, cfg.Partitions, cfg.Replication, configs, name)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return r, fmt.Errorf("create topic %s with %d partitions and replication factor %d: %w", name, cfg.Partitions, cfg.Replication, err)
	}
	created := err == nil
	r, err = describe(ctx, adm, name)
	r.Created = created
	if err == nil && r.Missing {
		err = fmt.Errorf("topic %s was created but is not in the metadata yet", name)
	}
	return r, err
}

func describe(ctx context.Context, adm *kadm.Client, name string) (TopicReport, error) {
	r := TopicReport{Name: name}
	meta, err := metadata(ctx, adm, name)
	if err != nil {
		return r, err
	}
	td, ok := meta.Topics[name]
	if !ok || errors.Is(td.Err, kerr.UnknownTopicOrPartition) {
		r.Missing = true
		return r, nil
	}
	if td.Err != nil {
		return r, fmt.Errorf("read metadata of topic %s: %w", name, td.Err)
	}
	r.ID, r.NoTopicIDs = topicID(meta, td)
	r.Partitions = len(td.Partitions)
	for _, p := range td.Partitions {
		if r.Replicas == 0 || len(p.Replicas) < r.Replicas {
			r.Replicas = len(p.Replicas)
		}
		if r.InSync == 0 || len(p.ISR) < r.InSync {
			r.InSync = len(p.ISR)
		}
	}
	values, err := topicConfigs(ctx, adm, name)
	if err != nil {
		r.ConfigUnreadable = err.Error()
	}
	r.read(values)
	r.warn()
	return r, nil
}

// metadata reads one topic's metadata from Kafka. It requests the authorized operations because the client then
// bypasses its cache, which may contain a deleted topic of the same name.
func metadata(ctx context.Context, adm *kadm.Client, name string) (kadm.Metadata, error) {
	meta, err := adm.Metadata(kadm.WithAuthorizedOps(ctx), name)
	if err != nil {
		return meta, fmt.Errorf("read metadata of topic %s: %w", name, err)
	}
	return meta, nil
}

// topicID returns Kafka's ID of the topic or, if the brokers have none, one derived from the cluster ID. The latter
// distinguishes clusters, but not a topic from a recreated one of the same name.
func topicID(meta kadm.Metadata, td kadm.TopicDetail) (id checkpoint.TopicID, derived bool) {
	if td.ID != (kadm.TopicID{}) {
		return checkpoint.TopicID(td.ID), false
	}
	return clusterID(meta.Cluster), true
}

// topicConfigs returns the settings of a topic by key.
func topicConfigs(ctx context.Context, adm *kadm.Client, name string) (map[string]string, error) {
	rcs, err := adm.DescribeTopicConfigs(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read the settings of topic %s: %w", name, err)
	}
	rc, err := rcs.On(name, nil)
	if err == nil {
		err = rc.Err
	}
	if err != nil {
		return nil, fmt.Errorf("read the settings of topic %s: %w", name, err)
	}
	values := make(map[string]string, len(rc.Configs))
	for _, c := range rc.Configs {
		values[c.Key] = c.MaybeValue()
	}
	return values, nil
}

func (r *TopicReport) read(values map[string]string) {
	number := func(key string, otherwise int64) int64 {
		n, err := strconv.ParseInt(values[key], 10, 64)
		if err != nil {
			return otherwise
		}
		return n
	}
	r.MinInSync = int(number("min.insync.replicas", 0))
	r.UncleanElection = values["unclean.leader.election.enable"] == "true"
	r.TimestampType = values["message.timestamp.type"]
	r.CleanupPolicy = values["cleanup.policy"]
	r.RetentionBytes = number("retention.bytes", -1)
	r.MaxMessageBytes = number("max.message.bytes", 0)
	r.Retention = -1
	if ms := number("retention.ms", -1); ms >= 0 {
		const most = int64(1<<63-1) / int64(time.Millisecond)
		r.Retention = time.Duration(min(ms, most)) * time.Millisecond
	}
}

func (r *TopicReport) warn() {
	warn := func(when bool, format string, args ...any) {
		if when {
			r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
		}
	}
	warn(r.ConfigUnreadable != "", "its settings cannot be read: %s", r.ConfigUnreadable)
	warn(r.Replicas < 2, "it has %d replica: acknowledged records are lost with one disk; 3 are usual", r.Replicas)
	warn(r.MinInSync == 1 && r.Replicas > 1, "min.insync.replicas is 1: acks=all then waits for one replica only; 2 is usual with 3 replicas")
	warn(r.MinInSync > r.Replicas, "min.insync.replicas is %d with %d replicas: nothing can be produced", r.MinInSync, r.Replicas)
	warn(r.UncleanElection, "unclean.leader.election.enable is true: a replica that is behind may become leader, and acknowledged records are lost")
	warn(r.TimestampType == "CreateTime", "message.timestamp.type is CreateTime: events of other producers that carry old or future times are deleted early or never; LogAppendTime avoids that")
	warn(r.Retention >= 0 && r.Retention < time.Hour, "retention.ms is %s: a loader that is stopped for longer loses records", r.Retention)
	warn(r.NoTopicIDs, "these brokers have no topic IDs: a topic that is deleted and recreated is not detected by its ID")
}

// clusterID derives a substitute for the topic ID from the cluster ID. It is zero, which means unknown, if the brokers
// do not report a cluster ID either.
func clusterID(cluster string) checkpoint.TopicID {
	var id checkpoint.TopicID
	if cluster != "" {
		sum := sha256.Sum256([]byte(cluster))
		copy(id[:], sum[:])
	}
	return id
}
