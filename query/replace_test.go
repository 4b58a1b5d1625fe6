package query

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/row"
)

// REPLACE keeps the items of the last record beside aggregates, and has one hidden column for its position.
func TestReplace_columns(t *testing.T) {
	t.Parallel()
	p := plan(t, "combined", "REPLACE INTO t SELECT host, COUNT(*) AS n, agent, bytes, SUM(bytes) / COUNT(*) AS mean, _timestamp AS at FROM events GROUP BY host")
	want := []string{
		"host key", "n total", "agent value of the last record", "bytes value of the last record", "at value of the last record",
		"[etl__last position of the last record]", "[mean__1 total]",
		"mean(4) = ROUND((CAST(`mean__1` AS DECIMAL(65,9)) / NULLIF(CAST(`n` AS DECIMAL(65,0)), 0)), 4)",
	}
	if diff := cmp.Diff(want, columnsOf(t, p)); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
	for _, c := range p.Tables()[0].Columns {
		if nullable := slices.Contains([]string{"bytes", "at", "mean__1"}, c.Name); c.Nullable != nullable {
			t.Errorf("column %s: nullable is %v, expected %v", c.Name, c.Nullable, nullable)
		}
	}
}

// INSERT and REPLACE of the same SELECT are different queries.
func TestReplace_fingerprint(t *testing.T) {
	t.Parallel()
	const text = " INTO t SELECT host, MAX(status) AS status, path FROM events GROUP BY host"
	p := plan(t, "combined", "REPLACE"+text)
	if _, hashed := p.Fingerprint(); !strings.Contains(hashed, "replace into t") {
		t.Errorf("got the fingerprint of %q, expected one of REPLACE", hashed)
	}
}

// A batch has a row for each partition of a group, with the values of the partition's last record and its position. A
// NULL replaces a value.
func TestReplace_fold(t *testing.T) {
	t.Parallel()
	f := plan(t, "json", "REPLACE INTO t SELECT COALESCE(k, '') AS k, v, COUNT(*) AS n FROM events GROUP BY k").NewFold()
	add := restoreTwo(t, f)
	add(0, 10, `{"k":"a","v":"1"}`, `{"k":"b","v":"2"}`, `{"k":"a","v":"3"}`)
	add(1, 20, `{"k":"a","v":"4"}`)
	add(0, 13, `{"k":"b"}`, "{\"k\":\"a\",\"v\":\"5\"}\n{\"k\":\"a\",\"v\":\"6\"}") // two lines
	rows := f.Take().Tables[0]
	var got []string
	for _, i := range rows.Sorted() {
		cells := rows.Cells(i)
		value := "NULL"
		if cells[0].Set {
			value = string(rows.Bytes(&cells[0]))
		}
		key, _ := row.KeyBytes(nil, rows.Key(i))
		got = append(got, fmt.Sprintf("%s %s %d %x", key, value, cells[1].Lo, rows.Bytes(&cells[2])))
	}
	want(t, got, "a 6 4 "+positionState(0, 14, 90), "a 4 1 "+positionState(1, 20, 80), "b NULL 2 "+positionState(0, 13, 89))
}

// restoreTwo restores a fold for partitions 0 and 1, and returns a function that adds records to one of them, from an
// offset on. The timestamp of each is 100 less its offset.
func restoreTwo(t *testing.T, f batch.Fold[row.Delta]) (add func(id int32, from int64, bodies ...string)) {
	t.Helper()
	var at []checkpoint.Checkpoint
	for id := range int32(2) {
		c := checkpoint.Checkpoint{TopicID: foldTopic}
		c.Partition = checkpoint.Partition{Topic: "logs", ID: id}
		at = append(at, c)
	}
	if err := f.Restore(t.Context(), at, nil); err != nil {
		t.Fatal(err)
	}
	return func(id int32, from int64, bodies ...string) {
		t.Helper()
		var records []batch.Record
		for i, b := range bodies {
			records = append(records, batch.Record{Offset: from + int64(i), Timestamp: 100 - from - int64(i), Value: []byte(b)})
		}
		var tally batch.Tally
		if f.Add(at[id].Partition, records, &tally); len(tally.Dead) > 0 {
			t.Fatalf("got dead letters %v, expected none", tally.Dead)
		}
	}
}

// foldTopic is the topic of the partitions of restoreTwo.
var foldTopic = checkpoint.TopicID{7}

// positionState returns the state of a record of restoreTwo, in hexadecimal digits.
func positionState(partition int32, offset, time int64) string {
	return fmt.Sprintf("%x", row.AppendPosition(nil, foldTopic, partition, offset, time))
}

// A dry run prints the values of the last line of each group, of all files, without the hidden column.
func TestReplace_dryRun(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	last := map[string]string{}
	var log strings.Builder
	for range 500 {
		host, status := fmt.Sprintf("h%d", rng.IntN(20)), fmt.Sprint(100+rng.IntN(400))
		last[host] = status
		fmt.Fprintf(&log, "%s - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" %s 5 \"-\" \"x\"\n", host, status)
	}
	got, res := dryRun(t, plan(t, "combined", "REPLACE INTO t SELECT host, status FROM events GROUP BY host"), []byte(log.String()))
	var expected []string
	for host, status := range last {
		expected = append(expected, host+" "+status)
	}
	slices.Sort(expected)
	want(t, got, expected...)
	if res.Counted != 500 {
		t.Errorf("got %d records counted, expected 500", res.Counted)
	}
}

// The state of a record is made without allocating.
func TestReplace_allocatesNothing(t *testing.T) {
	f := plan(t, "combined", "REPLACE INTO t SELECT host, status, agent FROM events GROUP BY host").NewFold()
	records := []batch.Record{{Value: []byte(line(200, "5"))}, {Value: []byte(line(404, "7"))}}
	var tally batch.Tally
	add := func() {
		records[0].Offset, records[1].Offset = records[1].Offset+1, records[1].Offset+2
		f.Add(part, records, &tally)
	}
	add()
	if n := testing.AllocsPerRun(100, add); n != 0 || tally.Counted == 0 || len(tally.Dead) > 0 {
		t.Errorf("got %v allocations for two records, %d counted, %d dead; expected none", n, tally.Counted, len(tally.Dead))
	}
}
