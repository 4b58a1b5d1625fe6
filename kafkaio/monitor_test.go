package kafkaio

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-etl/sluice/internal/etltest"
)

// says waits until the monitor's reasons contain these texts; an empty text means no reason.
func says(t *testing.T, m *Monitor, down, degraded string) {
	t.Helper()
	is := func(got, want string) bool { return (got == "") == (want == "") && strings.Contains(got, want) }
	defer func() {
		if t.Failed() {
			d, g := m.State()
			t.Logf("down %q, degraded %q", d, g)
		}
	}()
	eventually(t, "down: "+down+", degraded: "+degraded, func() bool {
		d, g := m.State()
		return is(d, down) && is(g, degraded)
	})
}

// After a failure the monitor checks again soon, even if --kafka-lag-interval is long, and also if only a request was
// denied.
func TestMonitor_checksSoonAfterAFailure(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	cfg := testConfig(c)
	cfg.LagInterval = time.Hour
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "logs", Err: kerr.NotLeaderForPartition, Count: -1})
	m := NewMonitor(cfg, Use{Receive: true}, nil, nil)
	p := &Producer{}
	m.FollowProducer(p)
	start(t, m.Run)
	says(t, m, "it replies that it does not lead them", "")
	fault.Remove()
	says(t, m, "", "")
	first := m.last.Load()
	p.denial.note("producing to topic logs", kerr.TopicAuthorizationFailed)
	says(t, m, "", "") // a round after the denial finds that everything is allowed
	if m.last.Load() == first {
		t.Error("the monitor did not check again after a denial")
	}
}

// A topic that is deleted while the process runs is reported as missing. Events flow without the dead-letter topic.
func TestMonitor_topicMissing(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	adm := kadm.NewClient(client(t, c))
	m := NewMonitor(testConfig(c), Use{Receive: true}, nil, nil)
	start(t, m.Run)
	says(t, m, "", "")
	remove := func(name string) {
		t.Helper()
		if _, err := adm.DeleteTopic(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	remove("logs.dlq")
	says(t, m, "", "topic logs.dlq is missing")
	remove("logs")
	says(t, m, "topic logs is missing", "topic logs.dlq is missing")
	makeTopics(t, c, 1, nil)
	says(t, m, "", "")
}

// Whether a topic can be created is checked only at start.
func TestProber_createAtStart(t *testing.T) {
	t.Parallel()
	c := broker(t)
	denied := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	a, err := newProber(testConfig(c), Use{Receive: true}, orDiscard(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	ask := func() rights {
		t.Helper()
		meta, err := a.metadata(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.checkRights(t.Context(), meta)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := ask()
	if !slices.Equal(r.missing, []string{"CREATE on topic logs, which is missing"}) ||
		!slices.Equal(r.dead, []string{"CREATE on topic logs.dlq, which is missing"}) || r.absent || r.deadAbsent {
		t.Errorf("at start: got %+v; expected missing %v, dead %v, absent false and deadAbsent false", r, []string{"CREATE on topic logs, which is missing"}, []string{"CREATE on topic logs.dlq, which is missing"})
	}
	asked := denied.Hits()
	a.seen = map[string]bool{"logs": true, "logs.dlq": true}
	if r = ask(); r.missing != nil || r.dead != nil || !r.absent || !r.deadAbsent {
		t.Errorf("later: got %+v; expected no missing rights, and both topics absent", r)
	}
	if got := denied.Hits(); got != asked {
		t.Errorf("it was asked %d times, expected %d", got, asked)
	}
}

// The process stays ready if a broker that leads only partitions of the dead-letter topic does not reply, or denies
// leading them.
func TestMonitor_deadLetterLeader(t *testing.T) {
	t.Parallel()
	c, all := brokers(t, 2)
	if err := c.MoveTopicPartition("logs", 1, 0); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(c)
	cfg.Brokers = cfg.Brokers[:1]
	m := NewMonitor(cfg, Use{Receive: true}, nil, nil)
	all[1].As(etltest.RefusingAddr(t))
	start(t, m.Run)
	says(t, m, "", "broker 1, which leads partition 1 of topic logs.dlq")
	if got := testutil.ToFloat64(m.met.lost); got != 1 {
		t.Errorf("etl_kafka_unreachable_leaders is %v, expected 1", got)
	}
	all[1].As("")
	says(t, m, "", "")
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "logs.dlq", Partitions: []int32{0}, Err: kerr.NotLeaderForPartition, Count: -1})
	says(t, m, "", "broker 0, which leads partitions 0-1 of topic logs and partition 0 of topic logs.dlq")
}

// A denied dead letter does not make the process unready.
func TestMonitor_deadLetterDenial(t *testing.T) {
	t.Parallel()
	p := &Producer{}
	m := NewMonitor(DefaultConfig(), Use{Receive: true}, nil, nil)
	m.FollowProducer(p)
	began := time.Now()
	m.last.Store(&finding{began: began, allowed: true, deadAllowed: true})
	p.deadDenial.note("writing dead letters to topic logs.dlq", kerr.TopicAuthorizationFailed)
	if down, degraded := m.State(); down != "" || !strings.Contains(degraded, "Kafka denies writing dead letters to topic logs.dlq: TOPIC_AUTHORIZATION_FAILED") {
		t.Errorf("got %q %q; expected an empty text and it to contain %q", down, degraded, "Kafka denies writing dead letters to topic logs.dlq: TOPIC_AUTHORIZATION_FAILED")
	}
	m.last.Store(&finding{began: time.Now().Add(time.Second), allowed: true, deadAllowed: true})
	if down, degraded := m.State(); down+degraded != "" {
		t.Errorf("got %q %q although everything is allowed now, expected down+degraded an empty text", down, degraded)
	}
}

// If no broker replies, each that led partitions before counts as unreachable; if none is known, the gauge is 1.
func TestMonitor_unreachableGauge(t *testing.T) {
	t.Parallel()
	c, _ := brokers(t, 3)
	m := NewMonitor(testConfig(c), Use{Receive: true}, nil, nil)
	start(t, m.Run)
	says(t, m, "", "")
	gone := broker(t)
	never := NewMonitor(testConfig(gone), Use{Receive: true}, nil, nil)
	gone.Close()
	start(t, never.Run)
	if got := testutil.ToFloat64(m.met.lost); got != 0 {
		t.Errorf("etl_kafka_unreachable_leaders is %v, expected 0", got)
	}
	c.Close()
	for want, m := range map[float64]*Monitor{3: m, 1: never} {
		says(t, m, "Kafka does not reply", "")
		if got := testutil.ToFloat64(m.met.lost); got != want {
			t.Errorf("etl_kafka_unreachable_leaders is %v, expected %v", got, want)
		}
	}
}

// Of many requests that fail with one client, exactly one replaces it, and the pause until the next replacement grows
// until a request succeeds.
func TestProducer_oneNewClientForManyFailures(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	p, _ := producer(t, testConfig(c))
	const many = 50
	all := make(chan struct{}) // closed when all requests are with the first client
	denied := make(chan struct{})
	c.ControlKey(int16(kmsg.InitProducerID), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		<-all
		select {
		case <-denied:
			return nil, nil, false
		default:
		}
		resp := r.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return resp, nil, true
	})
	p.mu.Lock()
	first := p.shared
	first.renewAt = time.Now()
	p.mu.Unlock()
	produce := func() error {
		b := p.NewBatch(1)
		b.Add([]byte("x"))
		return p.Produce(context.Background(), b, nil, nil)
	}
	errs := make(chan error, many)
	for range many {
		go func() { errs <- produce() }()
	}
	eventually(t, "all requests are with the client", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.inFlight == many
	})
	close(all)
	for range many {
		if err := <-errs; !IsDenied(err) {
			t.Errorf("got %v, expected a denial", err)
		}
	}
	if got := p.clientsMade.Load(); got != 2 {
		t.Errorf("%d clients were made, expected 2", got)
	}

	s := first
	for _, want := range []time.Duration{2, 4, 8, 16, 16} {
		want *= renewAfter
		p.mu.Lock()
		if s = p.shared; s.pause != want || time.Until(s.renewAt) > want {
			t.Errorf("the next client is made after %s, expected %s", s.pause, want)
		}
		s.renewAt, s.renewing = time.Now(), true // as while another request replaces it
		p.mu.Unlock()
		made := p.clientsMade.Load()
		p.afterDenial(s, kerr.ClusterAuthorizationFailed)
		if got := p.clientsMade.Load(); got != made {
			t.Errorf("%d clients were made while another request made one, expected none", got-made)
		}
		p.mu.Lock()
		s.renewing = false
		p.mu.Unlock()
		p.afterDenial(s, kerr.ClusterAuthorizationFailed)
	}
	close(denied)
	eventually(t, "it is produced", func() bool { return produce() == nil })
	p.mu.Lock()
	s = p.shared
	s.renewAt = time.Now()
	p.mu.Unlock()
	p.afterDenial(s, kerr.ClusterAuthorizationFailed)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shared == s || p.shared.pause != renewAfter {
		t.Errorf("after a success the pause is %s, expected %s", p.shared.pause, renewAfter)
	}
}
