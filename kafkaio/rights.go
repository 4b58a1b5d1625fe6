package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Use is what a process does with Kafka, which decides what rights it needs.
type Use struct {
	Receive bool   // it produces to the topic and to its dead-letter topic
	Group   string // it reads the topic as a member of this group; empty for none
}

// MissingRights names each right that Kafka's authorizer does not give us, as "WRITE on topic logs". It asks Kafka what
// is allowed and tries nothing. A broker without an authorizer allows everything; one that does not say what it allows
// gives no answer here. Rights to create a topic are looked at only where it is missing.
func MissingRights(ctx context.Context, cfg Config, use Use) ([]string, error) {
	adm, err := newAdmin(cfg, orDiscard(nil))
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	var missing []string
	need := []kadm.ACLOperation{kmsg.ACLOperationDescribeConfigs}
	if use.Receive {
		need = append(need, kmsg.ACLOperationWrite)
	}
	if use.Group != "" {
		need = append(need, kmsg.ACLOperationRead)
	}
	names := map[string][]kadm.ACLOperation{cfg.Topic: need}
	order := []string{cfg.Topic}
	if use.Receive { // only receivers write dead letters to Kafka
		names[cfg.dlq()] = []kadm.ACLOperation{kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationWrite}
		order = append(order, cfg.dlq())
	}
	for _, name := range order {
		m, err := missingOnTopic(ctx, cfg, adm, name, names[name])
		if err != nil {
			return nil, err
		}
		missing = append(missing, m...)
	}
	if use.Group != "" {
		m, err := missingOnGroup(ctx, cfg, use.Group)
		if err != nil {
			return nil, err
		}
		missing = append(missing, m...)
	}
	return missing, nil
}

func missingOnTopic(ctx context.Context, cfg Config, adm *kadm.Client, name string, need []kadm.ACLOperation) ([]string, error) {
	meta, err := metadata(ctx, adm, name)
	td, ok := meta.Topics[name]
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(td.Err, kerr.TopicAuthorizationFailed):
		return without(nil, append([]kadm.ACLOperation{kmsg.ACLOperationDescribe}, need...), "topic "+name), nil
	case err != nil:
		return nil, err
	case !ok || errors.Is(td.Err, kerr.UnknownTopicOrPartition):
		return missingToCreate(ctx, cfg, adm, name)
	case td.Err != nil:
		return nil, fmt.Errorf("ask for topic %s: %w", name, td.Err)
	case len(td.AuthorizedOperations) == 0:
		return nil, nil // the broker does not say
	}
	return without(td.AuthorizedOperations, need, "topic "+name), nil
}

// missingToCreate asks whether the topic could be created, and creates nothing. The right may stand on the topic or on the
// cluster, and Kafka shows no rights on a topic that is missing.
func missingToCreate(ctx context.Context, cfg Config, adm *kadm.Client, name string) ([]string, error) {
	resps, err := adm.ValidateCreateTopics(ctx, cfg.Partitions, cfg.Replication, nil, name)
	if err == nil {
		err = resps[name].Err
	}
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return []string{fmt.Sprintf("CREATE on topic %s, which is missing", name)}, nil
	case err != nil && !errors.Is(err, kerr.TopicAlreadyExists):
		return nil, fmt.Errorf("ask whether topic %s can be created: %w", name, err)
	}
	return nil, nil
}

func missingOnGroup(ctx context.Context, cfg Config, group string) ([]string, error) {
	adm, err := newAdmin(cfg, orDiscard(nil))
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	groups, err := adm.DescribeGroups(ctx, group)
	if g, ok := groups[group]; ok {
		switch {
		case errors.Is(g.Err, kerr.GroupAuthorizationFailed):
			return without(nil, []kadm.ACLOperation{kmsg.ACLOperationRead}, "group "+group), nil
		case errors.Is(g.Err, kerr.GroupIDNotFound) && len(g.AuthorizedOperations) == 0, len(g.AuthorizedOperations) == 0 && g.Err == nil:
			return nil, nil
		case g.Err == nil || errors.Is(g.Err, kerr.GroupIDNotFound):
			return without(g.AuthorizedOperations, []kadm.ACLOperation{kmsg.ACLOperationRead}, "group "+group), nil
		}
		err = g.Err
	}
	if errors.Is(err, kerr.GroupAuthorizationFailed) {
		return without(nil, []kadm.ACLOperation{kmsg.ACLOperationRead}, "group "+group), nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the rights on group %s: %w", group, err)
	}
	return nil, nil
}

// without is each operation that is needed and not allowed. ALL allows everything.
func without(allowed, need []kadm.ACLOperation, on string) []string {
	var missing []string
	for _, op := range need {
		if !slices.Contains(allowed, op) && !slices.Contains(allowed, kmsg.ACLOperationAll) {
			missing = append(missing, fmt.Sprintf("%s on %s", op, on))
		}
	}
	return missing
}
