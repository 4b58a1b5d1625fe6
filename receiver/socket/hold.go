package socket

import (
	"sync"

	"github.com/sluice-etl/sluice/receiver"
)

// heldFrame is a frame that is given to the Appender repeatedly until Kafka acknowledges it. The Appender's Release
// returns it here. Its memory is released only once its owner has called release, too (P29).
type heldFrame struct {
	frame  *receiver.Frame
	memory []byte // what Request.Memory returned, the same for every attempt

	mu    sync.Mutex // guards what follows
	lent  bool       // the Appender has it
	owned bool       // false once its owner has called release
}

func newHeldFrame(f *receiver.Frame) *heldFrame { return &heldFrame{frame: f, owned: true} }

// request lends the frame to the Appender. The previous request must have been released.
func (h *heldFrame) request() receiver.Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lent {
		panic("BUG: lines are lent to the Appender while it has them")
	}
	h.lent = true
	r := h.frame.Request(nil)
	r.Release, r.Memory = h.onRelease, h.allocate
	return r
}

func (h *heldFrame) allocate(n int) ([]byte, error) {
	if h.memory == nil {
		b, err := h.frame.Memory(n)
		if err != nil {
			return nil, err
		}
		h.memory = b
	}
	return h.memory[:0], nil
}

func (h *heldFrame) onRelease() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lent = false
	if !h.owned {
		h.frame.Release()
	}
}

// release releases the frame as soon as the Appender has returned it.
func (h *heldFrame) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.owned = false
	if !h.lent {
		h.frame.Release()
	}
}
