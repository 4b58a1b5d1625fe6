package kafkaio

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/sluice-etl/sluice/checkpoint"
)

func TestP26_topicsAreCreatedAtStart(t *testing.T) {
	t.Parallel()
	c := broker(t)
	cfg := testConfig(c)
	cfg.Partitions = 7
	reports, err := EnsureTopics(t.Context(), cfg, Use{Receive: true}, func(context.Context) (bool, error) { return true, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(reports) != 2 || reports[0].Name != "logs" || reports[1].Name != "logs.dlq" {
		t.Fatalf("reports %+v; expected 2 reports, of %q and %q", reports, "logs", "logs.dlq")
	}
	for _, r := range reports {
		// P25: Kafka sets the time, so that old events are not deleted at once.
		if !r.Created || r.Partitions != 7 || r.TimestampType != "LogAppendTime" || r.ID == (checkpoint.TopicID{}) || r.MaxMessageBytes == 0 {
			t.Errorf("report %+v; expected Created true, Partitions 7, TimestampType %q, ID other than %v and MaxMessageBytes other than 0", r, "LogAppendTime", (checkpoint.TopicID{}))
		}
	}
	asked := false
	again, err := EnsureTopics(t.Context(), cfg, Use{Receive: true}, func(context.Context) (bool, error) { asked = true; return false, nil }, nil)
	if err != nil || asked || again[0].Created || again[0].ID != reports[0].ID {
		t.Errorf("second start: got %+v, %v, asked for checkpoints: %t; expected the existing topic", again, err, asked)
	}
}

func TestP26_topicWithCheckpointsIsNotRecreated(t *testing.T) {
	t.Parallel()
	c := broker(t)
	_, err := EnsureTopics(t.Context(), testConfig(c), Use{Receive: true}, func(context.Context) (bool, error) { return false, nil }, nil)
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "topic logs does not exist") {
		t.Errorf("got %v, expected a refusal", err)
	}
	if c.TopicInfo("logs") != nil {
		t.Error("the topic was created")
	}
}

func TestTopics_warnings(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 2, map[string]string{"unclean.leader.election.enable": "true", "retention.ms": "60000"})
	reports, err := Check(t.Context(), testConfig(c), Use{Receive: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(reports[0].Warnings, "\n")
	for _, want := range []string{"1 replica", "unclean.leader.election.enable", "CreateTime", "retention.ms is 1m0s"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning of %q in:\n%s", want, all)
		}
	}
}

func TestCheck_changesNothing(t *testing.T) {
	t.Parallel()
	c := broker(t)
	reports, err := Check(t.Context(), testConfig(c), Use{Receive: true}, nil)
	if err != nil || !reports[0].Missing || c.TopicInfo("logs") != nil {
		t.Errorf("got %+v, %v; expected topic logs to be reported as missing, not to be created, and no error", reports, err)
	}
}

func TestReachable_failsAtOnce(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Brokers = []string{"127.0.0.1:1"}
	begun := time.Now()
	err := Reachable(t.Context(), cfg, nil)
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v, expected address and reason", err)
	}
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("took %s, expected at most 5s", d)
	}
}

// Brokers without topic IDs are distinguished by their cluster ID.
func TestP4_clusterIDReplacesTopicID(t *testing.T) {
	t.Parallel()
	ids := map[checkpoint.TopicID]bool{}
	for _, name := range []string{"one", "two"} {
		c := broker(t, kfake.MaxVersions(kversion.V2_7_0()), kfake.ClusterID(name))
		makeTopics(t, c, 1, nil)
		fill(t, client(t, c, manual()), 0, 0, 10)
		reports, err := Check(t.Context(), testConfig(c), Use{Receive: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !reports[0].NoTopicIDs || reports[0].ID == (checkpoint.TopicID{}) {
			t.Errorf("report %+v; expected NoTopicIDs true and ID other than %v", reports[0], (checkpoint.TopicID{}))
		}
		ids[reports[0].ID] = true
		o, _ := source(t, testConfig(c)) // and reading works
		wantOffsets(t, o, 10)
	}
	if len(ids) != 2 {
		t.Errorf("ids %v, expected 2 elements", ids)
	}
}

func TestMetrics_names(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	newProduceMetrics(reg)
	m := newConsumeMetrics(reg)
	m.lag.WithLabelValues("3").Set(1)
	m.forget("3")
	n, err := testutil.GatherAndCount(reg, "etl_produce_records_total", "etl_produce_seconds", "etl_produce_dead_records_total", "etl_consume_records_total", "etl_consume_lag_records", "etl_consume_gaps_total")
	if err != nil || n != 10 {
		t.Errorf("%d series, %v; expected 10: the dead letters' six reasons, and no lag of a removed partition", n, err)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) != 0 {
		t.Errorf("%v, %v; expected none and no error", problems, err)
	}
}
