package socket

import (
	"sync"

	"github.com/sluice-etl/sluice/receiver"
)

// hold is a frame that is given to the Appender again and again until Kafka acknowledges it. The Appender's Release
// returns it here, and it is released only once its owner has called let (P29).
type hold struct {
	frame  *receiver.Frame
	memory []byte // what Request.Memory returned, the same for every attempt

	mu    sync.Mutex // guards what follows
	lent  bool       // the Appender has it
	owned bool       // false once its owner has called let
}

func newHold(f *receiver.Frame) *hold { return &hold{frame: f, owned: true} }

// request lends the frame to the Appender. The previous request must have been released.
func (h *hold) request() receiver.Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lent {
		panic("BUG: lines are lent to the Appender while it has them")
	}
	h.lent = true
	r := h.frame.Request(nil)
	r.Release, r.Memory = h.back, h.room
	return r
}

func (h *hold) room(n int) ([]byte, error) {
	if h.memory == nil {
		b, err := h.frame.Memory(n)
		if err != nil {
			return nil, err
		}
		h.memory = b
	}
	return h.memory[:0], nil
}

func (h *hold) back() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lent = false
	if !h.owned {
		h.frame.Release()
	}
}

// let releases the frame as soon as the Appender has returned it.
func (h *hold) let() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.owned = false
	if !h.lent {
		h.frame.Release()
	}
}
