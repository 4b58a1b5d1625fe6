package status

// Section is what one component shows of itself. Func is called for each request, from any goroutine; its result is
// encoded as JSON. The web page shows a list of objects as a table and an object as names and values.
type Section struct {
	Name string
	Func func() any
}

// State is the state of a condition.
type State string

// The states. Only Down makes the process not ready.
const (
	OK       State = "ok"
	Degraded State = "degraded"
	Down     State = "down"
)

// Condition is one of the things that readiness depends on. Func is called for each request, from any goroutine; it
// must not contact another server and must not block. The reason may be empty for OK.
type Condition struct {
	Name string
	Func func() (state State, reason string)
}

// Health is the result of a condition.
type Health struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// Readiness is the worst state of all conditions, and the result of each.
type Readiness struct {
	State      State    `json:"state"`
	Conditions []Health `json:"conditions"`
}

func readiness(conditions []Condition) Readiness {
	r := Readiness{State: OK, Conditions: make([]Health, 0, len(conditions))}
	for _, c := range conditions {
		state, reason := c.Func()
		r.Conditions = append(r.Conditions, Health{Name: c.Name, State: state, Reason: reason})
		if state == Down || state == Degraded && r.State == OK {
			r.State = state
		}
	}
	return r
}
