package kafkaio

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
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
			want: []string{"WRITE on topic logs", "WRITE on topic logs.dlq", "DESCRIBE_CONFIGS on topic logs.dlq"}},
		"loader with a receiver's rights": {acls: receiver, use: Use{Group: "job"},
			want: []string{"READ on topic logs", "READ on group job"}},
		"another group": {acls: loader, use: Use{Group: "other"}, want: []string{"READ on group other"}},
		"nothing": {use: Use{Receive: true, Group: "job"}, want: []string{
			"DESCRIBE on topic logs", "WRITE on topic logs", "READ on topic logs", "READ on group job", "DESCRIBE on topic logs.dlq",
			"WRITE on topic logs.dlq", "DESCRIBE_CONFIGS on topic logs", "DESCRIBE_CONFIGS on topic logs.dlq"}},
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

// Brokers before 2.8 require IDEMPOTENT_WRITE on the cluster besides WRITE: it is named if a broker requires it.
func TestMissingRights_idempotentWrite(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	old := func() *kfake.FaultHandle {
		return c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ClusterAuthorizationFailed, Count: -1})
	}
	asked := old()
	got, err := MissingRights(t.Context(), testConfig(c), Use{Receive: true, Group: "job"})
	if want := []string{"IDEMPOTENT_WRITE on the cluster, which these brokers require besides WRITE"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q %v, expected %q", got, err, want)
	}
	if got, err := MissingRights(t.Context(), testConfig(c), Use{Group: "job"}); err != nil || got != nil {
		t.Errorf("a loader does not produce: got %q %v; expected none and no error", got, err)
	}
	asked.Remove()

	cfg := testConfig(c)
	m := NewMonitor(cfg, Use{Receive: true}, nil, nil)
	p, err := NewProducer(cfg, testLog(), nil)
	if err != nil {
		t.Fatal(err)
	}
	m.FollowProducer(p)
	start(t, m.Run)
	start(t, p.Run)
	produce := func() error {
		b := p.NewBatch(1)
		b.Add([]byte("x"))
		return p.Produce(t.Context(), b, nil, nil)
	}
	if err := produce(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Kafka can be worked with", func() bool { down, degraded := m.State(); return down+degraded == "" })
	// The right is revoked while the process runs: such a broker denies produce requests, too.
	asked = old()
	refused := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "logs", Err: kerr.ClusterAuthorizationFailed, Count: -1})
	if err := produce(); !errors.Is(err, kerr.ClusterAuthorizationFailed) {
		t.Fatalf("got %v, expected %v", err, kerr.ClusterAuthorizationFailed)
	}
	eventually(t, "the monitor names the right", func() bool { down, _ := m.State(); return strings.Contains(down, "IDEMPOTENT_WRITE on the cluster") })
	asked.Remove()
	refused.Remove()
	eventually(t, "Kafka can be worked with again", func() bool { down, _ := m.State(); return down == "" })
	eventually(t, "it is produced", func() bool { return produce() == nil })
}

// READ on a group without members is checked as well, even if DESCRIBE is granted.
func TestMissingRights_groupWithoutMembers(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	c.ControlKey(int16(kmsg.Heartbeat), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := r.ResponseKind().(*kmsg.HeartbeatResponse)
		resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return resp, nil, true
	})
	if got, err := MissingRights(t.Context(), testConfig(c), Use{Group: "job"}); err != nil || !slices.Equal(got, []string{"READ on group job"}) {
		t.Errorf("got %q %v; expected %v and no error", got, err, []string{"READ on group job"})
	}
}

// A denied request of the producer counts at once, until Kafka reports that everything is allowed, or, if brokers do
// not report what they allow, until a record is acknowledged.
func TestMonitor_denials(t *testing.T) {
	t.Parallel()
	p := &Producer{}
	m := NewMonitor(DefaultConfig(), Use{Receive: true}, nil, nil)
	m.FollowProducer(p)
	down := func() string { d, _ := m.State(); return d }
	if down() == "" {
		t.Error("ready before the first check")
	}
	began := time.Now()
	m.last.Store(&finding{began: began, allowed: true})
	if got := down(); got != "" {
		t.Errorf("got %q, expected nothing", got)
	}
	if p.denial.note("x", kerr.NotEnoughReplicas) || down() != "" {
		t.Errorf("another error of a broker is not a missing right: %q", down())
	}
	p.denial.note("producing to topic logs", fmt.Errorf("produce: %w", kerr.TopicAuthorizationFailed))
	if got := down(); !strings.Contains(got, "producing to topic logs") || !strings.Contains(got, "TOPIC_AUTHORIZATION_FAILED") {
		t.Errorf("got %q; expected it to contain %q and %q", got, "producing to topic logs", "TOPIC_AUTHORIZATION_FAILED")
	}
	later := time.Now().Add(time.Second)
	m.last.Store(&finding{began: later})
	if down() == "" {
		t.Error("the denial is cleared, although the broker did not report that anything is allowed")
	}
	m.last.Store(&finding{began: later, allowed: true})
	if got := down(); got != "" {
		t.Errorf("got %q although everything is allowed now, expected an empty text", got)
	}
	m.last.Store(&finding{began: began})
	p.denial.clear()
	if got := down(); got != "" {
		t.Errorf("got %q after something was acknowledged, expected an empty text", got)
	}
	m.last.Store(&finding{began: began, down: "a", degraded: "b"})
	if d, g := m.State(); d != "a" || g != "b" {
		t.Errorf("got %q %q, expected a and b", d, g)
	}
}
