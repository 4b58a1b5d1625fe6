package row

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// last is a table with one row as a sink keeps it: the state, and the offset of the record whose values are stored.
type last struct {
	state     []byte
	partition int32
	offset    int64
}

func (l *last) join(t *rapid.T, partition int32, offset int64, added []byte) {
	state, replaces, err := Latest.(Stateful).Join(nil, l.state, added)
	if err != nil {
		t.Fatal(err)
	}
	if l.state = state; replaces {
		l.partition, l.offset = partition, offset
	}
}

// The stored values are those of the same record, the last one of its partition, regardless of how records are divided
// into batches, which task commits first, and what is read again.
func TestLatest_dependsOnTheRecordsAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logs := rapid.SliceOfN(rapid.SliceOfN(rapid.Int64Range(-1, 5), 1, 6), 1, 4).Draw(t, "timestamps of each partition")
		commit := func(label string) *last {
			l := &last{}
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
				from := next[id]
				if from > 0 && rapid.IntRange(0, 4).Draw(t, label+": rewind") == 0 {
					from--
				}
				until := rapid.IntRange(next[id]+1, len(logs[id])).Draw(t, label+": until")
				rows := NewRows(&Table{Columns: []Column{{Name: "s", Kind: Bytes, Merge: Latest}}})
				i, _ := rows.FindIn(id, nil)
				for at := from; at < until; at++ {
					v := Value{Bytes: AppendPosition(nil, [16]byte{1}, id, int64(at), logs[id][at]), Set: true}
					Latest.Fold(rows, &rows.Cells(i)[0], Bytes, v)
				}
				l.join(t, id, int64(until-1), rows.Bytes(&rows.Cells(i)[0]))
				next[id] = until
			}
		}
		a, b := commit("first"), commit("second")
		if !bytes.Equal(a.state, b.state) || a.partition != b.partition || a.offset != b.offset {
			t.Fatalf("the last record is %d of partition %d one way, and %d of partition %d another", a.offset, a.partition, b.offset, b.partition)
		}
		if want := int64(len(logs[a.partition]) - 1); a.offset != want {
			t.Fatalf("values of offset %d are stored, the last of partition %d is %d", a.offset, a.partition, want)
		}
		for id, log := range logs {
			for _, time := range log {
				if newest := max(slices.Max(logs[a.partition]), time); newest != slices.Max(logs[a.partition]) {
					t.Fatalf("partition %d has a record of time %d, later than any of partition %d", id, time, a.partition)
				}
			}
		}
	})
}

// A state that was written by hand or by another program is an error, and never a panic.
func TestLatest_foreignState(t *testing.T) {
	t.Parallel()
	good := AppendPosition(nil, [16]byte{1}, 1, 7, 9)
	unsorted := append(bytes.Clone(good), AppendPosition(nil, [16]byte{1}, 0, 1, 1)[16:]...)
	for _, stored := range [][]byte{{1}, good[1:], unsorted} {
		if _, _, err := Latest.(Stateful).Join(nil, stored, good); err == nil {
			t.Errorf("state % x is joined", stored)
		}
	}
}

// Each partition has a row of its own for a key if the table keeps rows by partition; otherwise partitions share one
// row.
func TestRows_byPartition(t *testing.T) {
	t.Parallel()
	for _, merge := range []Merge{Latest, Add} {
		r := NewRows(&Table{Keys: 1, Columns: []Column{{Name: "k", Merge: Key}, {Name: "s", Merge: merge}}})
		rows := map[int]bool{}
		for n := range 3000 {
			i, _ := r.FindIn(int32(n%3), []byte{byte(n % 200), byte(n % 7)})
			rows[i] = true
		}
		want := 1400 // keys
		if merge == Latest {
			want = 3000 // 4200 combinations, of which 3000 occur
		}
		if r.Len() != want || len(rows) != want {
			t.Errorf("%s: %d rows, expected %d", merge, r.Len(), want)
		}
	}
}

// Offsets begin at 0 again in a topic that was recreated. Its records replace the values of the one before.
func TestLatest_recreatedTopic(t *testing.T) {
	t.Parallel()
	old := AppendPosition(nil, [16]byte{1}, 0, 1000, 99)
	old = append(old, AppendPosition(nil, [16]byte{1}, 3, 7, 200)[16:]...)
	added := AppendPosition(nil, [16]byte{2}, 0, 0, 50)
	state, replaces, err := Latest.(Stateful).Join(nil, old, added)
	if err != nil || !replaces || !bytes.Equal(state, added) {
		t.Errorf("state is % x, replaces %v, error %v; expected the new topic's record alone, % x", state, replaces, err, added)
	}
	next := AppendPosition(nil, [16]byte{2}, 1, 0, 40)
	if state, replaces, err = Latest.(Stateful).Join(nil, state, next); err != nil || replaces || len(state) != len(added)+20 {
		t.Errorf("state is % x, replaces %v, error %v; expected both partitions, and the first one's values", state, replaces, err)
	}
}
