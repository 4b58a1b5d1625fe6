package jvmtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is a real Kafka in one process. Its methods are not safe for concurrent use; the broker is.
type Broker struct {
	process
	addr string
}

// brokerSettings favour short delays over throughput: one replica of everything, no wait for a group's second member, a
// log cleaner that runs all the time, and a killed broker may return after 1.5 s instead of 9 s.
const brokerSettings = `process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
num.network.threads=2
num.io.threads=4
num.partitions=1
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=250
broker.session.timeout.ms=1500
log.cleaner.backoff.ms=100
log.cleaner.dedupe.buffer.size=16777216
log.initial.task.delay.ms=500
log.segment.delete.delay.ms=1000
`

// StartBroker starts a Kafka that is stopped with the test and returns when it replies. settings are lines of its
// configuration, key=value, that override the defaults of this package.
func StartBroker(t testing.TB, settings ...string) *Broker {
	t.Helper()
	path, err := ClassPath(t.Context(), Kafka)
	must(t, err)
	b, err := newBroker(t.Context(), t.TempDir(), path, settings)
	must(t, err)
	b.cleanup(t)
	must(t, b.Restart(t.Context()))
	return b
}

func newBroker(ctx context.Context, dir, path string, settings []string) (*Broker, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	quorum, err := freePort()
	if err != nil {
		return nil, err
	}
	b := &Broker{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	lines := []string{
		"listeners=PLAINTEXT://" + b.addr + ",CONTROLLER://127.0.0.1:" + strconv.Itoa(quorum),
		"advertised.listeners=PLAINTEXT://" + b.addr,
		"controller.quorum.bootstrap.servers=127.0.0.1:" + strconv.Itoa(quorum),
		"log.dirs=" + filepath.Join(dir, "data"),
	}
	config := filepath.Join(dir, "server.properties")
	// If two lines have the same key, the last one is used.
	text := brokerSettings + strings.Join(lines, "\n") + "\n" + strings.Join(settings, "\n") + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	jvm := append(quick("512m"), "-cp", path)
	format := exec.CommandContext(ctx, "java", append(jvm, "kafka.tools.StorageTool", "format", "--standalone",
		"--cluster-id", "c2x1aWNlLXRlc3QtMDAwMQ", "--config", config)...)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format Kafka's storage: %w:\n%s", err, out)
	}
	b.process = process{
		name: "kafka " + b.addr,
		log:  filepath.Join(dir, "kafka.log"),
		args: append(jvm, "kafka.Kafka", config),
	}
	return b, nil
}

// Addr returns the broker's host:port.
func (b *Broker) Addr() string { return b.addr }

// Kill kills the broker with SIGKILL and waits until it has exited.
func (b *Broker) Kill() error { return b.end(syscall.SIGKILL) }

// Stop stops the broker with SIGTERM and waits until it has exited.
func (b *Broker) Stop() error { return b.end(syscall.SIGTERM) }

// Restart starts the broker on the same ports and data, and returns when it replies. It does nothing if the broker
// runs.
func (b *Broker) Restart(ctx context.Context) error {
	if b.cmd != nil {
		return nil
	}
	if err := b.start(); err != nil {
		return err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer cl.Close()
	return b.await(ctx, func(ctx context.Context) error { return answers(ctx, cl) })
}

// answers returns nil if the broker is registered and every partition has a leader.
func answers(ctx context.Context, cl *kgo.Client) error {
	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("ask for metadata: %w", err)
	}
	if len(resp.Brokers) == 0 {
		return errors.New("no broker is registered yet")
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.Leader < 0 || p.ErrorCode != 0 {
				return fmt.Errorf("partition %s/%d has no leader yet", *t.Topic, p.Partition)
			}
		}
	}
	return nil
}
