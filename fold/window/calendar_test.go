package window

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/sluice-etl/sluice/fold/value"
)

// The oracle of this file implements the calendar of docs/query.md and uses none of the code. It walks through a zone's
// instants in steps that divide all offsets, changes and windows, gets the local time of each step from Go, and records
// where a window begins. It never subtracts an offset from a local time.

// wall returns the local time at an instant, in seconds, as if it were UTC.
func wall(zone *time.Location, at int64) int64 {
	_, off := time.Unix(at, 0).In(zone).Zone()
	return at + int64(off)
}

// length is a window's length as a query states it.
type length struct {
	n    int64
	unit string
}

func (l length) String() string { return fmt.Sprint(l.n, " ", l.unit) }

// fixed returns the length in seconds, 0 for months.
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

// dates reports whether windows consist of whole days.
func (l length) dates() bool { return l.fixed()%86400 == 0 }

// label returns the local time at which the window of a local time begins, both in seconds.
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

// changes returns those from 1970 to 2037.
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
// whose window began before the walk are omitted.
func (o oracle) around(from, to int64, see func(at, start int64)) {
	from -= (from%o.step + o.step) % o.step
	if o.l.dates() {
		firsts := map[int64]int64{}
		for at := from; at < to; at += o.step {
			label := o.l.label(wall(o.zone, at))
			first, ok := firsts[label]
			if !ok { // Check all instants at which the beginning may be the local time.
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

// Every change of clocks from 1970 to 2037 in every zone is checked with windows of every length. Changes that are
// alike (the same offsets, at the same time of the window, with nothing else near) are checked once.
func TestTumble_everyClockChange(t *testing.T) {
	t.Parallel()
	walked := map[string]bool{}
	zones, all, walks, instants := 0, 0, 0, 0
	zoneNames, err := os.ReadFile("../value/testdata/zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(string(zoneNames)) {
		zone, err := time.LoadLocation(name)
		if err != nil {
			continue // the zone data of an older system may lack it
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
		t.Errorf("walked through %d changes of %d zones in %d walks: expected more", all, zones, walks)
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
	cal := NewCalendar(zone, l.unit, l.n)
	w := Span{Until: -1 << 63}
	oracle{zone, l, step}.around(from, c.at+reach+shift, func(at, start int64) {
		n++
		for _, micros := range []int64{at * value.Second, at*value.Second + step*value.Second - 1} {
			got := cal.Find(micros)
			if got.Start != start*value.Second {
				t.Fatalf("%s %s: the window of %s (%s) begins at %s, expected %s (%s)", name, l, shownTime(micros), shownWall(zone, micros),
					shownTime(got.Start), shownTime(start*value.Second), shownWall(zone, start*value.Second))
			}
			if micros < got.From || micros >= got.Until || got.Start > got.From {
				t.Fatalf("%s %s: %s is not within %s to %s", name, l, shownTime(micros), shownTime(got.From), shownTime(got.Until))
			}
			if micros < w.Until && w.Start != got.Start {
				t.Fatalf("%s %s: %s is still in the window from %s that lasts until %s", name, l, shownTime(micros), shownTime(w.Start), shownTime(w.Until))
			}
			w = got
			local, first := wall(zone, at), wall(zone, start)
			if l.fixed() > 0 && (local < first || local >= first+l.fixed()) {
				t.Fatalf("%s %s: %s is not in [start, start + n) of %s", name, l, shownWall(zone, micros), shownWall(zone, start*value.Second))
			}
		}
	})
	return n
}

func shownTime(micros int64) string { return string(value.AppendTime(nil, micros, 6)) }

func shownWall(zone *time.Location, micros int64) string {
	return time.UnixMicro(micros).In(zone).Format("2006-01-02 15:04:05.999999 -0700")
}

func TestTumble_windows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, at, unit string
		n              int64
		want           string // all in UTC
	}{
		{"UTC", "2015-05-17 10:05:03.7", "second", 2, "2015-05-17 10:05:02"},
		{"UTC", "2015-05-17 10:05:03", "minute", 5, "2015-05-17 10:05:00"},
		{"UTC", "2015-05-17 10:05:03", "minute", 15, "2015-05-17 10:00:00"},
		{"UTC", "2015-05-17 10:05:03", "hour", 6, "2015-05-17 06:00:00"},
		{"UTC", "2015-05-17 10:05:03", "day", 1, "2015-05-17 00:00:00"},
		{"UTC", "2015-05-17 10:05:03", "week", 1, "2015-05-11 00:00:00"}, // a Sunday belongs to the week before
		{"UTC", "2015-05-18 00:00:00", "week", 1, "2015-05-18 00:00:00"},
		{"UTC", "2015-05-17 10:05:03", "month", 1, "2015-05-01 00:00:00"},
		{"UTC", "2015-05-17 10:05:03", "month", 4, "2015-05-01 00:00:00"},
		{"UTC", "2015-05-17 10:05:03", "quarter", 1, "2015-04-01 00:00:00"},
		{"UTC", "2015-05-17 10:05:03", "year", 1, "2015-01-01 00:00:00"},
		{"UTC", "1969-12-31 23:59:59.9", "minute", 1, "1969-12-31 23:59:00"},
		{"UTC", "1969-12-31 23:59:59.9", "month", 1, "1969-12-01 00:00:00"},
		{"Asia/Kolkata", "2015-05-17 10:05:03", "hour", 1, "2015-05-17 09:30:00"},
		{"Europe/Berlin", "2015-05-17 22:30:00", "day", 1, "2015-05-17 22:00:00"},
		{"Europe/Berlin", "2015-05-17 21:30:00", "day", 1, "2015-05-16 22:00:00"},
		// Clocks go forward at 01:00 UTC: the day has 23 hours, the window of two hours one.
		{"Europe/Berlin", "2026-03-29 12:00:00", "day", 1, "2026-03-28 23:00:00"},
		{"Europe/Berlin", "2026-03-29 22:30:00", "day", 1, "2026-03-29 22:00:00"},
		{"Europe/Berlin", "2026-03-29 00:30:00", "hour", 1, "2026-03-29 00:00:00"},
		{"Europe/Berlin", "2026-03-29 01:30:00", "hour", 2, "2026-03-29 01:00:00"},
		{"Europe/Berlin", "2026-03-29 00:30:00", "hour", 2, "2026-03-28 23:00:00"},
		// Clocks go back at 01:00 UTC: 02:00 to 03:00 is shown twice, and is two windows.
		{"Europe/Berlin", "2026-10-25 00:30:00", "hour", 1, "2026-10-25 00:00:00"},
		{"Europe/Berlin", "2026-10-25 01:30:00", "hour", 1, "2026-10-25 01:00:00"},
		{"Europe/Berlin", "2026-10-25 01:30:00", "minute", 15, "2026-10-25 01:30:00"},
		{"Europe/Berlin", "2026-10-25 02:30:00", "hour", 6, "2026-10-24 22:00:00"},
		{"Europe/Berlin", "2026-10-25 12:00:00", "day", 1, "2026-10-24 22:00:00"},
		// A window that clocks do not leave when they are turned back is one window, and longer.
		{"Europe/Berlin", "2026-10-25 01:30:00", "hour", 2, "2026-10-25 00:00:00"},
		{"Europe/Berlin", "2026-10-25 01:30:00", "minute", 90, "2026-10-24 23:30:00"},
		{"Australia/Lord_Howe", "2026-04-04 15:10:00", "hour", 1, "2026-04-04 14:00:00"},
		// A window that they leave is followed by another one, which begins when they were set.
		{"Europe/Berlin", "2026-10-25 00:59:00", "minute", 45, "2026-10-25 00:15:00"}, // 02:59, first
		{"Europe/Berlin", "2026-10-25 01:10:00", "minute", 45, "2026-10-25 01:00:00"}, // 02:10, second
		{"Europe/Berlin", "2026-10-25 01:20:00", "minute", 45, "2026-10-25 01:15:00"},
		{"Pacific/Chatham", "2026-04-04 12:50:00", "hour", 1, "2026-04-04 12:15:00"},  // 02:35, first
		{"Pacific/Chatham", "2026-04-04 13:50:00", "hour", 1, "2026-04-04 13:15:00"},  // 03:35, first
		{"Pacific/Chatham", "2026-04-04 14:10:00", "hour", 1, "2026-04-04 14:00:00"},  // 02:55, second
		{"Pacific/Chatham", "2026-04-04 14:20:00", "hour", 1, "2026-04-04 14:15:00"},  // 03:05, second
		{"America/St_Johns", "2010-11-07 02:00:00", "hour", 1, "2010-11-07 01:30:00"}, // 23:30, first
		{"America/St_Johns", "2010-11-07 02:30:30", "hour", 1, "2010-11-07 02:30:00"}, // 00:00:30, first
		{"America/St_Johns", "2010-11-07 02:31:00", "hour", 1, "2010-11-07 02:31:00"}, // 23:01, second
		{"America/St_Johns", "2010-11-07 03:40:00", "hour", 1, "2010-11-07 03:30:00"}, // 00:10, second
		// A date is one window, however often its midnight occurs.
		{"America/Havana", "2026-11-01 04:30:00", "day", 1, "2026-11-01 04:00:00"},
		{"America/Havana", "2026-11-01 05:30:00", "day", 1, "2026-11-01 04:00:00"},
		{"America/Havana", "2026-11-01 05:30:00", "hour", 24, "2026-11-01 04:00:00"},
		{"America/Havana", "2026-11-01 05:30:00", "hour", 1, "2026-11-01 05:00:00"},
		{"America/Havana", "2026-11-20 05:30:00", "month", 1, "2026-11-01 04:00:00"},
		{"Atlantic/Azores", "2026-10-25 01:30:00", "day", 1, "2026-10-25 00:00:00"},
		{"America/St_Johns", "2010-11-07 02:30:30", "day", 1, "2010-11-07 02:30:00"}, // 00:00:30, first
		{"America/St_Johns", "2010-11-07 03:00:00", "day", 1, "2010-11-06 02:30:00"}, // 23:30, second
		{"America/St_Johns", "2010-11-07 12:00:00", "day", 1, "2010-11-07 02:30:00"},
		// If clocks skip a window's beginning, the window begins when they were set.
		{"America/Sao_Paulo", "2018-11-04 12:00:00", "day", 1, "2018-11-04 03:00:00"},
		{"Pacific/Chatham", "2026-09-26 14:10:00", "hour", 1, "2026-09-26 14:00:00"}, // 03:55, from 02:45
		{"Europe/Berlin", "2026-03-29 01:10:00", "minute", 50, "2026-03-29 01:00:00"},
		{"Pacific/Apia", "2011-12-30 11:00:00", "day", 1, "2011-12-30 10:00:00"}, // the 31st; there is no 30th
		{"Pacific/Apia", "2011-12-30 09:00:00", "day", 1, "2011-12-29 10:00:00"},
		{"Pacific/Apia", "2011-12-30 11:00:00", "day", 2, "2011-12-30 10:00:00"},
		{"Africa/Monrovia", "1972-01-07 00:50:00", "hour", 1, "1972-01-07 00:44:30"}, // from -00:44:30 to 0
		{"Europe/Berlin", "1893-03-31 23:06:31", "hour", 1, "1893-03-31 22:06:32"},   // local mean time
		{"Europe/Berlin", "1893-03-31 23:20:00", "hour", 1, "1893-03-31 23:06:32"},   // from 00:00 to 00:06:32
		// Windows of a million years are not in DATETIME's range.
		{"Europe/Berlin", "2026-11-29 00:00:00", "year", 1e6, "0000-12-31 23:06:32"},
	} {
		at, ok := value.ParseTime([]byte(c.at), time.UTC)
		if !ok {
			t.Fatal(c.at)
		}
		got := string(value.AppendTime(nil, NewCalendar(location(t, c.zone), c.unit, c.n).Find(at).Start, 0))
		if got != c.want {
			t.Errorf("%s, %d %s of %s = %s, expected %s", c.zone, c.n, c.unit, c.at, got, c.want)
		}
	}
}

// A window begins at or before each of its instants, its beginning is in it, and windows do not go back in time.
func TestTumble_windowsAreInOrder(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"} {
		zone := location(t, name)
		for _, unit := range []string{"second", "minute", "hour", "day", "week", "month", "quarter", "year"} {
			for _, n := range []int64{1, 2, 6, 15} {
				cal := NewCalendar(zone, unit, n)
				for range 100 {
					at := time.Date(2026, time.Month(1+rng.IntN(12)), 1+rng.IntN(31), rng.IntN(24), rng.IntN(60), rng.IntN(60), 0, time.UTC).UnixMicro()
					later := at + rng.Int64N(3*value.Hour)
					a, b := cal.Find(at).Start, cal.Find(later).Start
					if a > at || b < a {
						t.Fatalf("seed %d: %s %d %s: %d begins at %d, %d at %d", seed, name, n, unit, at, a, later, b)
					}
					if again := cal.Find(a).Start; again != a {
						t.Fatalf("seed %d: %s %d %s: the beginning %s of %s is in the window of %s", seed, name, n, unit,
							value.AppendTime(nil, a, 0), value.AppendTime(nil, at, 0), value.AppendTime(nil, again, 0))
					}
				}
			}
		}
	}
}

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}
