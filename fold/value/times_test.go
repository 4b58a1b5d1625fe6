package value

import (
	_ "embed"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	_ "time/tzdata"
)

// Our calendar agrees with Go's.
func TestTimes_agreeWithGo(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 2))
	var r LogTimes
	r.Zone = location(t, "Europe/Berlin")
	for range 20000 {
		at := time.Date(1000+rng.IntN(8999), time.Month(1+rng.IntN(12)), 1+rng.IntN(31), rng.IntN(24), rng.IntN(60), rng.IntN(60), 0,
			time.FixedZone("", (rng.IntN(26*60)-12*60)*60))
		if got, ok := r.Parse([]byte(at.Format("02/Jan/2006:15:04:05 -0700"))); !ok || got != at.UnixMicro() {
			t.Fatalf("seed %d: %s is read as %d %v, expected %d", seed, at, got, ok, at.UnixMicro())
		}
		if got, ok := ParseTime([]byte(at.Format(time.RFC3339)), time.UTC); !ok || got != at.UnixMicro() {
			t.Fatalf("seed %d: %s is read as %d %v, expected %d", seed, at.Format(time.RFC3339), got, ok, at.UnixMicro())
		}
		if got := string(AppendTime(nil, at.UnixMicro(), 0)); got != at.UTC().Format(time.DateTime) {
			t.Fatalf("seed %d: %s is written as %s, expected %v", seed, at, got, at.UTC().Format(time.DateTime))
		}
	}
	for text, utc := range map[string]string{
		"2026-03-29 01:30:00": "2026-03-29 00:30:00", "2026-03-29 03:30:00": "2026-03-29 01:30:00", "2026-07-01 00:00:00": "2026-06-30 22:00:00",
		"2026-03-29 02:30:00": "2026-03-29 01:30:00", // a local time that does not occur
	} {
		got, ok := ParseTime([]byte(text), r.Zone)
		if !ok || string(AppendTime(nil, got, 0)) != utc {
			t.Errorf("%s in Berlin is %s, expected %s", text, AppendTime(nil, got, 0), utc)
		}
	}
}

// A local time is the first instant at which clocks show it, in every zone and around every change of its clocks. The
// test checks each quarter of an hour in turn, and subtracts no offset.
func TestResolve_returnsTheFirstInstant(t *testing.T) {
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
			// From a day before to a day after the change: the local times, and the first instant of each.
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
				got := Resolve(zone, w*Second) / Second
				switch {
				case shown && got != want:
					t.Fatalf("%s: %s is %s, expected %s", name, time.Unix(w, 0).UTC().Format(time.DateTime), time.Unix(got, 0).UTC(), time.Unix(want, 0).UTC())
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
		t.Errorf("%d occurred twice, %d never: too few for a test", twice, never)
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

// wall returns the local time at an instant, in seconds, as if it were UTC.
func wall(zone *time.Location, at int64) int64 {
	_, off := time.Unix(at, 0).In(zone).Zone()
	return at + int64(off)
}

//go:embed testdata/zones.txt
var zoneNames string
