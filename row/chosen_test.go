package row

import (
	"bytes"
	"cmp"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawNumber draws a number of any size, and how many digits it has after its point.
func drawNumber(t *rapid.T, name string) (Number, int) {
	n := Number{Hi: rapid.Int64().Draw(t, name+" high"), Lo: rapid.Uint64().Draw(t, name+" low")}
	if rapid.Bool().Draw(t, name+" is small") {
		n = FromInt(int64(n.Lo) >> rapid.IntRange(0, 63).Draw(t, name+" shift"))
	}
	return n, rapid.IntRange(0, MaxDigits).Draw(t, name+" scale")
}

// Orders of numbers compare as the numbers do, whatever their scales are and whatever follows, and equal numbers have
// equal orders.
func TestAppendOrderNumber(t *testing.T) {
	t.Parallel()
	rational := func(n Number, scale int) *big.Rat { return new(big.Rat).SetFrac(n.Big(), pow10[scale].Big()) }
	check := func(t interface{ Errorf(string, ...any) }, a Number, scaleA int, b Number, scaleB int) {
		x, y := AppendOrderNumber([]byte("-"), a, scaleA)[1:], AppendOrderNumber(nil, b, scaleB)
		want := rational(a, scaleA).Cmp(rational(b, scaleB))
		if got := bytes.Compare(x, y); got != want {
			t.Errorf("%s and %s: got %d, expected %d (%x, %x)", a.AppendText(nil, scaleA), b.AppendText(nil, scaleB), got, want, x, y)
		}
		if want != 0 && (bytes.HasPrefix(x, y) || bytes.HasPrefix(y, x)) {
			t.Errorf("%s and %s: one of %x and %x is a prefix of the other", a.AppendText(nil, scaleA), b.AppendText(nil, scaleB), x, y)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, scaleA := drawNumber(t, "a")
		b, scaleB := drawNumber(t, "b")
		check(t, a, scaleA, b, scaleB)
		if same, ok := a.Rescale(scaleA, MaxDigits); ok {
			check(t, a, scaleA, same, MaxDigits)
		}
	})
	edges := []Number{minNumber, {Hi: 1<<63 - 1, Lo: 1<<64 - 1}, {}, {Lo: 1}, FromInt(-1), {Lo: 1 << 63}, {Hi: 1}, {Hi: -1}, Pow10(38), Pow10(38).Neg()}
	for _, a := range edges {
		for _, b := range edges {
			for _, scale := range []int{0, 1, 19, 30, 38} {
				check(t, a, 0, b, scale)
				check(t, a, scale, b, scale)
			}
		}
	}
}

// Positions compare by topic, partition, offset, index, element and statement, in this order, and as numbers.
func TestAppendOrderPosition(t *testing.T) {
	t.Parallel()
	draw := func(t *rapid.T, name string) (p OrderPosition) {
		number := func(what string) uint64 {
			return rapid.Uint64().Draw(t, name+" "+what) >> rapid.IntRange(1, 64).Draw(t, name+" "+what+" shift")
		}
		p.Topic[rapid.IntRange(0, topicSize-1).Draw(t, name+" topic")] = byte(rapid.IntRange(0, 2).Draw(t, name+" byte"))
		p.Partition, p.Offset, p.Index = int32(number("partition")>>32), int64(number("offset")), int64(number("index"))
		p.Element, p.Statement = number("element"), int(number("statement")>>40)
		return p
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		if rapid.Bool().Draw(t, "b is near a") {
			change := rapid.IntRange(0, 5).Draw(t, "what differs")
			of := b
			b = a
			switch change {
			case 0:
				b.Topic = of.Topic
			case 1:
				b.Partition = of.Partition
			case 2:
				b.Offset = of.Offset
			case 3:
				b.Index = of.Index
			case 4:
				b.Element = of.Element
			case 5:
				b.Statement = of.Statement
			}
		}
		want := cmp.Or(bytes.Compare(a.Topic[:], b.Topic[:]), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset),
			cmp.Compare(a.Index, b.Index), cmp.Compare(a.Element, b.Element), cmp.Compare(a.Statement, b.Statement))
		if got := bytes.Compare(AppendOrderPosition(nil, a), AppendOrderPosition(nil, b)); got != want {
			t.Errorf("%+v and %+v: got %d, expected %d", a, b, got, want)
		}
	})
}

// foldChosen folds a row into the cells of a value and its order, as a fold does.
func foldChosen(rows *Rows, m Chosen, order Merge, cells []Cell, value, position Value) {
	if m.Takes(rows, &cells[1], position) {
		m.Fold(rows, &cells[0], Text, value)
	}
	order.Fold(rows, &cells[1], Bytes, position)
}

// The value is that of the lowest, or highest, order, in whatever order rows are folded; NULL is a value, and a row
// without an order is none.
func TestChosen_dependsOnTheRowsAlone(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	type line struct{ value, order Value }
	for range 1000 {
		var lines []line
		for n := range rng.IntN(6) {
			l := line{order: Value{Bytes: []byte{byte(rng.IntN(4)), byte(n)}, Set: rng.IntN(4) > 0}}
			if rng.IntN(3) > 0 {
				l.value = Value{Bytes: bytes.Repeat([]byte{'a' + byte(n)}, 1+rng.IntN(5)), Set: true}
			}
			lines = append(lines, l)
		}
		rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		for _, highest := range []bool{false, true} {
			m, order := OfLowest.(Chosen), Lowest("text")
			if highest {
				m, order = OfHighest.(Chosen), Highest("text")
			}
			rows := NewRows(&Table{Columns: []Column{{Name: "x", Kind: Text, Merge: m, Order: "o"}, {Name: "o", Kind: Bytes, Merge: order}}})
			i, _ := rows.Find(nil)
			for _, l := range lines {
				foldChosen(rows, m, order, rows.Cells(i), l.value, l.order)
			}
			ordered := slices.DeleteFunc(slices.Clone(lines), func(l line) bool { return !l.order.Set })
			slices.SortFunc(ordered, func(a, b line) int { return bytes.Compare(a.order.Bytes, b.order.Bytes) })
			want := Value{}
			if len(ordered) > 0 {
				want = ordered[0].value
				if highest {
					want = ordered[len(ordered)-1].value
				}
			}
			cells := rows.Cells(i)
			got := Value{Set: cells[0].Set}
			if got.Set {
				got.Bytes = rows.Bytes(&cells[0])
			}
			if got.Set != want.Set || !bytes.Equal(got.Bytes, want.Bytes) || cells[1].Set != (len(ordered) > 0) {
				t.Fatalf("highest %v, lines %v: got %v, expected %v", highest, lines, got, want)
			}
		}
	}
}

// A column finds its order by name, without regard to case.
func TestTable_orderOf(t *testing.T) {
	t.Parallel()
	table := Table{Columns: []Column{{Name: "k"}, {Name: "X", Order: "x__min"}, {Name: "X__MIN"}, {Name: "y", Order: "z"}}}
	var got []string
	for i := range table.Columns {
		got = append(got, fmt.Sprint(table.OrderOf(&table.Columns[i])))
	}
	if text := strings.Join(got, " "); text != "-1 2 -1 -1" {
		t.Errorf("got %s, expected -1 2 -1 -1", text)
	}
}
