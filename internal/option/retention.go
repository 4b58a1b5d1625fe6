package option

import (
	"fmt"
	"strings"
	"time"
)

// Retention is how long the windows of tables are kept: one age for all tables, 90d, or those of some tables,
// hits=90d,daily=400d. The zero value keeps all windows.
type Retention struct {
	All    Age
	Tables []TableAge // in the order in which they were given; empty if All is set
}

// TableAge is how long the windows of one table are kept.
type TableAge struct {
	Table string
	Keep  Age
}

// leastKept rejects ages of seconds, which are typing errors.
const leastKept = Age(time.Minute)

// UnmarshalText parses a retention.
func (r *Retention) UnmarshalText(text []byte) error {
	*r = Retention{}
	s := strings.TrimSpace(string(text))
	if s == "" {
		return nil
	}
	if !strings.Contains(s, "=") {
		if err := r.All.UnmarshalText([]byte(s)); err != nil {
			return fmt.Errorf("%w, or like hits=90d,daily=400d", err)
		}
		if r.All != 0 && r.All < leastKept {
			return fmt.Errorf("%s is too short, must be at least %s, or 0s to keep all windows", r.All, leastKept)
		}
		return nil
	}
	for item := range strings.SplitSeq(s, ",") {
		name, age, ok := strings.Cut(item, "=")
		t := TableAge{Table: strings.TrimSpace(name)}
		if !ok || t.Table == "" {
			return fmt.Errorf("%q must be a table and an age, like hits=90d", strings.TrimSpace(item))
		}
		if err := t.Keep.UnmarshalText([]byte(age)); err != nil {
			return fmt.Errorf("table %s: %w", t.Table, err)
		}
		if t.Keep < leastKept {
			return fmt.Errorf("table %s: %s is too short, must be at least %s: leave the table out to keep its windows", t.Table, t.Keep, leastKept)
		}
		for _, other := range r.Tables {
			if strings.EqualFold(other.Table, t.Table) {
				return fmt.Errorf("table %s is given twice", t.Table)
			}
		}
		r.Tables = append(r.Tables, t)
	}
	return nil
}

// String returns the retention in the form that UnmarshalText parses.
func (r Retention) String() string {
	if len(r.Tables) == 0 {
		return r.All.String()
	}
	var items []string
	for _, t := range r.Tables {
		items = append(items, t.Table+"="+t.Keep.String())
	}
	return strings.Join(items, ",")
}

// IsZero reports whether all windows are kept.
func (r Retention) IsZero() bool { return r.All == 0 && len(r.Tables) == 0 }
