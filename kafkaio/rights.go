package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Use is what a process does with Kafka, which determines the rights that it needs.
type Use struct {
	Receive bool   // produces to the topic and to its dead-letter topic
	Group   string // consumes the topic as a member of this group; empty for none
}

// topics returns the topics that are used. Only receivers write to the dead-letter topic.
func (u Use) topics(cfg Config) []string {
	if u.Receive {
		return []string{cfg.Topic, cfg.dlq()}
	}
	return []string{cfg.Topic}
}

// MissingRights names each right that Kafka's authorizer does not give this process, such as "WRITE on topic logs". It
// asks Kafka what is allowed and changes nothing. A broker without an authorizer allows everything. For a broker that
// does not report what it allows, no right on topics is named. Rights to create a topic are checked only if it is
// missing.
func MissingRights(ctx context.Context, cfg Config, use Use) ([]string, error) {
	return probeOnce(ctx, cfg, use, nil, func(a *prober, meta *kmsg.MetadataResponse) ([]string, error) {
		r, err := a.checkRights(ctx, meta)
		if err == nil {
			err = errors.Join(r.deadErr, r.coordinator)
		}
		return slices.Concat(r.missing, r.dead, r.reduced), err
	})
}

// probeOnce reads the topics' metadata with a new prober and passes both to probe. Errors include the last connection
// errors. log may be nil.
func probeOnce(ctx context.Context, cfg Config, use Use, log *slog.Logger, probe func(*prober, *kmsg.MetadataResponse) ([]string, error)) ([]string, error) {
	a, err := newProber(cfg, use, orDiscard(log))
	if err != nil {
		return nil, err
	}
	defer a.close()
	meta, err := a.metadata(ctx)
	if err != nil {
		return nil, a.dials.explain(err)
	}
	found, err := probe(a, meta)
	return found, a.dials.explain(err)
}

// prober asks Kafka what it allows and whether the leaders reply. It is not safe for concurrent use.
type prober struct {
	cfg   Config
	use   Use
	log   *slog.Logger
	cl    *kgo.Client
	adm   *kadm.Client
	dials dials

	hasID bool // Kafka has returned a producer ID; do not request another
	// seen holds the topics that have existed. Whether a missing topic can be created is checked only for others, because
	// a process creates topics only at its start.
	seen map[string]bool
}

func newProber(cfg Config, use Use, log *slog.Logger) (*prober, error) {
	a := &prober{cfg: cfg, use: use, log: log, seen: map[string]bool{}}
	var err error
	opts := append(cfg.options(log, &a.dials), kgo.RetryTimeout(adminWait), kgo.RequestTimeoutOverhead(dialTimeout))
	if a.cl, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("create a kafka client: %w", err)
	}
	a.adm = kadm.NewClient(a.cl)
	return a, nil
}

// metadata reads the topics' metadata in one request. A new client sends it to one of Config.Brokers, and a used client
// to any broker, including one that does not reply.
func (a *prober) metadata(ctx context.Context) (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	for _, name := range a.use.topics(a.cfg) {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, a.cl)
	if err != nil {
		return nil, fmt.Errorf("read metadata of topic %s: %w", a.cfg.Topic, err)
	}
	return resp, nil
}

func (a *prober) close() { a.cl.Close() }

// rights holds the rights that are missing, and which topics are missing.
type rights struct {
	missing []string // required: without one of these, nothing works
	dead    []string // without one of these, dead letters cannot be written and everything else works
	reduced []string // without one of these, settings of topics are guessed
	unknown bool     // a broker did not report what it allows
	// absent and deadAbsent mean that the data topic or the dead-letter topic existed before and is missing now.
	absent, deadAbsent bool
	// deadErr is why the dead-letter topic could not be checked.
	deadErr error
	// coordinator is why the group's coordinator could not be reached.
	coordinator error
}

// checkRights compares what Kafka allows, according to meta, with what is needed.
func (a *prober) checkRights(ctx context.Context, meta *kmsg.MetadataResponse) (rights, error) {
	var r rights
	absent := false // the data topic
	for i := range meta.Topics {
		t := &meta.Topics[i]
		var need []kadm.ACLOperation
		if a.use.Receive {
			need = append(need, kmsg.ACLOperationWrite)
		}
		if a.use.Group != "" && *t.Topic == a.cfg.Topic {
			need = append(need, kmsg.ACLOperationRead)
		}
		is, err := a.checkTopic(ctx, t, need, &r)
		switch {
		case *t.Topic != a.cfg.Topic:
			r.deadErr = err
		case err != nil:
			return r, err
		default:
			absent = !is
		}
	}
	if a.use.Group != "" {
		r.coordinator = a.checkGroupRead(ctx, &r)
	}
	if a.use.Receive && len(r.missing) == 0 {
		a.checkProducerID(ctx, absent, &r)
	}
	return r, nil
}

// checkTopic reports whether the topic exists, and true if that is not known.
func (a *prober) checkTopic(ctx context.Context, t *kmsg.MetadataResponseTopic, need []kadm.ACLOperation, r *rights) (bool, error) {
	on := "topic " + *t.Topic
	missing, absent := &r.missing, &r.absent
	if *t.Topic != a.cfg.Topic {
		missing, absent = &r.dead, &r.deadAbsent
	}
	allowed := kadm.DecodeACLOperations(t.AuthorizedOperations)
	switch err := kerr.ErrorForCode(t.ErrorCode); {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		*missing = append(*missing, missingOps(nil, append([]kadm.ACLOperation{kmsg.ACLOperationDescribe}, need...), on)...)
		r.reduced = append(r.reduced, missingOps(nil, describeConfigs, on)...)
		return true, nil
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		if a.seen[*t.Topic] {
			*absent = true
			return false, nil
		}
		return false, a.checkCreate(ctx, *t.Topic, missing)
	case err != nil && len(t.Partitions) == 0:
		return true, fmt.Errorf("read metadata of topic %s: %w", *t.Topic, err)
	}
	a.seen[*t.Topic] = true
	if len(allowed) == 0 {
		r.unknown = true
		return true, nil
	}
	*missing = append(*missing, missingOps(allowed, need, on)...)
	r.reduced = append(r.reduced, missingOps(allowed, describeConfigs, on)...)
	return true, nil
}

var describeConfigs = []kadm.ACLOperation{kmsg.ACLOperationDescribeConfigs}

// checkCreate asks whether the topic could be created, and creates nothing. If the right is missing it adds it to
// missing. The right may be granted on the topic or on the cluster, and Kafka reports no rights on a missing topic.
func (a *prober) checkCreate(ctx context.Context, name string, missing *[]string) error {
	resps, err := a.adm.ValidateCreateTopics(ctx, a.cfg.Partitions, a.cfg.Replication, nil, name)
	if err == nil {
		err = resps[name].Err
	}
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		*missing = append(*missing, fmt.Sprintf("CREATE on topic %s, which is missing", name))
	case err != nil && !errors.Is(err, kerr.TopicAlreadyExists):
		return fmt.Errorf("check whether topic %s can be created: %w", name, err)
	}
	return nil
}

// checkGroupRead sends a heartbeat of an unknown member: Kafka authorizes it as a member's before it looks the member
// up. Describing the group is no replacement: it does not need READ, and fails for a group that has no members yet.
func (a *prober) checkGroupRead(ctx context.Context, r *rights) error {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.Generation = a.use.Group, -1
	resp, err := req.RequestWith(ctx, a.cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	switch e, ok := errors.AsType[*kerr.Error](err); {
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		r.missing = append(r.missing, missingOps(nil, []kadm.ACLOperation{kmsg.ACLOperationRead}, "group "+a.use.Group)...)
	case err != nil && (!ok || kerr.IsRetriable(e)):
		return fmt.Errorf("reach the coordinator of group %s: %w", a.use.Group, err)
	}
	return nil // expected: the coordinator does not know the member
}

// checkProducerID requests a producer ID, as an idempotent producer does. WRITE on a topic suffices since Kafka 2.8, so
// if the topics exist, only an older broker denies it here. Any other error is not a missing right.
func (a *prober) checkProducerID(ctx context.Context, absent bool, r *rights) {
	if a.hasID {
		return
	}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = -1, -1
	resp, err := req.RequestWith(ctx, a.cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	a.hasID = err == nil
	switch {
	case !errors.Is(err, kerr.ClusterAuthorizationFailed):
	case absent: // Kafka reports no rights on a missing topic
		r.missing = append(r.missing, "WRITE on topic "+a.cfg.Topic+", or with brokers before 2.8 IDEMPOTENT_WRITE on the cluster")
	default:
		r.missing = append(r.missing, "IDEMPOTENT_WRITE on the cluster, which these brokers require besides WRITE")
	}
}

// missingOps names each operation that is needed and not allowed. ALL allows everything.
func missingOps(allowed, need []kadm.ACLOperation, on string) []string {
	var missing []string
	for _, op := range need {
		if !slices.Contains(allowed, op) && !slices.Contains(allowed, kmsg.ACLOperationAll) {
			missing = append(missing, fmt.Sprintf("%s on %s", op, on))
		}
	}
	return missing
}
