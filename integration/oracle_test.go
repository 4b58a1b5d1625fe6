//go:build integration

package integration

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The query of the fault tests. It has every fate: lines that do not parse are dead, a record that no statement selects is
// filtered, and groups of the first have NULL sums (a 304 has no size). The rows of its REPLACE are read, joined and written
// back by every task.
const (
	faultQuery = `INSERT INTO hits
SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, path, status,
       COUNT(*) AS hits, COUNT(bytes) AS sized, SUM(bytes) AS bytes, MIN(bytes) AS smallest, MAX(bytes) AS largest
FROM events WHERE method = 'GET' GROUP BY minute, path, status;
INSERT INTO hosts SELECT host, COUNT(*) AS requests FROM events WHERE status >= 500 GROUP BY host;
REPLACE INTO pages SELECT path, host, status, bytes, agent, COUNT(*) AS hits FROM events WHERE method = 'GET' GROUP BY path;
`
	selectHits  = "SELECT DATE_FORMAT(minute, '%Y-%m-%d %H:%i'), path, status, hits, sized, bytes, smallest, largest FROM hits"
	selectHosts = "SELECT host, requests FROM hosts"
	selectPages = "SELECT path, host, status, bytes, agent, hits FROM pages"
)

// truth is the topic's content, counted without any product code: a plain read, strings.Split, maps.
type truth struct {
	hits   map[string]*hit
	hosts  map[string]int64
	pages  map[string]*page
	fates  map[int32]fates
	copies [connections]map[int64]int // of each event in the topic
	total  int64
}

type hit struct {
	hits, sized, bytes, smallest, largest int64
}

// page is the records of a path.
type page struct {
	hits int64
	last map[int32]lastRecord // of each partition
}

// lastRecord is the last record of a path in a partition, and the highest time of all of them.
type lastRecord struct {
	values string
	time   int64
}

type fates struct {
	counted, filtered, dead, next int64
}

// readTruth reads the topic from its first offset to its end.
func readTruth(ctx context.Context, t *testing.T, b *broker, topic string) *truth {
	t.Helper()
	tr := &truth{hits: map[string]*hit{}, hosts: map[string]int64{}, pages: map[string]*page{}, fates: map[int32]fates{}}
	for p := range tr.copies {
		tr.copies[p] = map[int64]int{}
	}
	ends := b.ends(ctx, t, topic)
	offsets := map[int32]kgo.Offset{}
	left := map[int32]int64{}
	for p, end := range ends {
		tr.fates[p] = fates{}
		if end > 0 {
			offsets[p], left[p] = kgo.NewOffset().At(0), end
		}
	}
	cl := b.client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	defer cl.Close()
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			f := tr.fates[r.Partition]
			if r.Offset != f.next {
				t.Fatalf("%s/%d: offset %d follows %d, expected %v", topic, r.Partition, r.Offset, f.next-1, f.next)
			}
			f.next++
			tr.count(&f, r)
			tr.fates[r.Partition] = f
			if f.next >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return tr
}

func (tr *truth) count(f *fates, r *kgo.Record) {
	tr.total++
	words := strings.Split(string(r.Value), " ")
	id := strings.Trim(words[len(words)-1], `"`)
	producer, seq, _ := strings.Cut(id, "/")
	tr.copies[number(producer)][number(seq)]++
	if words[0] == "this" {
		f.dead++
		return
	}
	// 10.0.0.1 - - [21/Nov/2026:10:07:31 +0000] "GET /page/3 HTTP/1.1" 200 123 "-" "0/17"
	host, at, method, path, status, size := words[0], words[3], words[5], words[6], words[8], words[9]
	taken := false
	if method == `"GET` {
		taken = true
		minute := "2026-11-21 " + at[len("[21/Nov/2026:"):len("[21/Nov/2026:10:07")]
		key := strings.Join([]string{minute, path, status}, " ")
		h := tr.hits[key]
		if h == nil {
			h = &hit{}
			tr.hits[key] = h
		}
		h.add(size)
		g := tr.pages[path]
		if g == nil {
			g = &page{last: map[int32]lastRecord{}}
			tr.pages[path] = g
		}
		g.hits++
		if size == "-" {
			size = "NULL"
		}
		g.last[r.Partition] = lastRecord{
			values: strings.Join([]string{host, status, size, id}, " "),
			time:   max(g.last[r.Partition].time, r.Timestamp.UnixMilli()),
		}
	}
	if number(status) >= 500 {
		taken = true
		tr.hosts[host]++
	}
	if taken {
		f.counted++
	} else {
		f.filtered++
	}
}

func (h *hit) add(size string) {
	h.hits++
	if size == "-" {
		return
	}
	n := number(size)
	if h.sized == 0 || n < h.smallest {
		h.smallest = n
	}
	if h.sized == 0 || n > h.largest {
		h.largest = n
	}
	h.sized++
	h.bytes += n
}

// tables returns the expected content of the target tables, in the form of readTable.
func (tr *truth) tables() (hits, hosts, pages map[string]string) {
	hits, hosts, pages = map[string]string{}, map[string]string{}, map[string]string{}
	for key, h := range tr.hits {
		measures := "NULL NULL NULL"
		if h.sized > 0 {
			measures = fmt.Sprint(h.bytes, h.smallest, h.largest)
		}
		hits[key] = fmt.Sprint(h.hits, h.sized) + " " + measures
	}
	for host, n := range tr.hosts {
		hosts[host] = strconv.FormatInt(n, 10)
	}
	for path, g := range tr.pages {
		latest := int32(-1)
		for p, l := range g.last {
			if o := g.last[latest]; latest < 0 || l.time > o.time || l.time == o.time && p > latest {
				latest = p
			}
		}
		pages[path] = fmt.Sprint(g.last[latest].values, " ", g.hits)
	}
	return hits, hosts, pages
}

// missing returns the events that got OK and are not in the topic, and the number of duplicates.
func (tr *truth) missing(l *load) (lost []string, extra int64) {
	for p := range connections {
		acked := l.acked[p].Load()
		for seq := range acked {
			if tr.copies[p][seq] == 0 {
				lost = append(lost, fmt.Sprintf("%d/%d", p, seq))
			}
		}
		for _, n := range tr.copies[p] {
			extra += int64(n - 1)
		}
	}
	return lost, extra
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic("BUG: the load made a line that its oracle cannot read: " + err.Error())
	}
	return n
}
