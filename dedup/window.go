package dedup

// ID is the first 16 bytes of the SHA-256 of an event ID.
type ID [16]byte

// window is the event IDs of one partition that are remembered. It is not safe for concurrent use.
type window struct {
	records int   // how many are remembered at most
	age     int64 // milliseconds

	known map[ID]struct{}
	ring  []entry // in order of offset; a ring from first on
	first int
	n     int
}

type entry struct {
	id ID
	at int64 // Kafka's time of its record
}

func newWindow(c Config) *window {
	return &window{records: c.Records, age: c.Window.Milliseconds(), known: map[ID]struct{}{}, ring: make([]entry, 16)}
}

// add remembers an event ID, and reports whether it is new. at is Kafka's time of the record in milliseconds. Event IDs
// that have left the window by now, by number or by age, are forgotten first, so that the result depends only on the
// records before this one. Age is relative to this record's own time. So a record whose time is far in the future
// expires the event IDs before it, but not those after it.
func (w *window) add(id ID, at int64) (fresh bool) {
	for w.n > 0 && w.ring[w.first].at < at-w.age {
		w.forget()
	}
	if _, seen := w.known[id]; seen {
		return false
	}
	if w.n == w.records {
		w.forget()
	}
	if w.n == len(w.ring) {
		w.grow()
	}
	w.ring[(w.first+w.n)%len(w.ring)] = entry{id, at}
	w.n++
	w.known[id] = struct{}{}
	return true
}

func (w *window) forget() {
	delete(w.known, w.ring[w.first].id)
	w.first = (w.first + 1) % len(w.ring)
	w.n--
}

func (w *window) grow() {
	larger := make([]entry, min(2*len(w.ring), max(w.records, 16)))
	for i := range w.n {
		larger[i] = w.ring[(w.first+i)%len(w.ring)]
	}
	w.ring, w.first = larger, 0
}
