package kafkaio

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-etl/sluice/internal/etltest"
)

// brokers starts n brokers; broker i leads partition i of the topics logs and logs.dlq.
func brokers(t *testing.T, n int) (*kfake.Cluster, []*etltest.Advertised) {
	t.Helper()
	var all []*etltest.Advertised
	c := broker(t, kfake.NumBrokers(n), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), network, address)
		if err != nil {
			return nil, err
		}
		a := &etltest.Advertised{Listener: l}
		all = append(all, a)
		return a, nil
	}))
	makeTopics(t, c, int32(n), nil)
	for i := range int32(n) {
		for _, name := range []string{"logs", "logs.dlq"} {
			if err := c.MoveTopicPartition(name, i, i); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c, all
}

// listener accepts connections and never replies, like a host behind a firewall that drops packets.
func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// Each broker that leads a partition of our topics is asked at its advertised address, within a time limit, and named
// with that address and the reason if it does not reply. Other brokers do not matter.
func TestCheckLeaders(t *testing.T) {
	t.Parallel()
	refused, silent := etltest.RefusingAddr(t), listener(t).Addr().String()
	for name, test := range map[string]struct {
		at      string
		leads   bool
		address string
		why     string
	}{
		"all reply":                {leads: true},
		"unresolvable":             {at: "kafka-2.invalid:9092", leads: true, address: "kafka-2.invalid:9092", why: "lookup kafka-2.invalid"},
		"refused":                  {at: refused, leads: true, address: refused, why: "connection refused"},
		"silent":                   {at: silent, leads: true, address: silent, why: "i/o timeout"},
		"another broker's address": {at: "bootstrap", leads: true, why: "which broker 0 advertises as well"},
		"it leads nothing of ours": {at: refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, all := brokers(t, 3)
			cfg := testConfig(c)
			cfg.Brokers = cfg.Brokers[:1]
			if test.at == "bootstrap" {
				test.at, test.address = cfg.Brokers[0], cfg.Brokers[0]
			}
			if !test.leads {
				for _, name := range []string{"logs", "logs.dlq"} {
					if err := c.MoveTopicPartition(name, 2, 1); err != nil {
						t.Fatal(err)
					}
				}
			}
			all[2].As(test.at)
			begun := time.Now()
			lost, err := CheckLeaders(t.Context(), cfg, Use{Receive: true}, nil)
			if took := time.Since(begun); took > 2*leaderWait {
				t.Errorf("it took %s, expected at most %s", took, 2*leaderWait)
			}
			if err != nil {
				t.Fatal(err)
			}
			if test.why == "" {
				if lost != nil {
					t.Errorf("got %q, expected none", lost)
				}
				return
			}
			if len(lost) != 1 {
				t.Fatalf("got %q, expected one broker", lost)
			}
			for _, want := range []string{"broker 2, which leads partition 2 of topic logs and partition 2 of topic logs.dlq", test.address, test.why} {
				if !strings.Contains(lost[0], want) {
					t.Errorf("got %q, expected %q in it", lost[0], want)
				}
			}
		})
	}
}

// A partition without a leader is named; the leaders of the others are still asked.
func TestCheckLeaders_noTopic(t *testing.T) {
	t.Parallel()
	c := broker(t)
	if lost, err := CheckLeaders(t.Context(), testConfig(c), Use{Receive: true, Group: "job"}, nil); err != nil || lost != nil {
		t.Errorf("topics that are missing have no leaders: got %q %v; expected none and no error", lost, err)
	}
	gone := broker(t)
	cfg := testConfig(gone)
	gone.Close()
	if _, err := CheckLeaders(t.Context(), cfg, Use{}, nil); err == nil || !strings.Contains(err.Error(), cfg.Brokers[0]) {
		t.Errorf("got %v, expected an error with %s", err, cfg.Brokers[0])
	}
}

func TestFormatPartitions(t *testing.T) {
	t.Parallel()
	for want, ps := range map[string][]int32{
		"partition 7": {7}, "partitions 0-3, 5, 7-8": {0, 1, 2, 3, 5, 7, 8}, "partitions 1, 3": {1, 3},
	} {
		if got := formatPartitions(ps); got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
}

// A timeout names the broker that could not be connected to, until a connection to it succeeds.
func TestDials_timeoutNamesTheBroker(t *testing.T) {
	t.Parallel()
	c, all := brokers(t, 2)
	all[1].As("kafka-1.invalid:9092")
	cfg := testConfig(c)
	cfg.Brokers = cfg.Brokers[:1]
	cfg.AckTimeout = 500 * time.Millisecond
	cfg.KeyHeader = "key"
	p, _ := producer(t, cfg)
	produce := func() error { // to both partitions
		b := p.NewBatch(10)
		for i := range byte(10) {
			b.Add([]byte("x"))
			b.Header([]byte("key"), []byte{'0' + i})
		}
		return p.Produce(t.Context(), b, nil, nil)
	}
	if err := produce(); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, expected a timeout", err)
	}
	eventually(t, "the error names host and reason", func() bool {
		err := produce()
		return errors.Is(err, context.DeadlineExceeded) && strings.Contains(err.Error(), "kafka-1.invalid:9092") && strings.Contains(err.Error(), "lookup kafka-1.invalid")
	})
	all[1].As("")
	eventually(t, "it is produced again", func() bool { return produce() == nil })
	if err := p.dials.explain(context.DeadlineExceeded); strings.Contains(err.Error(), "127.0.0.1") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v; expected an error without %q that is %v", err, "127.0.0.1", context.DeadlineExceeded)
	}
}

func TestUse_topics(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	if got := (Use{Group: "job"}).topics(cfg); !slices.Equal(got, []string{"logs"}) {
		t.Errorf("a loader's topics are %q, expected %v", got, []string{"logs"})
	}
	if got := (Use{Receive: true, Group: "job"}).topics(cfg); !slices.Equal(got, []string{"logs", "logs.dlq"}) {
		t.Errorf("a receiver's topics are %q, expected %v", got, []string{"logs", "logs.dlq"})
	}
}

// A broker that denies leading its partitions is named only after a second attempt, because leaders may be elected
// anytime.
func TestCheckLeaders_notLeader(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 3, nil)
	once := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "logs", Partitions: []int32{1}, Err: kerr.NotLeaderForPartition, Count: 1})
	if lost, err := CheckLeaders(t.Context(), testConfig(c), Use{}, nil); err != nil || lost != nil {
		t.Errorf("after an election: got %q %v, expected none", lost, err)
	}
	if once.Hits() != 1 {
		t.Errorf("it was asked %d times, expected 1", once.Hits())
	}
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "logs", Partitions: []int32{1}, Err: kerr.NotLeaderForPartition, Count: -1})
	lost, err := CheckLeaders(t.Context(), testConfig(c), Use{}, nil)
	if err != nil || len(lost) != 1 || !strings.Contains(lost[0], "broker 0, which leads partitions 0-2 of topic logs") || !strings.Contains(lost[0], "it replies that it does not lead them") {
		t.Errorf("got %q %v; expected 1 text that contains %q and %q, and no error", lost, err, "broker 0, which leads partitions 0-2 of topic logs", "it replies that it does not lead them")
	}
}
