package window

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/fold/value"
)

// slides are pairs of slide and size, and how many windows an instant is in.
var slides = []struct {
	slide, size length
	n           int
}{
	{length{1, "minute"}, length{5, "minute"}, 5}, {length{7, "minute"}, length{21, "minute"}, 3}, {length{15, "minute"}, length{1, "hour"}, 4},
	{length{45, "minute"}, length{3, "hour"}, 4}, {length{1, "hour"}, length{1, "day"}, 24}, {length{2, "hour"}, length{6, "hour"}, 3},
	{length{1, "day"}, length{1, "week"}, 7}, {length{24, "hour"}, length{2, "week"}, 14}, {length{1, "week"}, length{4, "week"}, 4},
	{length{1, "month"}, length{1, "quarter"}, 3}, {length{1, "quarter"}, length{2, "year"}, 8}, {length{1, "year"}, length{36, "month"}, 3},
	{length{90, "second"}, length{90, "second"}, 1},
}

func newHop(t *testing.T, zone *time.Location, slide, size length) *Hop {
	t.Helper()
	h := NewHop(NewCalendar(zone, slide.unit, slide.n), slide.unit, slide.n, size.unit, size.n)
	if h == nil {
		t.Fatalf("slide %s, size %s: got nil, expected windows", slide, size)
	}
	return h
}

// Where clocks do not change, a window begins at each multiple of the slide and contains the size.
func TestHop_utc(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for _, s := range slides {
		h := newHop(t, time.UTC, s.slide, s.size)
		if h.Len() != s.n {
			t.Errorf("slide %s, size %s: got %d windows, expected %d", s.slide, s.size, h.Len(), s.n)
		}
		end := func(start int64) int64 {
			if f := s.size.fixed(); f > 0 {
				return start + f
			}
			months := int(s.size.n) * map[string]int{"month": 1, "quarter": 3, "year": 12}[s.size.unit]
			return time.Unix(start, 0).UTC().AddDate(0, months, 0).Unix()
		}
		var w Hops
		for range 200 {
			at := rng.Int64N(4e9) - 1e9
			var want []int64 // found by a search of all beginnings of the slide
			for start := s.slide.label(at); end(start) > at; start = s.slide.label(start - 1) {
				want = append(want, start*value.Second)
			}
			if h.Find(at*value.Second+999_999, &w); !slices.Equal(w.Starts, want) {
				t.Fatalf("slide %s, size %s of %s: got %v, expected %v", s.slide, s.size, shownTime(at*value.Second), w.Starts, want)
			}
		}
	}
}

// An instant's windows begin with its own window of the calendar and with the n-1 windows before it, in the order of
// time, wherever clocks change. The calendar's windows are found one by one from instant to instant.
func TestHop_everyZone(t *testing.T) {
	t.Parallel()
	zoneNames, err := os.ReadFile("../value/testdata/zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	walked, checked := map[string]bool{}, 0
	for name := range strings.FieldsSeq(string(zoneNames)) {
		zone, err := time.LoadLocation(name)
		if err != nil {
			continue // the zone data of an older system may lack it
		}
		for _, c := range changes(zone) {
			for _, s := range slides {
				length := s.slide.fixed()
				if length == 0 || length > 86400 {
					continue
				}
				local := c.at + c.was
				key := s.slide.String() + time.Duration(local-s.slide.label(local)).String() + time.Duration(c.is-c.was).String()
				if walked[key] {
					continue
				}
				walked[key] = true
				cal, h := NewCalendar(zone, s.slide.unit, s.slide.n), newHop(t, zone, s.slide, s.size)
				step := gcd(gcd(c.at, c.was), gcd(c.is, length))
				from, until := c.at-int64(s.n+3)*length-7200, c.at+int64(s.n)*length+7200
				if (until-from)/step > 20000 {
					continue
				}
				var starts []int64
				for at := from - from%step; at < until; at += step {
					if start := cal.Find(at * value.Second).Start; !slices.Contains(starts[max(0, len(starts)-4):], start) {
						starts = append(starts, start)
					}
				}
				var w Hops
				for at := c.at - from%step; at < until; at += max(step, length/5/step*step) {
					start := cal.Find(at * value.Second).Start
					i := slices.Index(starts, start)
					want := slices.Clone(starts[i-s.n+1 : i+1])
					slices.Reverse(want)
					if h.Find(at*value.Second, &w); !slices.Equal(w.Starts, want) {
						t.Fatalf("%s, slide %s, size %s of %s: got %v, expected %v", name, s.slide, s.size, shownTime(at*value.Second), w.Starts, want)
					}
					checked++
				}
			}
		}
	}
	t.Logf("%d walks, %d instants", len(walked), checked)
	if len(walked) < 300 || checked < 20000 {
		t.Errorf("got %d walks and %d instants, expected more", len(walked), checked)
	}
}

// A size that is not a multiple of the slide has no windows.
func TestNewHop_multiples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ slide, size length }{
		{length{2, "minute"}, length{5, "minute"}}, {length{1, "day"}, length{1, "month"}}, {length{1, "month"}, length{30, "day"}},
		{length{1, "hour"}, length{1, "minute"}}, {length{2, "month"}, length{1, "quarter"}}, {length{1, "day"}, length{1, "fortnight"}},
	} {
		if NewHop(NewCalendar(time.UTC, c.slide.unit, c.slide.n), c.slide.unit, c.slide.n, c.size.unit, c.size.n) != nil {
			t.Errorf("slide %s, size %s: got windows, expected nil", c.slide, c.size)
		}
	}
}
