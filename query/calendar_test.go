package query

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/row"
)

// The oracle of this file knows the calendar of docs/query.md and nothing of the code. It walks a zone's clocks in
// steps that divide everything that happens (the offsets, the changes, the windows), asks Go what clocks show at each
// step, and notes where a window begins. It never subtracts an offset from a local time.

//go:embed testdata/zones.txt
var zoneNames string

// wall is what clocks show at an instant, in seconds, as if it were UTC.
func wall(zone *time.Location, at int64) int64 {
	_, off := time.Unix(at, 0).In(zone).Zone()
	return at + int64(off)
}

// length is a window's length as a query has it.
type length struct {
	n    int64
	unit string
}

func (l length) String() string { return fmt.Sprint(l.n, " ", l.unit) }

// fixed is the length in seconds, 0 for months.
func (l length) fixed() int64 {
	switch l.unit {
	case "second":
		return l.n
	case "minute":
		return l.n * 60
	case "hour":
		return l.n * 3600
	case "day":
		return l.n * 86400
	case "week":
		return l.n * 7 * 86400
	}
	return 0
}

// dates says whether windows are made of whole days.
func (l length) dates() bool { return l.fixed()%86400 == 0 }

// label is the local time at which the window of a local time begins, both in seconds.
func (l length) label(wall int64) int64 {
	if l.fixed() > 0 {
		origin := int64(0)
		if l.unit == "week" {
			origin = time.Date(1970, 1, 5, 0, 0, 0, 0, time.UTC).Unix()
		}
		for back := (wall - origin) % l.fixed(); ; back += l.fixed() {
			if back >= 0 {
				return wall - back
			}
		}
	}
	months := int(l.n) * map[string]int{"month": 1, "quarter": 3, "year": 12}[l.unit]
	t := time.Unix(wall, 0).UTC()
	since := (t.Year()-1)*12 + int(t.Month()) - 1
	return time.Date(1, time.Month(1+since-since%months), 1, 0, 0, 0, 0, time.UTC).Unix()
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return max(a, -a)
}

// change is a change of a zone's offset, all in seconds.
type change struct{ at, was, is int64 }

// changes lists those from 1970 to 2037.
func changes(zone *time.Location) (all []change) {
	t := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).In(zone)
	for {
		_, next := t.ZoneBounds()
		if next.IsZero() || next.Year() > 2037 {
			return all
		}
		_, was := t.Zone()
		_, is := next.In(zone).Zone()
		if was != is {
			all = append(all, change{next.Unix(), int64(was), int64(is)})
		}
		t = next.In(zone)
	}
}

// oracle finds windows in one zone.
type oracle struct {
	zone *time.Location
	l    length
	step int64
}

// around returns the beginning of the window of each step from one instant up to another, which it excludes. Steps
// whose window began before the walk are left out.
func (o oracle) around(from, to int64, see func(at, start int64)) {
	from -= (from%o.step + o.step) % o.step
	if o.l.dates() {
		firsts := map[int64]int64{}
		for at := from; at < to; at += o.step {
			label := o.l.label(wall(o.zone, at))
			first, ok := firsts[label]
			if !ok { // Look through all instants at which clocks may show the beginning.
				first = label - 2*86400
				step := gcd(gcd(o.step, 60), gcd(wall(o.zone, first)-first, wall(o.zone, label+2*86400)-label))
				for ; o.l.label(wall(o.zone, first)) != label; first += step {
					if first > at {
						panic(fmt.Sprint("BUG: the step ", step, " missed the beginning of the window of ", at))
					}
				}
				firsts[label] = first
			}
			see(at, first)
		}
		return
	}
	known := false
	last := wall(o.zone, from)
	start := from
	for at := from + o.step; at < to; at += o.step {
		now := wall(o.zone, at)
		left := o.l.label(now) != o.l.label(last)
		back := last + o.step - now // by how much clocks were turned back
		if left || back > 0 && back >= o.l.fixed() {
			start, known = at, true
		}
		if known {
			see(at, start)
		}
		last = now
	}
}

var lengths = []length{
	{1, "second"}, {7, "second"}, {90, "second"}, {1, "minute"}, {7, "minute"}, {10, "minute"}, {15, "minute"}, {25, "minute"},
	{30, "minute"}, {40, "minute"}, {45, "minute"}, {50, "minute"}, {1, "hour"}, {90, "minute"}, {100, "minute"}, {2, "hour"},
	{3, "hour"}, {5, "hour"}, {6, "hour"}, {7, "hour"}, {8, "hour"}, {12, "hour"}, {24, "hour"}, {25, "hour"}, {1, "day"},
	{2, "day"}, {7, "day"}, {1, "week"}, {1, "month"}, {1, "quarter"}, {1, "year"},
}

// Every change of clocks from 1970 to 2037 in every zone is walked through with windows of every length. Changes that
// are alike (the same offsets, at the same time of the window, with nothing else near) are walked through once.
func TestTumble_everyChangeOfClocks(t *testing.T) {
	t.Parallel()
	walked := map[string]bool{}
	zones, all, walks, instants := 0, 0, 0, 0
	for name := range strings.FieldsSeq(zoneNames) {
		zone, err := time.LoadLocation(name)
		if err != nil {
			continue // an older system does not know it
		}
		zones++
		list := changes(zone)
		all += len(list)
		for i, c := range list {
			near := ""
			for j, other := range list {
				if d := other.at - c.at; j != i && d > -10*86400 && d < 10*86400 {
					near += fmt.Sprint(other.at-c.at, other.was-c.was, other.is-c.was, ";")
				}
			}
			for _, l := range lengths {
				local := c.at + c.was
				phase := local - l.label(local)
				if l.fixed() == 0 && l.label(local-3*86400) == l.label(local+3*86400) {
					phase = -1 // far from a window's beginning
				}
				key := fmt.Sprint(l, c.was < 0, c.is-c.was, phase, near)
				if walked[key] {
					continue
				}
				walked[key] = true
				walks++
				instants += walk(t, name, zone, c, l)
				if t.Failed() {
					return
				}
			}
		}
	}
	t.Logf("%d zones, %d changes, %d walks, %d instants", zones, all, walks, instants)
	if zones < 400 || all < 20000 || walks < 2500 {
		t.Errorf("walked through %d changes of %d zones in %d walks: want more", all, zones, walks)
	}
}

// walk compares one change with the oracle. It returns the number of instants.
func walk(t *testing.T, name string, zone *time.Location, c change, l length) (n int) {
	step := gcd(gcd(c.at, c.was), gcd(c.is, 86400))
	reach := int64(86400)
	if l.fixed() > 0 {
		step = gcd(step, l.fixed())
		reach = min(2*l.fixed(), 2*86400)
	}
	shift := max(c.was-c.is, c.is-c.was)
	from := c.at - reach
	if !l.dates() {
		from = c.at - 2*l.fixed() - shift
	}
	cal := newCalendar(zone, l.unit, l.n)
	w := span{until: -1 << 63}
	oracle{zone, l, step}.around(from, c.at+reach+shift, func(at, start int64) {
		n++
		for _, micros := range []int64{at * second, at*second + step*second - 1} {
			got := cal.window(micros)
			if got.start != start*second {
				t.Fatalf("%s %s: the window of %s (%s) begins at %s, want %s (%s)", name, l, shownTime(micros), shownWall(zone, micros),
					shownTime(got.start), shownTime(start*second), shownWall(zone, start*second))
			}
			if micros < got.from || micros >= got.until || got.start > got.from {
				t.Fatalf("%s %s: %s is not within %s to %s", name, l, shownTime(micros), shownTime(got.from), shownTime(got.until))
			}
			if micros < w.until && w.start != got.start {
				t.Fatalf("%s %s: %s is still in the window from %s that lasts until %s", name, l, shownTime(micros), shownTime(w.start), shownTime(w.until))
			}
			w = got
			local, first := wall(zone, at), wall(zone, start)
			if l.fixed() > 0 && (local < first || local >= first+l.fixed()) {
				t.Fatalf("%s %s: %s is not in [start, start + n) of %s", name, l, shownWall(zone, micros), shownWall(zone, start*second))
			}
		}
	})
	return n
}

func shownTime(micros int64) string { return string(appendTime(nil, micros, 6)) }

func shownWall(zone *time.Location, micros int64) string {
	return time.UnixMicro(micros).In(zone).Format("2006-01-02 15:04:05.999999 -0700")
}

// The window of the record before is kept, and kept for its own TUMBLE alone.
func TestTumble_keepsTheLastWindow(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.Format, o.TimeZone = "raw", location(t, "America/St_Johns")
	p, err := Compile("INSERT INTO a SELECT TUMBLE(_timestamp, INTERVAL 1 DAY) AS d, TUMBLE(_timestamp, INTERVAL 50 MINUTE) AS m, COUNT(*) AS n FROM events GROUP BY d, m; "+
		"INSERT INTO b SELECT TUMBLE(_timestamp, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY h", o)
	if err != nil {
		t.Fatal(err)
	}
	f := p.NewFold().(*fold)
	var want [3]map[int64]int64
	for i := range want {
		want[i] = map[int64]int64{}
	}
	cals := []*calendar{newCalendar(o.TimeZone, "day", 1), newCalendar(o.TimeZone, "minute", 50), newCalendar(o.TimeZone, "hour", 1)}
	back := time.Date(2010, 11, 7, 2, 31, 0, 0, time.UTC).Unix()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		at := back + rng.Int64N(4*86400) - 2*86400
		if rng.IntN(2) == 0 {
			at = back + rng.Int64N(7200) - 3600
		}
		for i, cal := range cals {
			want[i][cal.window(at*second).start]++
		}
		var tally batch.Tally
		f.add(&batch.Record{Value: []byte("x"), Timestamp: at * 1000}, &tally)
		if tally.Counted != 1 {
			t.Fatalf("%+v", tally)
		}
	}
	var got [3]map[int64]int64
	for i := range got {
		got[i] = map[int64]int64{}
	}
	tables := f.Take().Tables
	for i := range tables[0].Len() {
		n, _ := tables[0].Cells(i)[0].Int64()
		first, rest := row.KeyDatetime(tables[0].Key(i))
		other, _ := row.KeyDatetime(rest)
		got[0][first] += n
		got[1][other] += n
	}
	for i := range tables[1].Len() {
		n, _ := tables[1].Cells(i)[0].Int64()
		first, _ := row.KeyDatetime(tables[1].Key(i))
		got[2][first] += n
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows by window (-want +got):\n%s", diff)
	}
}
