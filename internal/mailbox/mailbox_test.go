package mailbox

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestMailbox_order(t *testing.T) {
	t.Parallel()
	m := New[int]()
	if got := m.Take(); got != nil {
		t.Errorf("an empty mailbox has %v, expected nothing", got)
	}
	m.Put(1)
	m.Put(2)
	if diff := cmp.Diff([]int{1, 2}, m.Take()); diff != "" {
		t.Error(diff)
	}
	<-m.Ready() // the token of items that were taken already
	m.Put(3)
	<-m.Ready()
	if diff := cmp.Diff([]int{3}, m.Take()); diff != "" {
		t.Error(diff)
	}
}

// Whatever the interleaving, the consumer gets every item, and those of one producer in their order.
func TestMailbox_concurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const producers, items = 8, 1000
		m := New[[2]int]()
		var wg sync.WaitGroup
		for p := range producers {
			wg.Go(func() {
				for i := range items {
					m.Put([2]int{p, i})
				}
			})
		}
		var next [producers]int
		for got := 0; got < producers*items; {
			<-m.Ready()
			for _, item := range m.Take() {
				if item[1] != next[item[0]] {
					t.Fatalf("producer %d: got item %d, expected %d", item[0], item[1], next[item[0]])
				}
				next[item[0]]++
				got++
			}
		}
		wg.Wait()
	})
}
