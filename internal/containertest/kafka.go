package containertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const kafkaPort = "9092/tcp"

// kafkaSettings configure a broker and controller in one process, with one replica of everything. The advertised
// address is known only after the engine has assigned a port.
var kafkaSettings = map[string]string{
	"KAFKA_NODE_ID":                                  "1",
	"KAFKA_PROCESS_ROLES":                            "broker,controller",
	"KAFKA_LISTENERS":                                "PLAINTEXT://:9092,CONTROLLER://:9093",
	"KAFKA_CONTROLLER_LISTENER_NAMES":                "CONTROLLER",
	"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":           "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
	"KAFKA_INTER_BROKER_LISTENER_NAME":               "PLAINTEXT",
	"KAFKA_CONTROLLER_QUORUM_VOTERS":                 "1@localhost:9093",
	"KAFKA_LOG_DIRS":                                 "/tmp/kafka-logs",
	"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         "1",
	"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS":             "1",
	"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
	"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            "1",
	"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS":         "0",
	"KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS":             "1000",
	"KAFKA_AUTO_CREATE_TOPICS_ENABLE":                "false",
	"KAFKA_HEAP_OPTS":                                "-Xmx512m",
}

// Kafka starts a broker and waits until it replies. The caller must close a container that is not nil, even if there is
// an error.
func Kafka(ctx context.Context, image string) (*Container, error) {
	const script = "/tmp/sluice-start"
	tell := func(ctx context.Context, c testcontainers.Container) error {
		d, is := c.(*testcontainers.DockerContainer)
		if !is {
			return errors.New("not a Docker container")
		}
		addr, err := reach(ctx, d, kafkaPort)
		if err != nil {
			return err
		}
		text := "export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://" + addr + "\nexec /etc/kafka/docker/run\n"
		return c.CopyToContainer(ctx, []byte(text), script, 0o644)
	}
	c, err := start(ctx, image, kafkaPort,
		testcontainers.WithEnv(kafkaSettings),
		testcontainers.WithEntrypoint("/bin/sh", "-c", "while [ ! -s "+script+" ]; do sleep 0.1; done; . "+script),
		testcontainers.WithLifecycleHooks(testcontainers.ContainerLifecycleHooks{PostStarts: []testcontainers.ContainerHook{tell}}),
	)
	if err != nil {
		return c, err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addr), kgo.RequestRetries(0), kgo.RequestTimeoutOverhead(5*time.Second))
	if err != nil {
		return c, err
	}
	defer cl.Close()
	return c, c.await(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, engineWait)
		defer cancel()
		resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, cl)
		switch {
		case err != nil:
			return err
		case len(resp.Brokers) == 0:
			return errors.New("no broker is registered yet")
		case resp.ControllerID < 0:
			return errors.New("there is no controller yet")
		}
		if b := resp.Brokers[0]; fmt.Sprintf("%s:%d", b.Host, b.Port) != c.Addr {
			return fmt.Errorf("it advertises %s:%d", b.Host, b.Port)
		}
		return nil
	})
}
