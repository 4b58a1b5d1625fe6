//go:build integration

package integration

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/etltest"
)

// The test binary, started with these variables, runs only a broker.
const (
	brokerDirVariable  = "SLUICE_TEST_BROKER_DIR"
	brokerPortVariable = "SLUICE_TEST_BROKER_PORT"
)

// serveBroker runs the broker in a process of its own. The process exits when its standard input is closed, so it
// cannot outlive the process that started it.
func serveBroker(dir, port string) {
	n, err := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(n), kfake.DataDir(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, "broker:", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	cluster.Close()
}

// broker is a Kafka broker in its own process; acknowledged records survive its SIGKILL.
type broker struct {
	dir, addr string
	cmd       *exec.Cmd
	in        io.Closer
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{dir: t.TempDir(), addr: etltest.FreeAddr(t)}
	b.start(t)
	t.Cleanup(func() { b.kill(t) })
	return b
}

func (b *broker) start(t *testing.T) {
	t.Helper()
	_, port, _ := net.SplitHostPort(b.addr)
	b.cmd = exec.Command(os.Args[0])
	b.cmd.Env = append(os.Environ(), brokerDirVariable+"="+b.dir, brokerPortVariable+"="+port)
	b.cmd.Stderr = os.Stderr
	var err error
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if word, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(word) != "ready" {
		t.Fatalf("the broker did not start: %q, %v, expected %q", word, err, "ready")
	}
}

// kill kills the broker with SIGKILL. It does nothing if the broker does not run.
func (b *broker) kill(t *testing.T) {
	t.Helper()
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
	_ = b.in.Close()
	b.cmd = nil
}

// client returns a plain Kafka client with which tests read the topic.
func (b *broker) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.addr)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// ends returns the end offset of every partition of the topic.
func (b *broker) ends(ctx context.Context, t *testing.T, topic string) map[int32]int64 {
	t.Helper()
	cl := b.client(t)
	defer cl.Close()
	listed, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		t.Fatalf("list the end offsets of %s: %v", topic, err)
	}
	ends := map[int32]int64{}
	for _, o := range listed[topic] {
		ends[o.Partition] = o.Offset
	}
	return ends
}
