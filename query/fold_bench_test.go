package query

import (
	"bytes"
	"regexp"
	"strconv"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/accesslog"
	"github.com/sluice-etl/sluice/row"
)

const benchLines = 5000

// benchLog returns lines of the combined format, one record each.
func benchLog() (records []batch.Record, bytes int64) {
	rng := accesslog.New(42)
	for n := range benchLines {
		line := accesslog.Append(nil, rng, n)
		bytes += int64(len(line))
		records = append(records, batch.Record{Offset: int64(n), Value: line})
	}
	return records, bytes
}

var benchRegexp = regexp.MustCompile(`^(\S+) (\S+) (\S+) \[([^]]+)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"`)

// countByRegexp counts in the usual simple way: with a regular expression and a map.
func countByRegexp(records []batch.Record) map[string]int64 {
	counts := map[string]int64{}
	for i := range records {
		line := records[i].Value
		m := benchRegexp.FindSubmatchIndex(line)
		if m == nil {
			continue
		}
		counts[string(line[m[12]:m[13]])]++
	}
	return counts
}

// BenchmarkCount parses lines of the combined format and counts them by status: with the query, with a regular
// expression and a map, and, as an upper bound, by reading every byte once.
func BenchmarkCount(b *testing.B) {
	records, size := benchLog()
	want := countByRegexp(records)
	perLine := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchLines, "ns/line")
	}
	for _, q := range []struct{ name, text string }{
		{"query", "INSERT INTO hits SELECT status, COUNT(*) AS hits FROM events GROUP BY status"},
		{"query-minute-bytes", "INSERT INTO hits SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, status, COUNT(*) AS hits, SUM(bytes) AS bytes FROM events WHERE method = 'GET' AND path NOT LIKE '/static/%' GROUP BY minute, status"},
		{"query-path", "INSERT INTO hits SELECT LEFT(path, 200) AS path, COUNT(*) AS hits FROM events GROUP BY path"},
	} {
		b.Run(q.name, func(b *testing.B) {
			o := DefaultOptions()
			o.Format = "combined"
			p, err := Compile(q.text, o)
			if err != nil {
				b.Fatal(err)
			}
			f := p.NewFold()
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				var tally batch.Tally
				f.Add(checkpoint.Partition{Topic: "t"}, records, &tally)
				if tally.Counted+tally.Filtered != benchLines {
					b.Fatalf("got fates %+v, expected %v counted or filtered", tally, benchLines)
				}
			}
			perLine(b)
			if q.name != "query" {
				return
			}
			rows := f.Take().Tables[0]
			if rows.Len() != len(want) {
				b.Fatalf("%d groups, expected %d", rows.Len(), len(want))
			}
			// The fold has counted the same lines in every round.
			var total int64
			for i := range rows.Len() {
				n, _ := rows.Cells(i)[0].Int64()
				total += n
			}
			for i := range rows.Len() {
				status, _ := row.KeyNumber(rows.Key(i))
				n, _ := rows.Cells(i)[0].Int64()
				rounds := total / benchLines
				if n != rounds*want[strconv.FormatUint(status.Lo, 10)] {
					b.Fatalf("status %d: %d in %d rounds, expected %d each", status.Lo, n, rounds, want[strconv.FormatUint(status.Lo, 10)])
				}
			}
		})
	}
	b.Run("regexp", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			if got := countByRegexp(records); len(got) != len(want) {
				b.Fatalf("got %v, expected %v elements", got, len(want))
			}
		}
		perLine(b)
	})
	b.Run("ceiling", func(b *testing.B) {
		b.SetBytes(size)
		lines := 0
		for b.Loop() {
			lines = 0
			for i := range records {
				if bytes.IndexByte(records[i].Value, '\n') < 0 {
					lines++
				}
			}
		}
		if lines != benchLines {
			b.Fatalf("got %v, expected %v", lines, benchLines)
		}
		perLine(b)
	})
}
