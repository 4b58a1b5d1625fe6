package mysqlout

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
)

// topicNamed is a topic of 8 partitions.
func topicNamed(name string) batch.Topic {
	t := topic(8)
	t.Name, t.ID = name, checkpoint.TopicID{name[0]}
	return t
}

// topicsConfig is the configuration of the Sink of one topic of a job that reads several, each with a format of its own.
func topicsConfig(format byte, topic string, others ...string) Config {
	c := testConfig()
	c.Topic, c.Topics, c.QueryHash[31], c.QueryText = topic, append(others, topic), format, "format "+string(format)
	return c
}

// A job reads several topics, and one of them has rows in the table before the first claim of another. These are the job's
// own. The rows of a job that has no checkpoint of any of its topics are not accounted for by anything.
func TestP3_RowsOfAnotherTopicOfTheJob(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), topicsConfig('a', "app", "web"), sqltest.CountsTable())
	if _, err := f.sink.Claim(t.Context(), topicNamed("app"), []int32{0}); err != nil {
		t.Fatal(err)
	}
	f.Exec(t, "INSERT INTO counts (item, n) VALUES ('x', 1)")
	web := f.again(t, topicsConfig('w', "web", "app"))
	if err := web.CheckStart(t.Context(), topicNamed("web")); err != nil {
		t.Errorf("a start is refused: %v", err)
	}
	if _, err := web.Claim(t.Context(), topicNamed("web"), []int32{0, 7}); err != nil {
		t.Fatalf("the second topic is not claimed: %v", err)
	}
	if got := f.Text(t, "SELECT topic, COUNT(*), COUNT(DISTINCT query_hash) FROM etl_checkpoint GROUP BY topic ORDER BY topic"); got != "app 8 1\nweb 8 1" {
		t.Errorf("checkpoints are\n%s", got)
	}
	// A topic that replaces the others: nothing tells which records the rows count.
	one := topicsConfig('w', "new")
	one.Topic, one.Topics = "", nil
	for _, c := range []Config{one, topicsConfig('w', "new", "newer")} {
		if _, err := f.again(t, c).Claim(t.Context(), topicNamed("new"), []int32{0}); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "holds rows") {
			t.Errorf("with the topics %v: error is %v, expected that the table's rows are refused", c.Topics, err)
		}
	}
	// A table that no job has is not one of the other topic.
	f.Exec(t, "DELETE FROM etl_target WHERE table_name = 'counts'")
	if _, err := f.again(t, topicsConfig('n', "new", "app")).Claim(t.Context(), topicNamed("new"), []int32{0}); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "holds rows") {
		t.Errorf("error is %v, expected that the rows of a table of no job are refused", err)
	}
}

// Each topic of a job has the fingerprint of its own format. The error names the difference only if the stored text is that
// of the topic, not of another one with another format.
func TestP2_AnotherFormatOfATopic(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), topicsConfig('a', "app", "web"), sqltest.CountsTable())
	if _, err := f.sink.Claim(t.Context(), topicNamed("app"), []int32{0}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.again(t, topicsConfig('w', "web", "app")).Claim(t.Context(), topicNamed("web"), []int32{0}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"web": "job job has counted by another query: was format w; is format x",
		"app": "job job has counted by another query: the query, the format of topic app, or an option",
	} {
		other := f.again(t, topicsConfig('x', name, "app", "web"))
		if err := other.CheckStart(t.Context(), topicNamed(name)); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, expected %q", name, err, want)
		}
	}
}

// While a swap replaces the job's table, a topic that is added to the job is not claimed: its rows would go to the table
// that is about to be replaced.
func TestSwap_HoldsANewTopic(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), topicsConfig('a', "app", "web"), sqltest.CountsTable())
	if _, err := f.sink.Claim(t.Context(), topicNamed("app"), []int32{0}); err != nil {
		t.Fatal(err)
	}
	web := f.again(t, topicsConfig('w', "web", "app"))
	tx, err := f.Pool.Tx(t.Context(), pool.PriorityHigh)
	if err != nil {
		t.Fatal(err)
	}
	live, err := f.sink.ledger.ReadAllLocking(t.Context(), tx, "app")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.sink.setHash(t.Context(), tx, &Swap{Job: "job", Topic: "app"}, live, swapHash); err != nil {
		t.Fatal(err)
	}
	// A process that reads the new topic alone does not know of the others.
	alone := topicsConfig('w', "new")
	alone.Topic, alone.Topics, alone.Adopt = "", nil, true
	claimed := make(chan error, 2)
	for name, sink := range map[string]*Sink{"web": web, "new": f.again(t, alone)} {
		go func() {
			_, err := sink.Claim(t.Context(), topicNamed(name), []int32{0})
			claimed <- err
		}()
	}
	f.awaitTransactions(t, "the claims wait for the swap", 2*time.Second, "trx_state = 'LOCK WAIT'", "2")
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-claimed; !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "is held") {
			t.Errorf("error is %v, expected that the claim is refused while the job is held", err)
		}
	}
	// The other order: the topic is claimed, and then a swap that does not have its rows is refused.
	f.Exec(t, "UPDATE etl_checkpoint SET query_hash = x'00'")
	if _, err := web.Claim(t.Context(), topicNamed("web"), []int32{0}); err != nil {
		t.Fatal(err)
	}
	if tx, err = f.Pool.Tx(t.Context(), pool.PriorityHigh); err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	err = f.sink.compareTopics(t.Context(), tx, &Swap{Job: "job", Topic: "app"})
	if err == nil || !strings.Contains(err.Error(), "job job has counted topic web too") {
		t.Errorf("error is %v, expected that the swap is refused", err)
	}
}

// A column that is missing is added by a job whose topics have checkpoints of different formats.
func TestEvolve_severalTopics(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t), topicsConfig('a', "app", "web"), sqltest.CountsTable())
	if _, err := f.sink.Claim(t.Context(), topicNamed("app"), []int32{0}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.again(t, topicsConfig('w', "web", "app")).Claim(t.Context(), topicNamed("web"), []int32{0}); err != nil {
		t.Fatal(err)
	}
	for format, ok := range map[byte]bool{'w': true, 'x': false} {
		c := topicsConfig(format, "web", "app")
		_, err := New(c, f.Pool, nil, nil).Evolvable(t.Context(), f.tables)
		if (err == nil) != ok {
			t.Errorf("format %c: error is %v, expected none: %t", format, err, ok)
		}
	}
}
