package window

// Hop divides time into windows that overlap: each window of a calendar begins one, which consists of that window and
// those that follow it, n in total. So an instant is in n of them. A Hop is safe for concurrent use.
type Hop struct {
	calendar *Calendar
	n        int
}

// Hops are the windows that contain the instants of a Span, which belong to one window of the calendar.
type Hops struct {
	Span
	Starts []int64 // the first instants of the windows, from the latest to the earliest
}

// NewHop creates the windows that begin with each window of slideN slideUnits, and that have a length of sizeN sizeUnits.
// It returns nil if a unit is not one of [NewCalendar]'s, or if the size is not a whole multiple of the slide: seconds,
// minutes, hours, days and weeks are multiples of each other, and so are months, quarters and years.
func NewHop(calendar *Calendar, slideUnit string, slideN int64, sizeUnit string, sizeN int64) *Hop {
	slide, size := fixed[slideUnit]*slideN, fixed[sizeUnit]*sizeN
	if slide == 0 || size == 0 {
		slide, size = monthsOf[slideUnit]*slideN, monthsOf[sizeUnit]*sizeN
	}
	if slide <= 0 || size <= 0 || size%slide != 0 {
		return nil
	}
	return &Hop{calendar, int(size / slide)}
}

// Len returns how many windows an instant is in.
func (h *Hop) Len() int { return h.n }

// Find sets w to the windows of an instant. It allocates only if the capacity of w.Starts is too small.
func (h *Hop) Find(at int64, w *Hops) {
	w.Span = h.calendar.Find(at)
	start := w.Start
	w.Starts = append(w.Starts[:0], start)
	for range h.n - 1 {
		start = h.calendar.Find(start - 1).Start
		w.Starts = append(w.Starts, start)
	}
}
