package row

import (
	"fmt"
	"testing"
)

// Separate rows are never found, however often the hash table grows, and keep their order among equal keys.
func TestRows_separate(t *testing.T) {
	t.Parallel()
	r := NewRows(&Table{Keys: 1, Columns: []Column{{Name: "k"}, {Name: "n"}}})
	key := func(n int) []byte { return fmt.Appendf(nil, "%04d", n) }
	for n := range 500 {
		r.AddSeparate(key(7), Origin{Partition: 1, Offset: int64(n)})
		i, fresh := r.Find(key(n))
		if _, ok := r.Origin(i); !fresh || ok {
			t.Fatalf("key %d: row %d, fresh %v, apart %v, expected a new row that is not apart", n, i, fresh, ok)
		}
	}
	if i, fresh := r.Find(key(7)); fresh || string(r.Key(i)) != "0007" {
		t.Errorf("row %d, fresh %v; expected fresh false and the key %q", i, fresh, "0007")
	}
	if r.Len() != 1000 {
		t.Errorf("%d rows, expected 1000", r.Len())
	}
	last, seen := int64(-1), 0
	for _, i := range r.Sorted()[7:] {
		if from, ok := r.Origin(i); ok {
			if from.Offset <= last || from.Partition != 1 {
				t.Fatalf("origin %+v after offset %d, expected Partition 1", from, last)
			}
			last = from.Offset
			seen++
		}
	}
	if seen != 500 {
		t.Errorf("%d rows apart, expected 500", seen)
	}
}
