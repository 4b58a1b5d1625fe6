package spark

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/avrobin"
)

// fakeSink is a SparkSink over a channel in memory, with the behaviour that matters to the poller: a call blocks while
// the channel is empty, each batch is a transaction that ends by ack, nack or timeout, a request for more events than
// the channel's transactionCapacity always fails, and a broken connection leaves its transaction open.
type fakeSink struct {
	t        *testing.T
	l        net.Listener
	capacity int           // transactionCapacity
	timeout  time.Duration // of a transaction

	mu       sync.Mutex
	changed  *sync.Cond
	channel  []string
	open     map[string][]string // transactions by sequence number
	next     int
	acked    []string
	said     []string // every call, in order
	faults   []string // errors to return before anything else
	conns    map[net.Conn]bool
	stopping bool
	muted    bool // no call gets a reply
	none     bool // reply CLIENT, as a Spark with another protocol text does
	done     sync.WaitGroup
}

func newFakeSink(t *testing.T, capacity int, timeout time.Duration) *fakeSink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeSink{t: t, l: l, capacity: capacity, timeout: timeout, open: map[string][]string{}, conns: map[net.Conn]bool{}}
	s.changed = sync.NewCond(&s.mu)
	s.done.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

func (s *fakeSink) addr() string { return s.l.Addr().String() }

func (s *fakeSink) stop() {
	s.l.Close()
	s.mu.Lock()
	s.stopping = true
	for c := range s.conns {
		c.Close()
	}
	s.changed.Broadcast()
	s.mu.Unlock()
	s.done.Wait()
}

// cut breaks every connection; calls in progress continue.
func (s *fakeSink) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

func (s *fakeSink) put(events ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channel = append(s.channel, events...)
	s.changed.Broadcast()
}

// mute stops all replies.
func (s *fakeSink) mute() { s.look(func() { s.muted = true }) }

// look runs do while it holds the lock.
func (s *fakeSink) look(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

func (s *fakeSink) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.done.Go(func() {
			s.serve(c)
			c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

func (s *fakeSink) serve(c net.Conn) {
	established := false
	for {
		serial, message, err := readFrame(c)
		if err != nil {
			return
		}
		at := 0
		var head []byte
		if !established {
			at = 16
			set, next := avrobin.ReadOptional(message, at)
			at = next
			if set {
				_, at = avrobin.ReadBytes(message, at)
			}
			own := [16]byte(message[at:])
			at += 16
			_, at = avrobin.ReadOptional(message, at)
			at = avrobin.SkipMap(message, at)
			head = []byte{0, 0, 0, 0}
			if own != [16]byte(serverHash) || s.none {
				head = append(avrobin.AppendBytes([]byte{2, 2}, protocolText), 2)
				head = append(append(head, serverHash[:]...), 0)
			}
			established = true
		}
		at = avrobin.SkipMap(message, at)
		name, at := avrobin.ReadBytes(message, at)
		result := s.call(string(name), message[at:])
		if result == nil {
			return
		}
		muted := false
		if s.look(func() { muted = s.muted }); muted {
			continue
		}
		out := binary.BigEndian.AppendUint32(nil, serial)
		out = binary.BigEndian.AppendUint32(out, 3)
		for _, b := range [][]byte{head, {0}, result} {
			out = binary.BigEndian.AppendUint32(out, uint32(len(b)))
			out = append(out, b...)
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

func readFrame(r io.Reader) (serial uint32, message []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	for range binary.BigEndian.Uint32(head[4:]) {
		var n [4]byte
		if _, err := io.ReadFull(r, n[:]); err != nil {
			return 0, nil, err
		}
		b := make([]byte, binary.BigEndian.Uint32(n[:]))
		if _, err := io.ReadFull(r, b); err != nil {
			return 0, nil, err
		}
		message = append(message, b...)
	}
	return binary.BigEndian.Uint32(head[:]), message, nil
}

// call carries out a call; nil means that the sink has ended.
func (s *fakeSink) call(name string, args []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch name {
	case "getEventBatch":
		n, _ := avrobin.ReadLong(args, 0)
		s.said = append(s.said, fmt.Sprintf("get %d", n))
		s.changed.Broadcast()
		return s.get(int(n))
	case "ack", "nack":
		text, _ := avrobin.ReadBytes(args, 0)
		sequence := string(text)
		s.said = append(s.said, name+" "+sequence)
		if taken, ok := s.open[sequence]; ok { // a transaction that is unknown gets a reply, too
			delete(s.open, sequence)
			if name == "ack" {
				s.acked = append(s.acked, taken...)
			} else {
				s.channel = append(taken, s.channel...)
			}
		}
		s.changed.Broadcast()
		return []byte{0}
	}
	return append([]byte{1, 0}, avrobin.AppendBytes(nil, "No such remote message: "+name)...)
}

// get requires s.mu to be held.
func (s *fakeSink) get(n int) []byte {
	for len(s.channel) == 0 && len(s.faults) == 0 && !s.stopping {
		s.changed.Wait()
	}
	switch {
	case s.stopping:
		return nil
	case len(s.faults) > 0:
		text := s.faults[0]
		s.faults = s.faults[1:]
		if text == "null" { // Avro cannot encode a text that is null
			return avrobin.AppendBytes([]byte{1, 0}, "java.lang.NullPointerException")
		}
		if text == "empty" {
			return s.begin(nil)
		}
		return append(avrobin.AppendBytes([]byte{0}, text), 0, 0)
	case min(n, len(s.channel)) > s.capacity:
		text := fmt.Sprintf("Take list for MemoryTransaction, capacity %d full, consider committing more frequently, increasing capacity, or increasing thread count", s.capacity)
		return append(avrobin.AppendBytes([]byte{0}, text), 0, 0)
	}
	taken := s.channel[:min(n, len(s.channel)):min(n, len(s.channel))]
	s.channel = s.channel[len(taken):]
	return s.begin(taken)
}

// begin requires s.mu to be held.
func (s *fakeSink) begin(taken []string) []byte {
	s.next++
	sequence := fmt.Sprintf("AbCdEfGh%d", s.next)
	s.open[sequence] = taken
	time.AfterFunc(s.timeout, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if taken, ok := s.open[sequence]; ok {
			delete(s.open, sequence)
			s.channel = append(taken, s.channel...)
			s.changed.Broadcast()
		}
	})
	b := avrobin.AppendBytes([]byte{0, 0}, sequence)
	if len(taken) > 0 {
		b = avrobin.AppendLong(b, int64(len(taken)))
		for _, body := range taken {
			b = avrobin.AppendBytes(append(b, 2, 2, 'k', 2, 'v', 0), body)
		}
	}
	return append(b, 0)
}
