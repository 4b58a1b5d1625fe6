package query

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/row"
)

// INSERT IGNORE keeps the items of the first record, and has one hidden column for its position, unless there is nothing
// but the key.
func TestIgnore_columns(t *testing.T) {
	t.Parallel()
	p := plan(t, "combined", "INSERT IGNORE INTO t SELECT host, agent, bytes, _timestamp AS at FROM events GROUP BY host")
	want(t, columnsOf(t, p), "host key", "agent value of the first record", "bytes value of the first record", "at value of the first record", "[etl__first position of the first record]")
	for _, c := range p.Tables()[0].Columns {
		if nullable := c.Name == "bytes" || c.Name == "at"; c.Nullable != nullable {
			t.Errorf("column %s: nullable is %v, expected %v", c.Name, c.Nullable, nullable)
		}
	}
	if _, hashed := p.Fingerprint(); !strings.Contains(hashed, "insert ignore into t") {
		t.Errorf("got the fingerprint of %q, expected one of INSERT IGNORE", hashed)
	}
	want(t, columnsOf(t, plan(t, "combined", "INSERT IGNORE INTO t SELECT host, status FROM events GROUP BY host, status")), "host key", "status key")
}

// A batch has a row for each partition of a group, with the values of the partition's first record, NULLs too, and its
// position.
func TestIgnore_fold(t *testing.T) {
	t.Parallel()
	f := plan(t, "json", "INSERT IGNORE INTO t SELECT COALESCE(k, '') AS k, v FROM events GROUP BY k").NewFold()
	add := restoreTwo(t, f)
	add(0, 10, `{"k":"a","v":"1"}`, `{"k":"b"}`, `{"k":"a","v":"3"}`)
	add(1, 20, "{\"k\":\"a\",\"v\":\"4\"}\n{\"k\":\"a\",\"v\":\"5\"}") // two lines
	add(0, 13, `{"k":"b","v":"6"}`, `{"k":"a"}`)
	rows := f.Take().Tables[0]
	var got []string
	for _, i := range rows.Sorted() {
		cells := rows.Cells(i)
		value := "NULL"
		if cells[0].Set {
			value = string(rows.Bytes(&cells[0]))
		}
		key, _ := row.KeyBytes(nil, rows.Key(i))
		got = append(got, fmt.Sprintf("%s %s %x", key, value, rows.Bytes(&cells[1])))
	}
	want(t, got, "a 1 "+positionState(0, 10, 90), "a 4 "+positionState(1, 20, 80), "b NULL "+positionState(0, 11, 89))
}

// A dry run prints the values of the first line of each group.
func TestIgnore_dryRun(t *testing.T) {
	t.Parallel()
	log := line(200, "-") + "\n" + line(404, "5") + "\n" + line(200, "7") + "\n" + line(404, "-") + "\n"
	rows, _ := dryRun(t, plan(t, "combined", "INSERT IGNORE INTO t SELECT status, bytes FROM events GROUP BY status"), []byte(log))
	if diff := cmp.Diff([]string{"200 NULL", "404 5"}, rows); diff != "" {
		t.Errorf("(-expected +got):\n%s", diff)
	}
	rows, _ = dryRun(t, plan(t, "combined", "INSERT IGNORE INTO t SELECT status FROM events GROUP BY status"), []byte(log))
	want(t, rows, "200", "404")
}

// What a record adds to a group that exists allocates nothing.
func TestIgnore_allocatesNothing(t *testing.T) {
	f := plan(t, "combined", "INSERT IGNORE INTO t SELECT host, status, agent FROM events GROUP BY host").NewFold()
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
