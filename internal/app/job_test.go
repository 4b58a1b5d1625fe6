package app

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// The job's name is the consumer group's name: two jobs in one group would each count only some of the records, and the
// audit of each would balance.
func TestP1_TheGroupIsTheJob(t *testing.T) {
	t.Parallel()
	k, server := broker(t), mariadbtest.Start(t)
	for _, job := range []string{"one", "two"} {
		cfg := config(t, k.ListenAddrs()[0], server.DSN(server.Database(t)))
		cfg.Sink.Job = job
		start(t, cfg)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	var groups []string
	await(t, "each job has a group", func() bool {
		listed, err := admin.ListGroups(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		groups = listed.Groups()
		return len(groups) == 2
	})
	slices.Sort(groups)
	if !slices.Equal(groups, []string{"one", "two"}) {
		t.Fatalf("groups are %v, expected the jobs' names", groups)
	}
	await(t, "each group has all partitions", func() bool {
		described, err := admin.DescribeGroups(t.Context(), groups...)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range described.Sorted() {
			if len(g.AssignedPartitions()[cfgTopic(t)]) != 3 {
				return false
			}
		}
		return true
	})
}

func cfgTopic(t *testing.T) string { return config(t, "", "").Kafka.Topic }
