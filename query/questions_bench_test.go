package query

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/valyala/fastjson"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/row"
)

// parsedLine is what the loops of BenchmarkQuestions read of a line in the format combined.
type parsedLine struct {
	host, method, path []byte
	status             int
	bytes              int64 // -1 for NULL
}

// parse parses a line as a loop by hand would. It allocates nothing.
func (p *parsedLine) parse(line []byte) bool {
	at := 0
	field := func(end byte) []byte {
		n := bytes.IndexByte(line[at:], end)
		if n < 0 {
			return nil
		}
		f := line[at : at+n]
		at += n + 1
		return f
	}
	p.host = field(' ')
	for _, end := range []byte{' ', '[', ']', '"'} { // identity, user, time
		if field(end) == nil {
			return false
		}
	}
	p.method, p.path = field(' '), field(' ')
	if field('"') == nil || field(' ') == nil { // protocol
		return false
	}
	status, size := field(' '), field(' ')
	for range 4 { // referer, agent
		if field('"') == nil {
			return false
		}
	}
	p.status, p.bytes = 0, -1
	for _, c := range status {
		p.status = 10*p.status + int(c-'0')
	}
	if !bytes.Equal(size, []byte("-")) {
		p.bytes = 0
		for _, c := range size {
			p.bytes = 10*p.bytes + int64(c-'0')
		}
	}
	return size != nil
}

// questionLines returns well-formed lines in the format combined, and the same number of lines of JSON.
func questionLines(b *testing.B) (combined, objects []batch.Record) {
	b.Helper()
	all, _ := benchLog()
	wellFormed := regexp.MustCompile(`^\S+ - \S+ \[[^]]+\] "[A-Z]+ [^" \\]+ HTTP/[0-9.]+" \d+ (\d+|-) "[^"\\]*" "[^"\\]*"$`)
	for _, r := range all {
		if wellFormed.Match(r.Value) {
			n := len(combined)
			combined = append(combined, r)
			objects = append(objects, batch.Record{Offset: int64(n), Value: fmt.Appendf(nil,
				`{"ts":"2026-11-28T10:00:%02dZ","service":"service-%d","level":%q,"ms":%d,"message":"request %d took longer than expected"}`,
				n%60, n*n%11, []string{"info", "info", "info", "warn", "error"}[n%5], n*7919%30000, n)})
		}
	}
	if len(combined) < benchLines/2 {
		b.Fatalf("%d lines are well-formed, expected most of %d", len(combined), benchLines)
	}
	return combined, objects
}

// counted returns the counts of texts as rows.
func counted(counts map[string]*int64) (lines []string) {
	for key, n := range counts {
		lines = append(lines, fmt.Sprintf("%s %d", key, *n))
	}
	slices.Sort(lines)
	return lines
}

// addOne adds 1 to the count of a key, and allocates only for a new one.
func addOne(counts map[string]*int64, key []byte) {
	n := counts[string(key)]
	if n == nil {
		n = new(int64)
		counts[string(key)] = n
	}
	*n++
}

// BenchmarkQuestions answers questions of log sites with a query, and with a loop in Go that parses the same lines and
// knows only this question. Both give the same rows, which is checked first.
func BenchmarkQuestions(b *testing.B) {
	combined, objects := questionLines(b)
	eachLine := func(do func(p *parsedLine)) {
		var p parsedLine
		for i := range combined {
			if p.parse(combined[i].Value) {
				do(&p)
			}
		}
	}
	for _, q := range []struct {
		name, format, text string
		loop               func() (rows func() []string)
	}{
		{"filter", "combined", "SELECT COUNT(*) AS n FROM events WHERE status >= 400 AND path LIKE '/static/%'", func() func() []string {
			n := 0
			eachLine(func(p *parsedLine) {
				if p.status >= 400 && bytes.HasPrefix(p.path, []byte("/static/")) {
					n++
				}
			})
			return func() []string { return []string{fmt.Sprint(n)} }
		}},
		{"two-keys", "combined", "SELECT method, status, COUNT(*) AS n FROM events GROUP BY method, status", func() func() []string {
			counts := map[string]*int64{}
			var key []byte
			eachLine(func(p *parsedLine) {
				key = append(append(key[:0], p.method...), ' ', byte('0'+p.status/100), byte('0'+p.status/10%10), byte('0'+p.status%10))
				addOne(counts, key)
			})
			return func() []string { return counted(counts) }
		}},
		{"json", "json", "SELECT service, level, COUNT(*) AS n FROM events WHERE service IS NOT NULL AND level IS NOT NULL GROUP BY service, level", func() func() []string {
			counts := map[string]*int64{}
			var parser fastjson.Parser
			var key []byte
			for i := range objects {
				v, err := parser.ParseBytes(objects[i].Value)
				if err != nil {
					continue
				}
				key = append(append(append(key[:0], v.GetStringBytes("service")...), ' '), v.GetStringBytes("level")...)
				addOne(counts, key)
			}
			return func() []string { return counted(counts) }
		}},
		{"regexp", "combined", "SELECT COUNT(*) AS n FROM events WHERE path REGEXP '^/[a-z]+/[a-z0-9]+[.](css|js|png)'", func() func() []string {
			n := 0
			eachLine(func(p *parsedLine) {
				if questionRegexp.Match(p.path) {
					n++
				}
			})
			return func() []string { return []string{fmt.Sprint(n)} }
		}},
		{"percentile", "combined", "SELECT status, APPROX_PERCENTILE(bytes, 0.95) AS p95 FROM events WHERE bytes IS NOT NULL GROUP BY status", func() func() []string {
			buckets := map[int]map[int32]int64{}
			eachLine(func(p *parsedLine) {
				if p.bytes < 0 {
					return
				}
				of := buckets[p.status]
				if of == nil {
					of = map[int32]int64{}
					buckets[p.status] = of
				}
				of[row.BucketOf(float64(p.bytes))]++
			})
			return func() (lines []string) {
				for status, of := range buckets {
					lines = append(lines, fmt.Sprintf("%d %v", status, percentile95(of)))
				}
				slices.Sort(lines)
				return lines
			}
		}},
		{"distinct", "combined", "SELECT status, COUNT(DISTINCT host) AS hosts FROM events GROUP BY status", func() func() []string {
			hosts := map[int]map[string]struct{}{}
			eachLine(func(p *parsedLine) {
				of := hosts[p.status]
				if of == nil {
					of = map[string]struct{}{}
					hosts[p.status] = of
				}
				if _, ok := of[string(p.host)]; !ok {
					of[string(p.host)] = struct{}{}
				}
			})
			return func() (lines []string) {
				for status, of := range hosts {
					lines = append(lines, fmt.Sprintf("%d %d", status, len(of)))
				}
				slices.Sort(lines)
				return lines
			}
		}},
		{"top-paths", "combined", "SELECT LEFT(path, 200) AS page, COUNT(*) AS n FROM events GROUP BY page", func() func() []string {
			counts := map[string]*int64{}
			eachLine(func(p *parsedLine) { addOne(counts, p.path) })
			return func() []string { return counted(counts) }
		}},
	} {
		records := combined
		if q.format == "json" {
			records = objects
		}
		perLine := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(records)), "ns/line")
		}
		f := plan(b, q.format, "INSERT INTO t "+q.text).NewFold()
		var tally batch.Tally
		f.Add(part, records, &tally)
		folded := f.Take().Tables[0]
		folded.DeriveFolded()
		rows := shownRows(folded)
		slices.Sort(rows)
		if diff := gocmp.Diff(q.loop()(), rows); diff != "" || len(rows) == 0 || rows[0] == "0" || len(tally.Dead) > 0 {
			b.Fatalf("%s: %d dead letters; the loop (-) and the query (+):\n%s", q.name, len(tally.Dead), diff)
		}
		b.Run(q.name+"/query", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var tally batch.Tally
				f.Add(part, records, &tally)
				if tally.Counted+tally.Filtered != int64(len(records)) {
					b.Fatalf("got fates %+v, expected %d counted or filtered", tally, len(records))
				}
				f.Take()
			}
			perLine(b)
		})
		b.Run(q.name+"/loop", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				q.loop()
			}
			perLine(b)
		})
	}
}

var questionRegexp = regexp.MustCompile(`^/[a-z]+/[a-z0-9]+[.](css|js|png)`)

// percentile95 returns the middle of the bucket of the smallest value that 95 % do not exceed.
func percentile95(buckets map[int32]int64) float64 {
	order := slices.SortedFunc(maps.Keys(buckets), cmp.Compare[int32])
	total := int64(0)
	for _, n := range buckets {
		total += n
	}
	rank := max((95*total+99)/100, 1)
	for _, at := range order {
		if rank -= buckets[at]; rank <= 0 {
			if at == 0 {
				return 0
			}
			return math.Float64frombits(uint64(at-1)<<46 | 1<<45) // the numbers are not negative
		}
	}
	return math.NaN()
}
