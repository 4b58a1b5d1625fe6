package query

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
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
		// A window that clocks do not leave when they are turned back is one, and longer.
		{"Europe/Berlin", "2026-10-25 01:30:00", "hour", 2, "2026-10-25 00:00:00"},
		{"Europe/Berlin", "2026-10-25 01:30:00", "minute", 90, "2026-10-24 23:30:00"},
		{"Australia/Lord_Howe", "2026-04-04 15:10:00", "hour", 1, "2026-04-04 14:00:00"},
		// One that they leave is another window, which begins when they were set.
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
		// A date is one window, however often its midnight comes.
		{"America/Havana", "2026-11-01 04:30:00", "day", 1, "2026-11-01 04:00:00"},
		{"America/Havana", "2026-11-01 05:30:00", "day", 1, "2026-11-01 04:00:00"},
		{"America/Havana", "2026-11-01 05:30:00", "hour", 24, "2026-11-01 04:00:00"},
		{"America/Havana", "2026-11-01 05:30:00", "hour", 1, "2026-11-01 05:00:00"},
		{"America/Havana", "2026-11-20 05:30:00", "month", 1, "2026-11-01 04:00:00"},
		{"Atlantic/Azores", "2026-10-25 01:30:00", "day", 1, "2026-10-25 00:00:00"},
		{"America/St_Johns", "2010-11-07 02:30:30", "day", 1, "2010-11-07 02:30:00"}, // 00:00:30, first
		{"America/St_Johns", "2010-11-07 03:00:00", "day", 1, "2010-11-06 02:30:00"}, // 23:30, second
		{"America/St_Johns", "2010-11-07 12:00:00", "day", 1, "2010-11-07 02:30:00"},
		// Where clocks never show a window's beginning, it begins when they were set.
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
		at, ok := parseTime([]byte(c.at), time.UTC)
		if !ok {
			t.Fatal(c.at)
		}
		got := string(appendTime(nil, newCalendar(location(t, c.zone), c.unit, c.n).window(at).start, 0))
		if got != c.want {
			t.Errorf("%s, %d %s of %s = %s, want %s", c.zone, c.n, c.unit, c.at, got, c.want)
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
				cal := newCalendar(zone, unit, n)
				for range 100 {
					at := time.Date(2026, time.Month(1+rng.IntN(12)), 1+rng.IntN(31), rng.IntN(24), rng.IntN(60), rng.IntN(60), 0, time.UTC).UnixMicro()
					later := at + rng.Int64N(3*hour)
					a, b := cal.window(at).start, cal.window(later).start
					if a > at || b < a {
						t.Fatalf("seed %d: %s %d %s: %d begins at %d, %d at %d", seed, name, n, unit, at, a, later, b)
					}
					if again := cal.window(a).start; again != a {
						t.Fatalf("seed %d: %s %d %s: the beginning %s of %s is in the window of %s", seed, name, n, unit,
							appendTime(nil, a, 0), appendTime(nil, at, 0), appendTime(nil, again, 0))
					}
				}
			}
		}
	}
}

// Our calendar is Go's.
func TestTimes_agreeWithGo(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 2))
	var r rec
	r.zone = location(t, "Europe/Berlin")
	for range 20000 {
		at := time.Date(1000+rng.IntN(8999), time.Month(1+rng.IntN(12)), 1+rng.IntN(31), rng.IntN(24), rng.IntN(60), rng.IntN(60), 0,
			time.FixedZone("", (rng.IntN(26*60)-12*60)*60))
		if got, ok := r.clfTime([]byte(at.Format("02/Jan/2006:15:04:05 -0700"))); !ok || got != at.UnixMicro() {
			t.Fatalf("seed %d: %s is read as %d %v, want %d", seed, at, got, ok, at.UnixMicro())
		}
		if got, ok := parseTime([]byte(at.Format(time.RFC3339)), time.UTC); !ok || got != at.UnixMicro() {
			t.Fatalf("seed %d: %s is read as %d %v, want %d", seed, at.Format(time.RFC3339), got, ok, at.UnixMicro())
		}
		if got := string(appendTime(nil, at.UnixMicro(), 0)); got != at.UTC().Format(time.DateTime) {
			t.Fatalf("seed %d: %s is written as %s", seed, at, got)
		}
	}
	for text, utc := range map[string]string{
		"2026-03-29 01:30:00": "2026-03-29 00:30:00", "2026-03-29 03:30:00": "2026-03-29 01:30:00", "2026-07-01 00:00:00": "2026-06-30 22:00:00",
		"2026-03-29 02:30:00": "2026-03-29 01:30:00", // clocks never show it
	} {
		got, ok := parseTime([]byte(text), r.zone)
		if !ok || string(appendTime(nil, got, 0)) != utc {
			t.Errorf("%s in Berlin is %s, want %s", text, appendTime(nil, got, 0), utc)
		}
	}
}

// A local time is the first instant at which clocks show it, in every zone and around every change of its clocks. The
// test looks at each quarter of an hour in turn, and subtracts no offset.
func TestResolve_isTheFirstShowing(t *testing.T) {
	t.Parallel()
	const quarter = 15 * 60
	offset := func(zone *time.Location, at int64) int64 { return wall(zone, at) - at }
	twice, never := 0, 0
	for name := range strings.FieldsSeq(zoneNames) {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := int64(0); at < 25_000*86400; at += 86400 {
			if offset(zone, at) == offset(zone, at+7*86400) {
				at += 6 * 86400
				continue
			}
			if offset(zone, at) == offset(zone, at+86400) {
				continue
			}
			if offset(zone, at)%quarter != 0 || offset(zone, at+86400)%quarter != 0 {
				continue // not of these quarters
			}
			// From a day before to a day after the change, what clocks show, and when they do so first.
			first := map[int64]int64{}
			for s := at - 86400; s <= at+2*86400; s += quarter {
				if w := wall(zone, s); first[w] == 0 {
					first[w] = s
				} else if s != first[w] {
					twice++
				}
			}
			for w := wall(zone, at-10*3600); w <= wall(zone, at+86400+10*3600); w += quarter {
				want, shown := first[w]
				got := resolve(zone, w*second) / second
				switch {
				case shown && got != want:
					t.Fatalf("%s: %s is %s, want %s", name, time.Unix(w, 0).UTC().Format(time.DateTime), time.Unix(got, 0).UTC(), time.Unix(want, 0).UTC())
				case !shown:
					never++
					if wall(zone, got) <= w || first[wall(zone, got)] != got {
						t.Fatalf("%s: %s, which clocks never show, is %s", name, time.Unix(w, 0).UTC().Format(time.DateTime), time.Unix(got, 0).UTC())
					}
				}
			}
		}
	}
	if twice == 0 || never == 0 {
		t.Errorf("%d were shown twice, %d never: too few to say anything", twice, never)
	}
}
