package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/kafkaio"
	httpreceiver "github.com/sluice-etl/sluice/receiver/http"
	"github.com/sluice-etl/sluice/status"
)

// guarded is a Kafka with an authorizer; privileges are granted and revoked while it runs.
type guarded struct {
	*kfake.Cluster
	adm *kadm.Client
}

func guard(t *testing.T, topics ...string) *guarded {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second), kfake.EnableACLs(), kfake.EnableSASL(),
		kfake.Superuser(kafkaio.Plain, "admin", "secret"), kfake.User(kafkaio.Plain, "etl", "secret"), kfake.SeedTopics(3, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.SASL(plain.Auth{User: "admin", Pass: "secret"}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &guarded{k, kadm.NewClient(cl)}
}

func acl(operation kmsg.ACLOperation, kind, name string) *kadm.ACLBuilder {
	b := kadm.NewACLs().Allow("User:etl").AllowHosts("*").Operations(operation).ResourcePatternType(kadm.ACLPatternLiteral)
	switch kind {
	case "group":
		return b.Groups(name)
	case "cluster":
		return b.Clusters()
	}
	return b.Topics(name)
}

func (g *guarded) grant(t *testing.T, operation kmsg.ACLOperation, kind, name string) {
	t.Helper()
	if _, err := g.adm.CreateACLs(t.Context(), acl(operation, kind, name)); err != nil {
		t.Fatal(err)
	}
}

func (g *guarded) revoke(t *testing.T, operation kmsg.ACLOperation, kind, name string) {
	t.Helper()
	if _, err := g.adm.DeleteACLs(t.Context(), acl(operation, kind, name)); err != nil {
		t.Fatal(err)
	}
}

func (g *guarded) config(t *testing.T, dsn string) Config {
	t.Helper()
	cfg := config(t, g.ListenAddrs()[0], dsn)
	cfg.Kafka.SASL = kafkaio.SASL{Mechanism: kafkaio.Plain, User: "etl", Password: "secret"}
	cfg.Kafka.LagInterval = 50 * time.Millisecond
	return cfg
}

// overHTTP configures the process to receive by HTTP only.
func overHTTP(cfg *Config) {
	cfg.Avro.Listen = ""
	cfg.HTTP = httpreceiver.DefaultConfig()
	cfg.HTTP.Listen = "127.0.0.1:0"
}

func (p *process) post(t *testing.T, body string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.at.Receivers["http"].String()+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Close = true
	r, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// unready waits until /readyz is 503 and contains each text.
func (p *process) unready(t *testing.T, texts ...string) {
	t.Helper()
	var body string
	defer func() {
		if t.Failed() {
			t.Log(body)
		}
	}()
	await(t, "/readyz is 503 and says "+strings.Join(texts, ", "), func() bool {
		var code int
		code, body = p.get(t, "/readyz")
		for _, text := range texts {
			if !strings.Contains(body, text) {
				return false
			}
		}
		return code == http.StatusServiceUnavailable
	})
}

func (p *process) ready(t *testing.T) {
	t.Helper()
	await(t, "/readyz is 200", func() bool { code, _ := p.get(t, "/readyz"); return code == http.StatusOK })
}

// A receiver without WRITE is not ready and reports what is missing, and its replies and metrics contain Kafka's
// reason. It works as soon as the privilege is granted, without a restart, also if the privilege was revoked while it
// ran.
func TestRun_writeDenied(t *testing.T) {
	t.Parallel()
	const describe, configs, write = kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationWrite
	k := guard(t, "logs", "logs.dlq")
	for _, name := range []string{"logs", "logs.dlq"} {
		k.grant(t, describe, "topic", name)
		k.grant(t, configs, "topic", name)
	}
	cfg := k.config(t, "")
	cfg.Load = false
	overHTTP(&cfg)
	p := start(t, cfg)
	p.unready(t, "Kafka does not allow WRITE on topic logs, WRITE on topic logs.dlq")
	await(t, "a reply names the right", func() bool {
		code, body := p.post(t, `[{"body":"a"}]`)
		return code == http.StatusServiceUnavailable && strings.Contains(body, "CLUSTER_AUTHORIZATION_FAILED") &&
			strings.Contains(body, "WRITE on topic logs,") && !strings.Contains(body, "ack timeout")
	})
	k.grant(t, write, "topic", "logs.dlq")
	await(t, "a reply has Kafka's error of the topic", func() bool {
		code, body := p.post(t, `[{"body":"b"}]`)
		return code == http.StatusServiceUnavailable && strings.Contains(body, "TOPIC_AUTHORIZATION_FAILED") && !strings.Contains(body, "ack timeout")
	})
	p.unready(t, "Kafka does not allow WRITE on topic logs\"")
	k.grant(t, write, "topic", "logs")
	p.ready(t)
	await(t, "it is acknowledged", func() bool { code, _ := p.post(t, `[{"body":"c"}]`); return code == http.StatusOK })
	_, metrics := p.get(t, "/metrics")
	for _, want := range []string{`etl_produce_failed_requests_total{reason="TOPIC_AUTHORIZATION_FAILED"}`, `etl_produce_failed_requests_total{reason="CLUSTER_AUTHORIZATION_FAILED"}`, "etl_kafka_missing_rights 0"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}

	k.revoke(t, write, "topic", "logs")
	p.unready(t, "WRITE on topic logs")
	if code, body := p.post(t, `[{"body":"d"}]`); code != http.StatusServiceUnavailable || !strings.Contains(body, "TOPIC_AUTHORIZATION_FAILED") {
		t.Errorf("got %d %q; expected status %v and a body that contains %q", code, body, http.StatusServiceUnavailable, "TOPIC_AUTHORIZATION_FAILED")
	}
	k.grant(t, write, "topic", "logs")
	p.ready(t)
	await(t, "it is acknowledged", func() bool { code, _ := p.post(t, `[{"body":"e"}]`); return code == http.StatusOK })

	// Without DESCRIBE, Kafka hides even the existence of the topic.
	for _, operation := range []kmsg.ACLOperation{write, describe, configs} {
		k.revoke(t, operation, "topic", "logs")
	}
	p.unready(t, "DESCRIBE on topic logs, WRITE on topic logs")
	await(t, "a reply has Kafka's error", func() bool {
		code, body := p.post(t, `[{"body":"f"}]`)
		return code == http.StatusServiceUnavailable && strings.Contains(body, "TOPIC_AUTHORIZATION_FAILED")
	})
	k.grant(t, write, "topic", "logs") // which includes DESCRIBE
	p.ready(t)
	await(t, "it is acknowledged", func() bool { code, _ := p.post(t, `[{"body":"g"}]`); return code == http.StatusOK })
	if _, states := p.standings(t); states["kafka"] != status.Degraded {
		t.Errorf("without DESCRIBE_CONFIGS it is %v, expected degraded", states)
	}
}

// Events for the dead-letter topic need WRITE there. The client for single records recovers as well. Without the
// privilege, other events are produced and the process stays ready.
func TestRun_deadLettersDenied(t *testing.T) {
	t.Parallel()
	k := guard(t, "logs", "logs.dlq")
	for _, name := range []string{"logs", "logs.dlq"} {
		k.grant(t, kmsg.ACLOperationDescribe, "topic", name)
		k.grant(t, kmsg.ACLOperationDescribeConfigs, "topic", name)
	}
	cfg := k.config(t, "")
	cfg.Load = false
	overHTTP(&cfg)
	cfg.HTTP.Limits.MaxBodyBytes = 10
	p := start(t, cfg)
	large := `[{"body":"` + strings.Repeat("x", 100) + `"}]`
	await(t, "dead letters are refused", func() bool {
		code, body := p.post(t, large)
		return code == http.StatusServiceUnavailable && strings.Contains(body, "AUTHORIZATION_FAILED")
	})
	k.grant(t, kmsg.ACLOperationWrite, "topic", "logs")
	degraded := func(want string) func() bool {
		return func() bool {
			code, body := p.get(t, "/readyz")
			_, states := p.standings(t)
			return code == http.StatusOK && states["kafka"] == status.Degraded && strings.Contains(body, want)
		}
	}
	await(t, "it is ready and names the right", degraded("Kafka does not allow WRITE on topic logs.dlq\""))
	await(t, "another event is acknowledged", func() bool { code, _ := p.post(t, `[{"body":"a"}]`); return code == http.StatusOK })
	if code, body := p.post(t, large); code != http.StatusServiceUnavailable || !strings.Contains(body, "AUTHORIZATION_FAILED") {
		t.Errorf("a dead letter without the right: got %d %q; expected status %v and a body that contains %q", code, body, http.StatusServiceUnavailable, "AUTHORIZATION_FAILED")
	}
	if !degraded("WRITE on topic logs.dlq")() {
		_, body := p.get(t, "/readyz")
		t.Errorf("a rejected dead letter changes readiness: %s", body)
	}
	k.grant(t, kmsg.ACLOperationWrite, "topic", "logs.dlq")
	await(t, "nothing is degraded", func() bool { _, states := p.standings(t); return states["kafka"] == status.OK })
	await(t, "a dead letter is acknowledged", func() bool { code, _ := p.post(t, large); return code == http.StatusOK })
}

// A loader reports what it may not read, needs no access to the dead-letter topic, and counts once it has the
// privilege.
func TestRun_readDenied(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Start(t)
	k := guard(t, "logs")
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.SASL(plain.Auth{User: "admin", Pass: "secret"}.AsMechanism()), kgo.DefaultProduceTopic("logs"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	produce := func(text string) {
		t.Helper()
		if err := cl.ProduceSync(t.Context(), kgo.StringRecord(text)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	produce("a")
	cfg := k.config(t, db.DSN(db.Database(t)))
	cfg.Receive, cfg.Avro.Listen = false, ""
	p := start(t, cfg)
	total := func(n string) func() bool {
		return func() bool {
			_, body := p.get(t, "/metrics")
			return strings.Contains(body, `etl_batch_records_total{fate="counted"} `+n+"\n")
		}
	}
	p.unready(t, "DESCRIBE on topic logs, READ on topic logs, READ on group etl")
	k.grant(t, kmsg.ACLOperationDescribe, "topic", "logs")
	p.unready(t, "Kafka does not allow READ on topic logs, READ on group etl")
	k.grant(t, kmsg.ACLOperationRead, "group", "etl")
	p.unready(t, `Kafka does not allow READ on topic logs"`)
	k.grant(t, kmsg.ACLOperationRead, "topic", "logs")
	await(t, "the record is counted", total("1"))
	p.ready(t)
	if strings.Contains(p.log.String(), "logs.dlq") || k.TopicInfo("logs.dlq") != nil {
		t.Errorf("a loader needs no dead-letter topic; expected a log without %q, and no topic logs.dlq:\n%s", "logs.dlq", p.log)
	}
	k.revoke(t, kmsg.ACLOperationRead, "topic", "logs")
	p.unready(t, "READ on topic logs")
	produce("b")
	k.grant(t, kmsg.ACLOperationRead, "topic", "logs")
	p.ready(t)
	await(t, "the next record is counted", total("2"))
	k.revoke(t, kmsg.ACLOperationRead, "group", "etl")
	p.unready(t, "READ on group etl")
	k.grant(t, kmsg.ACLOperationRead, "group", "etl")
	p.ready(t)
	produce("c")
	await(t, "the last record is counted", total("3"))
}

// If the address that a broker advertises is wrong, receivers, loaders, etl check and replies name the address and the
// reason, whether it cannot be resolved, refuses connections or does not reply. They recover once the address is right.
func TestRun_advertisedAddress(t *testing.T) {
	t.Parallel()
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	db := mariadbtest.Start(t)
	for name, test := range map[string]struct{ at, why string }{
		"unresolvable": {"kafka-1.invalid:9092", "lookup kafka-1.invalid"},
		"refused":      {etltest.RefusingAddr(t), "connection refused"},
		"silent":       {silent.Addr().String(), "i/o timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var all []*etltest.Advertised
			k, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.GroupMinSessionTimeout(time.Second), kfake.SeedTopics(4, "logs", "logs.dlq"),
				kfake.ListenFn(func(network, address string) (net.Listener, error) {
					l, err := (&net.ListenConfig{}).Listen(context.Background(), network, address)
					a := &etltest.Advertised{Listener: l}
					mu.Lock()
					defer mu.Unlock()
					all = append(all, a)
					return a, err
				}))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(k.Close)
			for p := range int32(4) {
				for _, topic := range []string{"logs", "logs.dlq"} {
					if err := k.MoveTopicPartition(topic, p, p%2); err != nil {
						t.Fatal(err)
					}
				}
			}
			bootstrap := k.ListenAddrs()[0]
			all[1].As(test.at)
			named := []string{"broker 1, which leads partitions 1, 3 of topic logs", "at its advertised address " + test.at, test.why}

			cfg := config(t, bootstrap, db.DSN(db.Database(t)))
			cfg.Kafka.LagInterval, cfg.Kafka.AckTimeout = 50*time.Millisecond, time.Second
			cfg.Kafka.MetadataMaxAge, cfg.Kafka.KeyHeader = 200*time.Millisecond, "k"
			cfg.Kafka.SessionTimeout = 3 * time.Second
			begun := time.Now()
			var out strings.Builder
			if err := Check(t.Context(), cfg, &out); err == nil {
				t.Errorf("the check finds nothing:\n%s", &out)
			}
			if took := time.Since(begun); took > 30*time.Second {
				t.Errorf("the check took %s, expected at most %v", took, 30*time.Second)
			}
			for _, text := range named {
				if !strings.Contains(out.String(), text) {
					t.Errorf("the output of the check lacks %q:\n%s", text, &out)
				}
			}
			load := cfg
			load.Receive, load.Avro.Listen = false, ""
			cfg.Load = false
			overHTTP(&cfg)
			cfg.Shared.AckTimeout = time.Second
			loader, receiver := start(t, load), start(t, cfg)
			receiver.unready(t, named...)
			loader.unready(t, named...)
			keys := `[{"headers":{"k":"1"}},{"headers":{"k":"2"}},{"headers":{"k":"3"}},{"headers":{"k":"4"}},{"headers":{"k":"5"}},{"headers":{"k":"6"}}]`
			await(t, "a reply names the broker", func() bool {
				code, body := receiver.post(t, keys)
				return code == http.StatusServiceUnavailable && strings.Contains(body, test.at) && strings.Contains(body, test.why)
			})
			all[1].As("")
			receiver.ready(t)
			loader.ready(t)
			await(t, "events are acknowledged", func() bool { code, _ := receiver.post(t, keys); return code == http.StatusOK })
		})
	}
}
