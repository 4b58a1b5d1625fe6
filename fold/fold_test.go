package fold

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/fold/aggregate"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/row"
)

// windows returns a fold of a program that counts each record in three windows: at its Index, which is the number of
// the current window.
func windows(t *testing.T) *Fold {
	t.Helper()
	raw, err := format.New("raw", "")
	if err != nil {
		t.Fatal(err)
	}
	tables := []row.Table{{Name: "t", Keys: 1, Grouped: true, Columns: []row.Column{
		{Name: "w", Kind: row.Int, Merge: row.Key}, {Name: "n", Kind: row.Int, Merge: row.Add}, {Name: "bytes", Kind: row.Int, Merge: row.Add},
	}}}
	window := int64(0)
	parser, slots := raw.NewParser()
	return New(Config{
		Tables: func() *[]row.Table { return &tables },
		Parser: parser,
		Slots:  slots,
		Statements: []Statement{{
			Table: "t",
			Rows: func(e *Env, row func()) {
				for window = range 3 {
					row()
				}
			},
			Keys: []Column{{Name: "w", Kind: value.KindInt, Eval: func(*Env) value.Value { return value.Int(window) }}},
			Cells: []Column{
				{Name: "n", Aggregate: aggregate.Count},
				{Name: "bytes", Aggregate: aggregate.Sum, Kind: value.KindInt, Eval: func(e *Env) value.Value {
					if window == 1 && string(e.Body) == "bad" {
						return e.Fail("bytes: not in window %d", window)
					}
					return value.Int(int64(len(e.Body)))
				}},
			},
		}},
		DeadLetterMaxBytes: 100,
	})
}

// A statement makes several rows of one record. If the second row of a record fails, the record adds no row (P22).
func TestP22_severalRowsOfARecord(t *testing.T) {
	t.Parallel()
	f := windows(t)
	var tally batch.Tally
	records := []batch.Record{{Offset: 0, Value: []byte("a")}, {Offset: 1, Value: []byte("bad")}, {Offset: 2, Value: []byte("bb")}}
	f.Add(checkpoint.Partition{Topic: "t"}, records, &tally)
	if tally.Counted != 2 || len(tally.Dead) != 1 || tally.Dead[0].Offset != 1 || tally.Dead[0].Reason != "bytes: not in window 1" {
		t.Errorf("got %+v; expected 2 counted and 1 dead letter, at offset 1, with the reason %q", tally, "bytes: not in window 1")
	}
	rows := f.Take().Tables[0]
	got := map[uint64][2]uint64{}
	for i := range rows.Len() {
		key, _ := row.KeyNumber(rows.Key(i))
		got[key.Lo] = [2]uint64{rows.Cells(i)[0].Lo, rows.Cells(i)[1].Lo}
	}
	if diff := cmp.Diff(map[uint64][2]uint64{0: {2, 3}, 1: {2, 3}, 2: {2, 3}}, got); diff != "" {
		t.Errorf("rows (-expected +got):\n%s", diff)
	}
}

// A record that makes too many rows is a dead letter, and the memory of its rows is released.
func TestFold_tooManyRows(t *testing.T) {
	t.Parallel()
	f := windows(t)
	n := 0
	f.config.Statements[0].Rows = func(e *Env, row func()) {
		for n = 0; n < int(e.Record.Offset) && e.Reason == ""; n++ {
			row()
		}
	}
	var tally batch.Tally
	f.Add(checkpoint.Partition{}, []batch.Record{{Offset: maxMadeRows, Value: []byte("a")}, {Offset: maxMadeRows + 1, Value: []byte("a")}, {Offset: 2, Value: []byte("a")}}, &tally)
	if tally.Counted != 2 || len(tally.Dead) != 1 || tally.Dead[0].Offset != maxMadeRows+1 {
		t.Errorf("got %d counted and %d dead letters, expected that only the record of %d rows is dead", tally.Counted, len(tally.Dead), maxMadeRows+1)
	}
	if c := cap(f.pending); c > manyRows {
		t.Errorf("the fold keeps memory for %d rows, expected at most %d", c, manyRows)
	}
}

// Several rows of a record cause no allocation either.
func TestFold_severalRowsAllocateNothing(t *testing.T) {
	f := windows(t)
	var tally batch.Tally
	records := []batch.Record{{Value: []byte("a")}}
	f.Add(checkpoint.Partition{}, records, &tally)
	if n := testing.AllocsPerRun(100, func() { f.Add(checkpoint.Partition{}, records, &tally) }); n != 0 {
		t.Errorf("got %g allocations, expected none", n)
	}
}

// Functions see the topic ID of a record's partition, as the last Restore gave it; a partition that was not restored, as
// in a dry run, has none. It is what a Latest cell is made of, beside partition, offset and time.
func TestEnv_topicID(t *testing.T) {
	t.Parallel()
	f := windows(t)
	var got []checkpoint.TopicID
	f.config.Open = func(e *Env) error { got = append(got, e.TopicID); return nil }
	at := func(id int32, topic byte) (c checkpoint.Checkpoint) {
		c.Partition, c.TopicID = checkpoint.Partition{Topic: "t", ID: id}, checkpoint.TopicID{topic}
		return c
	}
	add := func(id int32) {
		f.Add(checkpoint.Partition{Topic: "t", ID: id}, []batch.Record{{Value: []byte("a")}, {Value: []byte("b")}}, &batch.Tally{})
	}
	restore := func(checkpoints ...checkpoint.Checkpoint) {
		t.Helper()
		if err := f.Restore(t.Context(), checkpoints, nil); err != nil {
			t.Fatal(err)
		}
	}
	add(0)
	restore(at(0, 7), at(1, 7))
	add(1)
	restore(at(0, 9))
	add(0)
	add(1)
	if diff := cmp.Diff([]checkpoint.TopicID{{}, {}, {7}, {7}, {9}, {9}, {}, {}}, got); diff != "" {
		t.Errorf("topic IDs (-expected +got):\n%s", diff)
	}
}
