package query

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/fold/window"
	"github.com/sluice-etl/sluice/row"
)

// Each TUMBLE keeps the window of the previous record for itself only.
func TestTumble_cachesItsOwnWindow(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.Format, o.TimeZone = "raw", location(t, "America/St_Johns")
	p, err := Compile("INSERT INTO a SELECT TUMBLE(_timestamp, INTERVAL 1 DAY) AS d, TUMBLE(_timestamp, INTERVAL 50 MINUTE) AS m, COUNT(*) AS n FROM events GROUP BY d, m; "+
		"INSERT INTO b SELECT TUMBLE(_timestamp, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY h", o)
	if err != nil {
		t.Fatal(err)
	}
	f := p.NewFold()
	var want [3]map[int64]int64
	for i := range want {
		want[i] = map[int64]int64{}
	}
	cals := []*window.Calendar{window.NewCalendar(o.TimeZone, "day", 1), window.NewCalendar(o.TimeZone, "minute", 50), window.NewCalendar(o.TimeZone, "hour", 1)}
	back := time.Date(2010, 11, 7, 2, 31, 0, 0, time.UTC).Unix()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		at := back + rng.Int64N(4*86400) - 2*86400
		if rng.IntN(2) == 0 {
			at = back + rng.Int64N(7200) - 3600
		}
		for i, cal := range cals {
			want[i][cal.Find(at*value.Second).Start]++
		}
		var tally batch.Tally
		f.Add(part, []batch.Record{{Value: []byte("x"), Timestamp: at * 1000}}, &tally)
		if tally.Counted != 1 {
			t.Fatalf("%+v, expected Counted 1", tally)
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
		t.Errorf("rows by window (-expected +got):\n%s", diff)
	}
}

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}
