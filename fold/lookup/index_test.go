package lookup

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// An index finds the keys that were added, and no others, however many there are.
func TestKeyIndex(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	x, want := newKeyIndex(), map[string]int32{}
	draw := func() []byte {
		key := binary.BigEndian.AppendUint32(nil, random.Uint32N(40_000))
		return key[random.IntN(4):] // also keys that are the end of others
	}
	for row := range int32(20_000) {
		key := draw()
		if _, ok := want[string(key)]; !ok {
			x.add(key, row)
			want[string(key)] = row
		}
	}
	for range 100_000 {
		key := draw()
		row, found := x.find(key)
		if w, there := want[string(key)]; found != there || row != w {
			t.Fatalf("key %x: row %d, %v; expected %d, %v", key, row, found, w, there)
		}
	}
	for key, w := range want {
		if row, found := x.find([]byte(key)); !found || row != w {
			t.Fatalf("key %x: row %d, %v; expected %d", key, row, found, w)
		}
	}
	if x.used != len(want) || 2*len(x.slots) < 3*x.used {
		t.Errorf("%d keys in %d slots, expected %d, and more slots by half", x.used, len(x.slots), len(want))
	}
}
