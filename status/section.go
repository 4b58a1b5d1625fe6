package status

// Section is one part's view of itself. Func is called for each request, from any goroutine; its result is written as
// JSON. The web page shows a list of objects as a table and an object as names and values.
type Section struct {
	Name string
	Func func() any
}

// State is how a condition stands.
type State string

// The states. Only Down makes the process not ready.
const (
	OK       State = "ok"
	Degraded State = "degraded"
	Down     State = "down"
)

// Condition is one of the things that readiness depends on. Func is called for each request, from any goroutine; it
// must not ask another server and must not block. The reason may be empty for OK.
type Condition struct {
	Name string
	Func func() (state State, reason string)
}

// Standing is what a condition said.
type Standing struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// Readiness is the worst state of all conditions, and each of them.
type Readiness struct {
	State      State      `json:"state"`
	Conditions []Standing `json:"conditions"`
}

func readiness(conditions []Condition) Readiness {
	r := Readiness{State: OK, Conditions: make([]Standing, 0, len(conditions))}
	for _, c := range conditions {
		state, reason := c.Func()
		r.Conditions = append(r.Conditions, Standing{Name: c.Name, State: state, Reason: reason})
		if state == Down || state == Degraded && r.State == OK {
			r.State = state
		}
	}
	return r
}
