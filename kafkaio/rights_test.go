package kafkaio

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func allow(resource kmsg.ACLResourceType, name string, operations ...kmsg.ACLOperation) []kfake.ACL {
	var acls []kfake.ACL
	for _, op := range operations {
		acls = append(acls, kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true})
	}
	return acls
}

func TestMissingRights(t *testing.T) {
	t.Parallel()
	const topic, group = kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup
	const read, write, describe, configs = kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs
	receiver := slices.Concat(allow(topic, "logs", write, configs), allow(topic, "logs.dlq", write, configs))
	loader := slices.Concat(allow(topic, "logs", read, configs), allow(group, "job", read))
	for name, test := range map[string]struct {
		acls   []kfake.ACL
		use    Use
		absent bool // the topics are missing
		want   []string
	}{
		"receiver":            {acls: receiver, use: Use{Receive: true}},
		"loader without .dlq": {acls: loader, use: Use{Group: "job"}},
		"both":                {acls: slices.Concat(receiver, loader), use: Use{Receive: true, Group: "job"}},
		"receiver that may only look": {acls: slices.Concat(allow(topic, "logs", describe, configs), allow(topic, "logs.dlq", describe)), use: Use{Receive: true},
			want: []string{"WRITE on topic logs", "DESCRIBE_CONFIGS on topic logs.dlq", "WRITE on topic logs.dlq"}},
		"loader with a receiver's rights": {acls: receiver, use: Use{Group: "job"},
			want: []string{"READ on topic logs", "READ on group job"}},
		"another group": {acls: loader, use: Use{Group: "other"}, want: []string{"READ on group other"}},
		"nothing": {use: Use{Receive: true, Group: "job"}, want: []string{
			"DESCRIBE on topic logs", "DESCRIBE_CONFIGS on topic logs", "WRITE on topic logs", "READ on topic logs",
			"DESCRIBE on topic logs.dlq", "DESCRIBE_CONFIGS on topic logs.dlq", "WRITE on topic logs.dlq", "READ on group job"}},
		"missing topics that may be made": {absent: true, use: Use{Receive: true},
			acls: slices.Concat(receiver, allow(kmsg.ACLResourceTypeCluster, "kafka-cluster", kmsg.ACLOperationCreate, describe))},
		"missing topics": {absent: true, use: Use{Receive: true}, acls: slices.Concat(receiver, allow(kmsg.ACLResourceTypeCluster, "kafka-cluster", describe)),
			want: []string{"CREATE on topic logs, which is missing", "CREATE on topic logs.dlq, which is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := []kfake.Opt{kfake.EnableACLs(), kfake.EnableSASL(), kfake.User(Plain, "etl", "secret", test.acls...)}
			if !test.absent {
				opts = append(opts, kfake.SeedTopics(1, "logs", "logs.dlq"))
			}
			cfg := testConfig(broker(t, opts...))
			cfg.SASL = SASL{Mechanism: Plain, User: "etl", Password: "secret"}
			got, err := MissingRights(t.Context(), cfg, test.use)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q %v, expected %q", got, err, test.want)
			}
		})
	}
	open := broker(t)
	makeTopics(t, open, 1, nil)
	if got, err := MissingRights(t.Context(), testConfig(open), Use{Receive: true, Group: "job"}); err != nil || got != nil {
		t.Errorf("without an authorizer: got %q %v, expected none", got, err)
	}
}
