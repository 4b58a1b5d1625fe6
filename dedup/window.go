package dedup

// ID is the hash of an event's identity.
type ID [16]byte

// window is the identities of one partition that are remembered. It is unsafe for concurrent use.
type window struct {
	records int   // the most that are remembered
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

// add remembers an identity, and reports whether it is new. What has left the window by now, by number or by age, is
// forgotten first, so that the answer depends on the records before this one alone. Age is by this record's own time: one
// that is far ahead of the others ends what was remembered, and not what will be.
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
