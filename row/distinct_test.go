package row

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// foldedState returns the state of values that are folded into one cell, in this order.
func foldedState(m Merge, values []Value) []byte {
	rows := NewRows(&Table{Columns: []Column{{Name: "s", Kind: Bytes, Merge: m}}})
	for n := range 3 { // cells of other keys
		i, _ := rows.Find([]byte{byte(n)})
		for _, v := range values[:min(n, len(values))] {
			m.Fold(rows, &rows.Cells(i)[0], Bytes, v)
		}
	}
	i, _ := rows.Find([]byte{9})
	for _, v := range values {
		m.Fold(rows, &rows.Cells(i)[0], Bytes, v)
	}
	return m.(Stateful).AppendState([]byte{}, rows, &rows.Cells(i)[0])
}

// anyDivision folds values in any order, divides them into batches in any way, and joins the states of the batches in any
// order.
func anyDivision(t *rapid.T, label string, m Merge, values []Value) (state []byte) {
	values = rapid.Permutation(values).Draw(t, label+": order")
	for first := true; first || len(values) > 0; first = false {
		n := rapid.IntRange(0, len(values)).Draw(t, label+": cut")
		joined, _, err := m.(Stateful).Join(nil, state, foldedState(m, values[:n]))
		if err != nil {
			t.Fatal(err)
		}
		state, values = joined, values[n:]
	}
	return state
}

// The state depends on the set of values alone: not on their order, nor on how they are divided into batches. Joining is
// idempotent.
func TestDistinct_dependsOnTheValuesAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Value {
			if rapid.IntRange(0, 9).Draw(t, "NULL") == 0 {
				return Value{}
			}
			return Value{Bytes: rapid.SliceOfN(rapid.ByteRange(0, 2), 0, 3).Draw(t, "value"), Set: true}
		})).Draw(t, "values")
		m := Distinct("text")
		a, b := anyDivision(t, "first", m, values), anyDivision(t, "second", m, values)
		if !bytes.Equal(a, b) {
			t.Fatalf("the states are % x and % x", a, b)
		}
		if again, _, err := m.(Stateful).Join(nil, a, b); err != nil || !bytes.Equal(again, a) {
			t.Fatalf("joined with itself, % x is % x, %v", a, again, err)
		}
		set := map[string]bool{}
		for _, v := range values {
			if v.Set {
				set[string(v.Bytes)] = true
			}
		}
		if n := DistinctCount.(Derived).Value(a); n.Number != FromInt(int64(len(set))) || !n.Set {
			t.Fatalf("the count is %v, expected %d", n.Big(), len(set))
		}
	})
}

// The form of a state never changes, because tables hold it.
func TestDistinct_stateIsStable(t *testing.T) {
	t.Parallel()
	values := []Value{{Bytes: []byte("b"), Set: true}, {Set: true}, {}, {Bytes: []byte("ab"), Set: true}, {Bytes: []byte("b"), Set: true}}
	if got := fmt.Sprintf("%x", foldedState(Distinct("text"), values)); got != "0100026162"+"0162" {
		t.Errorf("state is %s, expected 0100 026162 0162", got)
	}
}

// Elements of many cells are kept apart, and the hash table grows.
func TestRows_elements(t *testing.T) {
	t.Parallel()
	m := Distinct("text")
	rows := NewRows(&Table{Keys: 1, Columns: []Column{{Name: "k"}, {Name: "a", Kind: Bytes, Merge: m}, {Name: "b", Kind: Bytes, Merge: m}}})
	want := map[int][2][]string{}
	for n := range 5000 {
		i, _ := rows.Find([]byte{byte(n % 7)})
		v := fmt.Sprint(n * n % 101)
		column := n % 2
		m.Fold(rows, &rows.Cells(i)[column], Bytes, Value{Bytes: []byte(v), Set: true})
		w := want[i]
		if !slices.Contains(w[column], v) {
			w[column] = append(w[column], v)
		}
		want[i] = w
	}
	for i := range rows.Len() {
		for column, c := range rows.Cells(i) {
			var got []string
			for key := range rows.Elements(&c) {
				got = append(got, string(key))
			}
			w := slices.Sorted(slices.Values(want[i][column]))
			if !slices.Equal(got, w) || len(w) < 20 {
				t.Errorf("row %d, column %d: elements are %v, expected %v", i, column, got, w)
			}
		}
	}
	if rows.Footprint(0) < 20*elementBytes || rows.Size() < int64(len(rows.elements.all)*40) {
		t.Errorf("row 0 has %d bytes, all rows %d, expected more", rows.Footprint(0), rows.Size())
	}
}
