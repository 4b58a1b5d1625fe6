package aggregate

import (
	"bytes"
	"cmp"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-etl/sluice/fold/value"
)

// Orders of values compare as the values do, whatever follows.
func TestAppendOrder(t *testing.T) {
	t.Parallel()
	check := func(t interface{ Errorf(string, ...any) }, a, b value.Value, k value.Kind, want int) {
		x, y := append(AppendOrder([]byte("-"), &a, k)[1:], 0xff), append(AppendOrder(nil, &b, k), 0xff)
		if got := bytes.Compare(x, y); got != want {
			t.Errorf("%v and %v: got %d, expected %d (%x, %x)", a, b, got, want, x, y)
		}
		x, y = append(x[:len(x)-1], 0), append(y[:len(y)-1], 0xff)
		if got := bytes.Compare(x, y); got != cmp.Or(want, -1) {
			t.Errorf("%v, then 0, and %v, then 255: got %d, expected %d", a, b, got, cmp.Or(want, -1))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xfe, 0xff}), 0, 4)
		a, b := texts.Draw(t, "text a"), texts.Draw(t, "text b")
		check(t, value.Text(a), value.Text(b), value.KindText, bytes.Compare(a, b))
		p, q := rapid.Int64().Draw(t, "time a"), rapid.Int64().Draw(t, "time b")
		check(t, value.Time(p), value.Time(q), value.KindTime, cmp.Compare(p, q))
		f, g := rapid.Float64().Draw(t, "double a"), rapid.Float64().Draw(t, "double b")
		check(t, value.Double(f), value.Double(g), value.KindDouble, cmp.Compare(f, g))
		m, n := rapid.Int64().Draw(t, "integer a"), rapid.Int64().Draw(t, "integer b")
		check(t, value.Int(m), value.Int(n), value.KindInt, cmp.Compare(m, n))
	})
	doubles := []float64{0, math.Copysign(0, -1), 1, -1, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, math.MaxFloat64, -math.MaxFloat64}
	for _, f := range doubles {
		for _, g := range doubles {
			check(t, value.Double(f), value.Double(g), value.KindDouble, cmp.Compare(f, g))
		}
	}
}

// Tables hold orders, so a value has the same one in every release.
func TestAppendOrder_neverChanges(t *testing.T) {
	t.Parallel()
	n := value.Int(-15)
	n.Scale = 1
	got := AppendOrder(nil, &n, value.KindDecimal)
	ts, f, text := value.Time(1), value.Double(-1), value.Text([]byte("a\x00"))
	got = AppendOrder(got, &ts, value.KindTime)
	got = AppendOrder(got, &f, value.KindDouble)
	got = AppendOrder(got, &text, value.KindText)
	const want = "\x6f\x8f\x27\x0d\x03\x78\x35\xd9\x48\xf1\xb0\xcc\x9f\xff\xff\xff\xff" +
		"\x80\x00\x00\x00\x00\x00\x00\x01" + "\x40\x0f\xff\xff\xff\xff\xff\xff" + "a\x00\xff\x00\x00"
	if string(got) != want {
		t.Errorf("got %x, expected %x", got, want)
	}
}
