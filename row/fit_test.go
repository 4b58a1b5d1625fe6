package row

import (
	"math"
	"strings"
	"testing"
)

// The bounds of numeric columns: MySQL accepts what FitNumber accepts, and rejects or changes what FitNumber does not.
func TestColumn_fitNumber(t *testing.T) {
	t.Parallel()
	unsigned := Column{Kind: Int, Merge: Max, MaxInt: math.MaxInt64, Unsigned: true}
	narrow := unsigned
	narrow.Precision = 19 // DECIMAL(19) UNSIGNED
	huge, _ := FromInt(math.MaxInt64).Plus(FromInt(math.MaxInt64))
	for _, c := range []struct {
		column Column
		n      Number
		scale  int
		want   Misfit
	}{
		{Column{Kind: Int, Merge: Max}, FromInt(math.MinInt64), 0, Fits},
		{Column{Kind: Int, Merge: Max, MinInt: -128, MaxInt: 127}, FromInt(128), 0, OutOfRange},
		{Column{Kind: Int, Merge: Max, MinInt: -128, MaxInt: 127}, FromInt(1284), 1, OutOfRange},
		{Column{Kind: Int, Merge: Max, MinInt: -128, MaxInt: 127}, FromInt(1274), 1, Fits},
		{unsigned, FromInt(-1), 0, Negative},
		{unsigned, huge, 0, Fits},
		{narrow, huge, 0, OutOfRange},
		{Column{Kind: Decimal, Merge: Max, Precision: 5, Scale: 2}, FromInt(99999), 2, Fits},
		{Column{Kind: Decimal, Merge: Max, Precision: 5, Scale: 2}, FromInt(999995), 3, TooManyDigits},
		{Column{Kind: Decimal, Merge: Max, Precision: 38}, Pow10(37), 0, Fits},
		{Column{Kind: Decimal, Merge: Add, Precision: 38}, Pow10(MaxAddedDigits), 0, TooManyDigits},
	} {
		if _, got := c.column.FitNumber(c.n, c.scale); got != c.want {
			t.Errorf("%v with %d digits after the point, into %+v: got %d, expected %d", c.n.Big(), c.scale, c.column, got, c.want)
		}
		if low, high := c.column.PlainInts(); low <= high {
			for _, edge := range []int64{low, high} {
				if _, got := c.column.FitNumber(FromInt(edge), 0); got != Fits && !c.column.Traits().Total {
					t.Errorf("%d is a plain integer of %+v and does not fit: %d", edge, c.column, got)
				}
			}
		}
	}
}

// The texts of a key share the rest of an index entry, for the query and for the table alike.
func TestTable_keyChars(t *testing.T) {
	t.Parallel()
	text := Column{Kind: Text, Merge: Key}
	sized := Column{Kind: Text, Merge: Key, MaxChars: 100}
	for _, c := range []struct {
		columns     []Column
		chars, open int
	}{
		{[]Column{{Kind: Int}, {Kind: Decimal}}, 0, 0},
		{[]Column{text}, 768, 1},
		{[]Column{text, {Kind: Bytes}, {Kind: Int}}, 383, 2},
		{[]Column{text, sized, {Kind: Datetime}}, 666, 1},
		{[]Column{{Kind: Text, MaxChars: 800}}, -128, 0},
	} {
		tab := Table{Keys: len(c.columns), Columns: c.columns}
		if chars, open := tab.KeyChars(); chars != c.chars || open != c.open {
			t.Errorf("%+v: got %d characters for %d columns, expected %d for %d", c.columns, chars, open, c.chars, c.open)
		}
	}
}

// A key column that can be NULL needs a byte more in the index, and two of its columns.
func TestTable_nullableKeys(t *testing.T) {
	t.Parallel()
	tab := Table{Keys: 3, Columns: []Column{{Kind: Text, Nullable: true}, {Kind: Int, Nullable: true}, {Kind: Text}, {Kind: Int, Merge: Add, Nullable: true}}}
	if chars, open := tab.KeyChars(); chars != (3072-8-2)/4/2 || open != 2 || tab.KeyParts() != 5 {
		t.Errorf("got %d characters for %d columns, and %d parts; expected 382, 2 and 5", chars, open, tab.KeyParts())
	}
	for _, c := range []struct {
		query, table bool
		want         string
	}{{false, false, ""}, {false, true, ""}, {true, true, ""}, {true, false, "the query groups by a value that can be NULL"}} {
		one := func(nullable bool) *Table {
			return &Table{Keys: 1, Columns: []Column{{Name: "k", Kind: Int, Merge: Key, Nullable: nullable}}}
		}
		if err := one(c.query).Takes(one(c.table)); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("query %t, table %t: got %v, expected %q", c.query, c.table, err, c.want)
		}
	}
}
