package query

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/row"
)

// plansOf compiles a query for two topics.
func plansOf(t *testing.T, text, formatA, formatB string) []TopicPlan {
	t.Helper()
	plans := []TopicPlan{{Topic: "a"}, {Topic: "b"}}
	for i, format := range []string{formatA, formatB} {
		o := DefaultOptions()
		o.Format = format
		var err error
		if plans[i].Plan, err = Compile(text, o); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
	}
	return plans
}

// Two formats give the columns of one table different lengths and nullability: the table holds the values of both.
func TestUnite(t *testing.T) {
	t.Parallel()
	const text = "INSERT INTO hits SELECT host, COUNT(*) AS hits FROM events GROUP BY host"
	plans := plansOf(t, text, "combined", "json")
	before := plans[0].Plan.Tables()[0]
	if before.Columns[0].Nullable || !plans[1].Plan.Tables()[0].Columns[0].Nullable {
		t.Fatal("expected that only one format has NULL, so that the test shows something")
	}
	if err := Unite(plans); err != nil {
		t.Fatal(err)
	}
	for _, p := range plans {
		got := p.Plan.Tables()[0]
		if c := got.Columns[0]; !c.Nullable {
			t.Errorf("topic %s: got %+v", p.Topic, c)
		}
		// Rows have the keys of the united table.
		f := p.Plan.NewFold()
		at := checkpoint.Partition{Topic: p.Topic}
		if err := f.Restore(t.Context(), []checkpoint.Checkpoint{{Range: checkpoint.Range{Partition: at}}}, nil); err != nil {
			t.Fatal(err)
		}
		line := map[string]string{"a": `h - - [28/Nov/2026:10:00:03 +0000] "GET / HTTP/1.1" 200 5 "-" "c"`, "b": `{"host":"h"}`}[p.Topic]
		var tally batch.Tally
		f.Add(at, []batch.Record{{Value: []byte(line)}}, &tally)
		delta := f.Take()
		if tally.Counted != 1 || delta.Tables[0].Len() != 1 {
			t.Fatalf("topic %s: %+v", p.Topic, tally)
		}
		want := row.AppendNotNullKey([]byte("h\x00\x00"))
		if key := delta.Tables[0].Key(0); !bytes.Equal(key, want) {
			t.Errorf("topic %s: got the key %x, expected %x", p.Topic, key, want)
		}
	}
}

func TestUnite_errors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, a, b, want string }{
		{
			"INSERT INTO t SELECT status, COUNT(*) AS n FROM events GROUP BY status", "combined", "json",
			"the format of topic b gives the tables other columns than those of the topics before it, whose statements are earlier ones here: statement 1: column status of t holds values of another kind in an earlier statement: convert one with CAST",
		},
		{
			"REPLACE INTO t SELECT word, _key AS k FROM events GROUP BY word", "words", "words",
			"REPLACE INTO t reads several topics, but which record of a key is the first or the last is known within one topic only: use FIRST(x)",
		},
		{
			"INSERT IGNORE INTO t SELECT word, _key AS k FROM events GROUP BY word", "words", "words",
			"INSERT IGNORE INTO t reads several topics, ",
		},
	} {
		plans := plansOf(t, c.text, c.a, c.b)
		was := plans[0].Plan.Tables()[0]
		if err := Unite(plans); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, expected %q", c.text, err, c.want)
		}
		if is := plans[0].Plan.Tables()[0]; is.Columns[0] != was.Columns[0] {
			t.Errorf("%s: an error changed the table", c.text)
		}
	}
}

// FIRST, LAST, MIN_BY and MAX_BY choose by time and then by the topic's ID, so that several topics may write one table.
func TestUnite_chosen(t *testing.T) {
	t.Parallel()
	plans := plansOf(t, "INSERT INTO t SELECT word, LAST(_topic) AS last, MIN_BY(_topic, _offset) AS lowest FROM events GROUP BY word", "words", "words")
	if err := Unite(plans); err != nil {
		t.Fatal(err)
	}
}

// Each plan knows the low-water mark by itself. A table has windows only if every plan makes them.
func TestUnite_windows(t *testing.T) {
	t.Parallel()
	const text = "INSERT INTO t SELECT TUMBLE(_timestamp, INTERVAL 1 HOUR) AS hour, COUNT(*) AS n FROM events GROUP BY hour"
	plans := plansOf(t, text, "json", "combined")
	if err := Unite(plans); err != nil {
		t.Fatal(err)
	}
	a, b := plans[0].Plan.Tables()[0].Window, plans[1].Plan.Tables()[0].Window
	if a == nil || b == nil || a == b {
		t.Errorf("got the windows %p and %p, expected two", a, b)
	}
	plans = plansOf(t, text, "json", "json")
	plans[1] = plansOf(t, "INSERT INTO t SELECT CAST(at AS DATETIME) AS hour, COUNT(*) AS n FROM events GROUP BY hour", "json", "json")[0]
	if err := Unite(plans); err != nil {
		t.Fatal(err)
	}
	for _, p := range plans {
		if w := p.Plan.Tables()[0].Window; w != nil {
			t.Errorf("topic %s: got the window %+v, expected none", p.Topic, w)
		}
	}
}
