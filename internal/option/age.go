package option

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Age is a duration that may be written in days: 14d, 36h, 1d12h.
type Age time.Duration

// UnmarshalText parses an age.
func (a *Age) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	bad := fmt.Errorf("%q is not an age, must be like 14d, 36h or 1d12h", s)
	days, rest, ok := strings.Cut(s, "d")
	var d time.Duration
	if ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return bad
		}
		d = time.Duration(n) * 24 * time.Hour
	} else {
		rest = s
	}
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil || more < 0 || d > math.MaxInt64-more {
			return bad
		}
		d += more
	} else if !ok {
		return bad
	}
	*a = Age(d)
	return nil
}

// String returns the age in days if it is a whole number of them.
func (a Age) String() string {
	const day = 24 * time.Hour
	if d := time.Duration(a); d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return time.Duration(a).String()
}
