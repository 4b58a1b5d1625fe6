package row

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// first is a table with one row as a sink keeps it: the state, and which record's values are stored.
type first struct {
	state     []byte
	partition int32
	offset    uint64
}

// The stored values are those of the same record, the first one of its partition, regardless of how records are divided
// into batches, which task commits first, and what is read again before it is committed.
func TestEarliest_dependsOnTheRecordsAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logs := rapid.SliceOfN(rapid.SliceOfN(rapid.Int64Range(-1, 5), 1, 6), 1, 4).Draw(t, "timestamps of each partition")
		commit := func(label string) *first {
			l := &first{}
			next := make([]int, len(logs)) // the offset from which each partition is read
			for {
				var open []int32
				for id := range logs {
					if next[id] < len(logs[id]) {
						open = append(open, int32(id))
					}
				}
				if len(open) == 0 {
					return l
				}
				id := rapid.SampledFrom(open).Draw(t, label+": partition")
				until := rapid.IntRange(next[id]+1, len(logs[id])).Draw(t, label+": until")
				rows := NewRows(&Table{Columns: []Column{{Name: "v", Kind: Int, Merge: First, Order: "s"}, {Name: "s", Kind: Bytes, Merge: Earliest}}})
				i, _ := rows.FindIn(id, nil)
				cells := rows.Cells(i)
				for at := next[id]; at < until; at++ {
					v := Value{Bytes: AppendPosition(nil, [16]byte{1}, id, int64(at), logs[id][at]), Set: true}
					if First.(Selective).Takes(rows, &cells[1], v) {
						First.Fold(rows, &cells[0], Int, Value{Number: Number{Lo: uint64(at)}, Set: true})
					}
					Earliest.Fold(rows, &cells[1], Bytes, v)
				}
				state, replaces, err := Earliest.(Stateful).Join(nil, l.state, Earliest.(Stateful).AppendState(nil, rows, &cells[1]))
				if err != nil {
					t.Fatal(err)
				}
				if l.state = state; replaces {
					l.partition, l.offset = id, cells[0].Lo
				}
				next[id] = until
			}
		}
		a, b := commit("one way"), commit("another way")
		if !bytes.Equal(a.state, b.state) || a.partition != b.partition || a.offset != b.offset {
			t.Fatalf("the first record is %d of partition %d one way, and %d of partition %d another", a.offset, a.partition, b.offset, b.partition)
		}
		want := 0
		for id := range logs {
			if logs[id][0] < logs[want][0] {
				want = id
			}
		}
		if a.partition != int32(want) || a.offset != 0 {
			t.Fatalf("got the values of record %d of partition %d, expected the first of partition %d", a.offset, a.partition, want)
		}
	})
}

// A row that is stored without a state, or with one of a topic that was recreated since, stays as it is. A state that
// another program wrote is an error, and never a panic.
func TestEarliest_storedStates(t *testing.T) {
	t.Parallel()
	state := func(topic byte, partitions ...int32) (s []byte) {
		s = AppendPosition(nil, [16]byte{topic}, partitions[0], 5, 100)
		for _, id := range partitions[1:] {
			s = append(s, AppendPosition(nil, [16]byte{topic}, id, 5, 100)[topicSize:]...)
		}
		return s
	}
	for name, c := range map[string]struct {
		stored, want []byte
		replaces     bool
		fails        bool
	}{
		"no row":               {nil, state(1, 3), true, false},
		"a row without":        {[]byte{}, nil, false, false},
		"another topic":        {state(2, 3, 9), state(2, 3, 9), false, false},
		"the same partition":   {state(1, 3), state(1, 3), false, false},
		"a higher partition":   {state(1, 7), state(1, 3, 7), true, false},
		"a lower partition":    {state(1, 2), state(1, 2, 3), false, false},
		"not a state":          {[]byte("x"), nil, false, true},
		"partitions unordered": {state(1, 7, 2), nil, false, true},
	} {
		got, replaces, err := Earliest.(Stateful).Join(nil, c.stored, state(1, 3))
		if !bytes.Equal(got, c.want) || replaces != c.replaces || (err != nil) != c.fails {
			t.Errorf("%s: got %x, replaces %v, error %v; expected %x, %v and whether it fails, %v", name, got, replaces, err, c.want, c.replaces, c.fails)
		}
	}
}
