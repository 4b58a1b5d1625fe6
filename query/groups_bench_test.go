package query

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/row"
)

// BenchmarkGroups counts by a key of few and of many values, all in one batch, with the query and with a map of Go. Each
// key comes at least twice, in no order. The metric times is the cost of a line divided by that with 1,000 groups:
// that of the query should not be more than that of the map.
func BenchmarkGroups(b *testing.B) {
	var base [2]float64
	for _, groups := range []int{1000, 100_000, 1_000_000, 10_000_000} {
		lines := max(2*groups, 2_000_000)
		want := map[string]*int64{}
		measure := func(at int, round func()) func(b *testing.B) {
			return func(b *testing.B) {
				for b.Loop() {
					round()
				}
				cost := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / float64(lines)
				if base[at] == 0 {
					base[at] = cost
				}
				b.ReportMetric(cost, "ns/line")
				b.ReportMetric(cost/base[at], "times")
			}
		}
		b.Run(fmt.Sprintf("%d/map", groups), measure(1, func() {
			want = map[string]*int64{}
			eachKey(groups, lines, func(records []batch.Record) {
				for i := range records {
					addOne(want, records[i].Value)
				}
			})
		}))
		f := plan(b, "raw", "INSERT INTO t SELECT LEFT(body, 20) AS k, COUNT(*) AS n FROM events GROUP BY k").NewFold()
		b.Run(fmt.Sprintf("%d/query", groups), measure(0, func() {
			var tally batch.Tally
			eachKey(groups, lines, func(records []batch.Record) { f.Add(part, records, &tally) })
			rows := f.Take().Tables[0]
			if rows.Len() != groups || tally.Counted != int64(lines) {
				b.Fatalf("%d rows of %d records, expected %d of %d", rows.Len(), tally.Counted, groups, lines)
			}
			for i := 0; i < groups; i += groups / 1000 {
				key, _ := row.KeyBytes(nil, rows.Key(i))
				n, _ := rows.Cells(i)[0].Int64()
				if w := want[string(key)]; w == nil || *w != n {
					b.Fatalf("%d lines of key %s, the map has %v", n, key, w)
				}
			}
		}))
	}
}

// eachKey calls do with records whose values are keys, of so many groups, until there were so many lines. The values are
// valid until do returns.
func eachKey(groups, lines int, do func([]batch.Record)) {
	const chunk = 4096
	records, values := make([]batch.Record, 0, chunk), make([]byte, 0, 16*chunk)
	for i := range lines {
		from := len(values)
		values = append(values, "user-"...)
		// A prime that divides no number of groups, so that every key comes once before any comes again.
		values = strconv.AppendInt(values, int64(i)*7_368_787%int64(groups), 10)
		records = append(records, batch.Record{Offset: int64(i), Value: values[from:len(values):len(values)]})
		if len(records) == chunk || i == lines-1 {
			do(records)
			records, values = records[:0], values[:0]
		}
	}
}
