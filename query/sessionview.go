package query

import (
	"fmt"
	"strings"

	"github.com/sluice-etl/sluice/row"
)

// The view of sessions has two SELECTs below it. The inner one adds to each part the last event of the part before it, and
// the outer one the start of its session. Both have one window, which servers sort once for each:
//
//	SELECT etl__start AS visit, host AS host, CAST(SUM(hits) AS SIGNED) AS hits
//	FROM (
//	  SELECT host, hits, …,
//	    MAX(CASE WHEN etl__before IS NULL OR first >= etl__before + INTERVAL 1800 SECOND THEN first END)
//	      OVER (PARTITION BY host ORDER BY first) AS etl__start
//	  FROM (SELECT host, hits, …, LAG(last, 1) OVER (PARTITION BY host ORDER BY first) AS etl__before FROM t__groups) AS p
//	) AS s
//	GROUP BY etl__start, host
//
// Only the part directly before can hold an event within the gap, since any other is at least one part further away. The
// starts of the sessions of a key grow, so the largest so far is that of the current one. The part of events without a
// time has NULL for both times, sorts first, and is a session whose start is NULL. If etl__before + gap exceeds the year
// 9999, it is NULL, and no event is that late.
//
// Times are DATETIME columns that keep all digits (row.Column.KeepScale). A TIMESTAMP would be compared in the time zone of
// the session that reads the view, in which an hour can come twice.

// If an order chooses values (FIRST, MIN_BY and the like), one more SELECT between these adds the order of each session.
// Orders have the position of a record, so exactly one part of the session has it:
//
//	SELECT MAX(CASE WHEN page__min = etl__order1 THEN page END) AS page, …
//	FROM (SELECT …, MIN(page__min) OVER (PARTITION BY host, etl__start) AS etl__order1 FROM (…) AS s) AS c
//	GROUP BY etl__start, host

// The columns that the SELECTs add. That of an order ends with its number.
const (
	startColumn  = "etl__start"
	beforeColumn = "etl__before"
	orderColumn  = "etl__order"
)

// from returns what the SELECT of the view reads: the parts of a table, each with the start of its session.
func (s *session) from(t *row.Table, table string) string {
	var keys, columns []string
	for i := range t.Columns {
		name := quoted(t.Columns[i].Name)
		switch {
		case t.Columns[i].Name == s.part:
			continue
		case i < t.Keys:
			keys = append(keys, name)
		}
		columns = append(columns, name+" AS "+name)
	}
	first, last := quoted(s.first), quoted(s.last)
	over := " OVER ("
	if len(keys) > 0 {
		over += "PARTITION BY " + strings.Join(keys, ", ") + " "
	}
	over += "ORDER BY " + first + ")"
	list := "SELECT "
	if len(columns) > 0 {
		list += strings.Join(columns, ", ") + ", "
	}
	before, start := quoted(beforeColumn), quoted(startColumn)
	parts := list + "LAG(" + last + ", 1)" + over + " AS " + before + " FROM " + table
	begins := fmt.Sprintf("(%s IS NULL) OR (%s >= (%s + INTERVAL %d SECOND))", before, first, before, s.gap)
	text := "(" + list + "MAX(CASE WHEN " + begins + " THEN " + first + " END)" + over + " AS " + start + " FROM (" + parts + ") AS `p`) AS `s`"
	if len(s.choices) == 0 {
		return text
	}
	ofSession := " OVER (PARTITION BY " + strings.Join(append(keys, start), ", ") + ")"
	var chosen strings.Builder
	chosen.WriteString(list + start + " AS " + start)
	for i, c := range s.choices {
		extreme := "MIN"
		if c.highest {
			extreme = "MAX"
		}
		fmt.Fprintf(&chosen, ", %s(%s)%s AS %s", extreme, quoted(c.order), ofSession, quoted(fmt.Sprint(orderColumn, i+1)))
	}
	return "(" + chosen.String() + " FROM " + text + ") AS `c`"
}
